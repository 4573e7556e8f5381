"""Certificates of links."""

from odoo import fields, models

from ..access import require
from .key_job import GROUP


class AcrelLinkCertificate(models.Model):
    """The record that the TLS channel believes: a certificate that is not valid here is refused."""

    _name = "acrel.link.certificate"
    _description = "Link Certificate"
    _auto = False
    # a name of its own, so that Odoo leaves the columns of the real table alone
    _table = "acrel_link_certificate_seen"
    _log_access = False
    _order = "id desc"
    _rec_name = "number"

    link_id = fields.Many2one("acrel.link", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    authority_id = fields.Many2one("acrel.key.authority", readonly=True)
    serial = fields.Char("Serial Number", readonly=True)
    number = fields.Char("Certificate Number", readonly=True)
    fingerprint = fields.Char("Fingerprint (SHA-256)", readonly=True)
    state = fields.Selection(
        [("valid", "Valid"), ("ended", "Ended"), ("revoked", "Revoked")], readonly=True
    )
    made_at = fields.Datetime("Made", readonly=True)
    not_after = fields.Datetime("Valid Until", readonly=True)
    revoked_at = fields.Datetime("Revoked", readonly=True)

    @property
    def _table_query(self):
        """The certificates, with their end as a state of its own."""
        return """SELECT c.id, l.id AS link_id, l.company_id, c.authority_id, c.serial, c.number,
                         encode(c.fingerprint, 'hex') AS fingerprint,
                         CASE WHEN c.state = 'valid' AND c.not_after < now() AT TIME ZONE 'UTC'
                              THEN 'ended' ELSE c.state END AS state,
                         c.made_at, c.not_after, c.revoked_at
                    FROM acrel_link_certificate c LEFT JOIN acrel_link l ON l.id = c.link_id"""

    def action_revoke(self):
        """Order that this certificate is refused from now on."""
        self.ensure_one()
        require(self.env, GROUP)
        self.check_access("read")
        job = self.env["acrel.key.job"]._ask(
            "revoke_certificate", self.link_id, parameters={"number": self.number}
        )
        return job._action_open()
