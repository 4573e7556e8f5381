"""What was done with keys, for ever."""

from odoo import fields, models

ACTIONS = {
    "issued": "Key Issued",
    "handed_over": "Key Handed Over",
    "rotation_begun": "Rotation Begun",
    "stored_by_meter": "Next Key Stored by the Meter",
    "rotated": "Rotation Completed",
    "revoked": "Key Revoked",
    "sim_accepted": "SIM Card Accepted",
    "certified": "Certificate Issued",
    "certificate_revoked": "Certificate Revoked",
    "authority_made": "Authority Made",
    "listener_certified": "Listener Certified",
    "revocation_list": "Revocation List Exported",
    "root_rolled": "Root Key Rolled",
    "started_over": "Lost Root Key Given Up",
    "fetched": "Package Fetched",
    "package_expired": "Package Deleted",
    "issue_refused": "Issue Refused",
    "reissue_refused": "Issue Anew Refused",
    "hand_over_refused": "Hand-Over Refused",
    "rotate_refused": "Rotation Refused",
    "revoke_refused": "Revocation Refused",
    "accept_sim_refused": "SIM Card Not Accepted",
    "certificate_refused": "Certificate Refused",
    "revoke_certificate_refused": "Revocation of a Certificate Refused",
    "authority_refused": "Authority Refused",
    "listener_certificate_refused": "Listener Certificate Refused",
    "revocation_list_refused": "Revocation List Refused",
    "roll_refused": "Roll Refused",
    "start_over_refused": "Giving Up the Root Key Refused",
}


class AcrelKeyLog(models.Model):
    """A line of the log of key actions; triggers in the database refuse to change one."""

    _name = "acrel.key.log"
    _description = "Key Log"
    _auto = False
    # a name of its own, so that Odoo leaves the columns of the real table alone
    _table = "acrel_key_log_seen"
    _log_access = False
    _order = "id desc"
    _rec_name = "action"

    at = fields.Datetime("When", readonly=True)
    actor = fields.Char("Who", readonly=True)
    action = fields.Selection(list(ACTIONS.items()), "What", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    link_id = fields.Many2one("acrel.link", readonly=True)
    serial = fields.Char("Serial Number", readonly=True)
    version = fields.Integer("Key Version", readonly=True, aggregator=None)
    job_id = fields.Many2one("acrel.key.job", readonly=True)
    detail = fields.Text(readonly=True)

    @property
    def _table_query(self):
        """The log; a link that is gone is still named by its serial number."""
        return """SELECT g.id::integer AS id, g.at, g.actor, g.action, g.company_id,
                         l.id AS link_id, g.serial, g.version, g.job_id, g.detail
                    FROM acrel_key_log g LEFT JOIN acrel_link l ON l.id = g.link_id"""
