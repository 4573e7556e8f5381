"""Root keys, by name only."""

from odoo import fields, models


class AcrelRootKey(models.Model):
    """A root key that this database was or is wrapped under; itself it is only in files."""

    _name = "acrel.root.key"
    _description = "Root Key"
    _auto = False
    # a name of its own, so that Odoo leaves the columns of the real table alone
    _table = "acrel_root_key_seen"
    _log_access = False
    _order = "made_at desc"
    _rec_name = "root"

    root = fields.Char("Root Key", readonly=True)
    state = fields.Selection([("current", "In Use"), ("retired", "Retired")], readonly=True)
    made_at = fields.Datetime("First Used", readonly=True)
    retired_at = fields.Datetime("Retired", readonly=True)
    key_count = fields.Integer("Keys Wrapped Under It", readonly=True, aggregator=None)

    @property
    def _table_query(self):
        """The root keys without their sentinels."""
        return """SELECT row_number() OVER (ORDER BY made_at, root_id)::integer AS id,
                         root_id AS root, state, made_at, retired_at,
                         (SELECT count(*) FROM acrel_link_key k WHERE k.root_id = r.root_id)
                             ::integer AS key_count
                    FROM acrel_root_key r"""

    def action_roll(self):
        """Order that everything is wrapped under the last root key that is loaded."""
        return self.env["acrel.key.job"]._ask("roll")._action_open()
