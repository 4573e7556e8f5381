"""How a link proves whose it is: its channel, and what an operator decides about plain."""

import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ..access import require

SUITES = {
    "01": "AES-128-GCM",
    "02": "AES-256-GCM",
    "03": "SM4-GCM",
    "11": "X25519, AES-128-GCM",
    "12": "X25519, AES-256-GCM",
    "13": "X25519, SM4-GCM",
}
"""Suites of the channel `sealed` and what each is made of."""

_PREFERENCE = re.compile(rf"(?:{'|'.join(SUITES)})(?:,(?:{'|'.join(SUITES)}))*")


class AcrelLink(models.Model):
    """Security of a link: what it is to prove, and what it has proven."""

    _inherit = "acrel.link"

    channel = fields.Selection(
        selection_add=[("tls", "TLS (certificate)"), ("sealed", "Sealed (device key)")],
        ondelete={"tls": "set default", "sealed": "set default"},
        tracking=True,
    )
    suites = fields.Char(
        "Cipher Suites",
        tracking=True,
        help="Of the channel “sealed”, the preferred first, such as 11,01: 01 is AES-128, 02 "
        "AES-256, 03 SM4; 11, 12 and 13 are the same with keys that a later theft of the device "
        "key does not reveal. Empty: the usual order.",
    )
    plain_allowed_at = fields.Datetime(
        "Plain Allowed",
        readonly=True,
        copy=False,
        tracking=True,
        help="When somebody last allowed plain connections in the name of this link although it "
        "had proven itself on a secured channel before.",
    )
    plain_barred = fields.Boolean(
        compute="_compute_security",
        help="The link has proven itself on a secured channel, so a plain connection in its name "
        "is refused and raises an alarm.",
    )
    secured_at = fields.Datetime(
        "Last Secured",
        compute="_compute_security",
        help="When the link last proved itself on a secured channel.",
    )
    proven_by = fields.Selection(
        [
            ("key", "Device key"),
            ("certificate", "Certificate"),
            ("serial", "Serial number only"),
        ],
        compute="_compute_security",
        help="What the present or last connection proved itself with. A serial number proves "
        "nothing: anybody can send it.",
    )
    used_channel = fields.Char("Channel in Use", compute="_compute_security")
    used_suite = fields.Char("Suite in Use", compute="_compute_security")
    key_version = fields.Integer("Key Version in Use", compute="_compute_security", aggregator=None)

    @api.constrains("suites")
    def _check_suites(self):
        """Refuse what is no list of suites."""
        for link in self:
            if not link.suites:
                continue
            told = link.suites.split(",")
            if not _PREFERENCE.fullmatch(link.suites) or len(set(told)) < len(told):
                raise ValidationError(
                    self.env._(
                        "“%(suites)s” is no preference of cipher suites: write some of %(known)s, "
                        "each once, with commas between and no spaces.",
                        suites=link.suites,
                        known=", ".join(SUITES),
                    )
                )

    def _compute_security(self):
        """Show what the link process wrote about the connections."""
        self.env.cr.execute(
            SQL(
                """SELECT link_id, channel, proven_by, suite, key_version, secured_at
                     FROM acrel_link_live WHERE link_id = ANY(%s)""",
                self.ids,
            )
        )
        live = {row["link_id"]: row for row in self.env.cr.dictfetchall()}
        channels = dict(self._fields["channel"]._description_selection(self.env))
        for link in self:
            row = live.get(link._origin.id, {})
            suite, secured = row.get("suite"), row.get("secured_at")
            link.used_channel = channels.get(row.get("channel"))
            link.proven_by = row.get("proven_by")
            code = f"{suite:02X}" if suite else False
            link.used_suite = code and f"{code} ({SUITES[code]})"
            link.key_version = row.get("key_version")
            link.secured_at = secured
            link.plain_barred = bool(secured) and (
                not link.plain_allowed_at or link.plain_allowed_at < secured
            )

    def action_allow_plain(self):
        """Ask for the reason why plain is to be allowed."""
        self.ensure_one()
        require(self.env, "group_maintenance")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Allow Plain Connections"),
            "res_model": "acrel.link.allow.plain",
            "view_mode": "form",
            "target": "new",
            "context": {"default_link_id": self.id},
        }

    def _allow_plain(self, reason):
        """Let plain connections in the name of this link in again, until it is secured again."""
        self.ensure_one()
        require(self.env, "group_maintenance")
        self.write({"channel": "plain", "plain_allowed_at": fields.Datetime.now()})
        self.message_post(
            body=self.env._("Plain connections are allowed again: %(reason)s", reason=reason)
        )
