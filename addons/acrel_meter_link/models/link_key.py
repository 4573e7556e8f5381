"""Device keys, as far as anybody may see them."""

from odoo import fields, models

from ..access import require
from .key_job import GROUP


class AcrelLinkKey(models.Model):
    """A device key of a link: its version and state, never its bytes. Read-only."""

    _name = "acrel.link.key"
    _description = "Device Key"
    _auto = False
    # a name of its own, so that Odoo leaves the columns of the real table alone
    _table = "acrel_link_key_seen"
    _log_access = False
    _order = "id desc"
    _rec_name = "version"

    link_id = fields.Many2one("acrel.link", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    serial = fields.Char("Serial Number", readonly=True)
    version = fields.Integer(readonly=True, aggregator=None)
    state = fields.Selection(
        [
            ("current", "In Use"),
            ("next", "Next"),
            ("lab", "Test Range"),
            ("retired", "Retired"),
            ("revoked", "Revoked"),
        ],
        readonly=True,
        help="Next: accepted as well; the one in use is retired as soon as the meter has proven "
        "the next one.",
    )
    over_air = fields.Boolean(
        "Sent Over the Link", readonly=True, help="Off: handed over at the bench."
    )
    root = fields.Char("Root Key", readonly=True)
    made_at = fields.Datetime("Made", readonly=True)
    handed_over_at = fields.Datetime("Handed Over", readonly=True)
    answered_at = fields.Datetime("Stored by the Meter", readonly=True)
    since = fields.Datetime("In This State Since", readonly=True)

    @property
    def _table_query(self):
        """The keys without what is wrapped."""
        return """SELECT k.id, l.id AS link_id, l.company_id, k.serial, k.version, k.state,
                         k.over_air, k.root_id AS root, k.made_at, k.handed_over_at, k.answered_at,
                         k.since
                    FROM acrel_link_key k LEFT JOIN acrel_link l ON l.id = k.link_id"""

    def action_revoke(self):
        """Order that this key is refused from now on, and no other."""
        self.ensure_one()
        require(self.env, GROUP)
        self.check_access("read")
        job = self.env["acrel.key.job"]._ask(
            "revoke", self.link_id, parameters={"version": self.version}
        )
        return job._action_open()
