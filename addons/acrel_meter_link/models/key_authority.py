"""The operator's own authority for certificates."""

from odoo import fields, models


class AcrelKeyAuthority(models.Model):
    """An authority; its private key is wrapped under the root key and never seen. Read-only."""

    _name = "acrel.key.authority"
    _description = "Certificate Authority"
    _auto = False
    # a name of its own, so that Odoo leaves the columns of the real table alone
    _table = "acrel_key_authority_seen"
    _log_access = False
    _order = "id desc"

    name = fields.Char(readonly=True)
    state = fields.Selection([("current", "In Use"), ("retired", "Replaced")], readonly=True)
    certificate = fields.Text(
        "Certificate (PEM)",
        readonly=True,
        help="Public: what devices and listeners verify one another's certificates with.",
    )
    fingerprint = fields.Char("Fingerprint (SHA-256)", readonly=True)
    root = fields.Char("Root Key", readonly=True)
    made_at = fields.Datetime("Made", readonly=True)
    not_after = fields.Datetime("Valid Until", readonly=True)
    crl_number = fields.Integer("Revocation Lists Exported", readonly=True, aggregator=None)

    @property
    def _table_query(self):
        """The authorities without what is wrapped."""
        return """SELECT id, name, state, certificate, encode(fingerprint, 'hex') AS fingerprint,
                         root_id AS root, made_at, not_after, crl_number
                    FROM acrel_key_authority"""

    def action_make(self):
        """Order an authority named after the company."""
        job = self.env["acrel.key.job"]._ask(
            "authority", parameters={"name": self.env.company.name[:64]}
        )
        return job._action_open()

    def action_replace(self):
        """Order an authority in place of the present one."""
        job = self.env["acrel.key.job"]._ask(
            "authority", parameters={"name": self.env.company.name[:64], "replace": True}
        )
        return job._action_open()

    def action_revocation_list(self):
        """Order the list of revoked certificates."""
        return self.env["acrel.key.job"]._ask("revocation_list")._action_open()
