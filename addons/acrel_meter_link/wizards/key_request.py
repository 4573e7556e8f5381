"""Orders that need a word more than a button."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..access import require
from ..acrel_link.keys.errors import KeysError
from ..acrel_link.keys.package import Recipient
from ..models.key_job import GROUP

PACKAGED = ("issue", "reissue", "hand_over", "certificate", "listener_certificate")
DATED = ("certificate", "listener_certificate")


class AcrelKeyRequest(models.TransientModel):
    """What shall be done with the keys of some links, and for whom.

    A passphrase is never stored: what arrives is turned at once into a public key under a salt,
    and only those go on.
    """

    _name = "acrel.key.request"
    _description = "Order on Keys"

    kind = fields.Selection(
        [
            ("issue", "Issue a key"),
            ("hand_over", "Hand over a key that nobody has yet"),
            ("reissue", "Revoke everything and issue a new key"),
            ("rotate", "Rotate: send a new key over the link"),
            ("revoke", "Revoke everything"),
            ("certificate", "Issue a certificate"),
            ("revoke_certificate", "Revoke all certificates"),
            ("listener_certificate", "Issue a listener's certificate"),
        ],
        required=True,
        default="issue",
    )
    link_ids = fields.Many2many("acrel.link", string="Links")
    names = fields.Char(
        "Names or Addresses",
        help="By which meters reach the listener, with commas between them. They refuse it under "
        "any other.",
    )
    packaged = fields.Boolean(compute="_compute_packaged")
    opened_by = fields.Selection(
        [("passphrase", "A passphrase"), ("public_key", "An installer's key pair")],
        string="The Package Opens With",
        required=True,
        default="passphrase",
    )
    passphrase = fields.Char(compute="_compute_passphrase", inverse="_inverse_passphrase")
    passphrase_again = fields.Char(compute="_compute_passphrase", inverse="_inverse_passphrase")
    recipient = fields.Json(readonly=True)
    public_key = fields.Char(
        "Installer's Public Key", help="As odoo meter_keys recipient prints it."
    )
    lab = fields.Boolean(
        "Test Range", help="Key version 0, which only a laboratory's listener accepts."
    )
    days = fields.Integer("Valid for (Days)", default=1095)
    reason = fields.Char(help="For the log.")

    @api.depends("kind")
    def _compute_packaged(self):
        """Tell whether something secret is handed over."""
        for request in self:
            request.packaged = request.kind in PACKAGED

    def _compute_passphrase(self):
        """Show nothing: what was typed is not kept."""
        self.passphrase = self.passphrase_again = False

    def _inverse_passphrase(self):
        """Turn a passphrase into what may be stored."""
        for request in self:
            given, again = request.passphrase or "", request.passphrase_again or ""
            if not given and not again:
                continue
            if given != again:
                raise UserError(self.env._("The two passphrases differ: type them again."))
            try:
                request.recipient = Recipient.from_passphrase(given).as_record()
            except KeysError as error:
                raise UserError(str(error)) from error
        self.invalidate_recordset(["passphrase", "passphrase_again"])

    def _recipient(self):
        """Return who can open the package."""
        if self.opened_by == "public_key":
            try:
                return Recipient.from_public_key((self.public_key or "").strip())
            except KeysError as error:
                raise UserError(str(error)) from error
        if not self.recipient:
            raise UserError(
                self.env._("Type a passphrase: without it nobody could open the package.")
            )
        return Recipient.of_record(self.recipient)

    def _names(self):
        """Return by what meters reach the listener."""
        names = (self.names or "").replace(",", " ").replace("，", " ").split()
        if not names:
            raise UserError(
                self.env._("Type the name or address by which meters reach the listener.")
            )
        return names

    def action_order(self):
        """Order it, and show the job."""
        self.ensure_one()
        require(self.env, GROUP)
        parameters = {}
        if self.kind == "issue" and self.lab:
            parameters["lab"] = True
        if self.kind in DATED:
            parameters["days"] = self.days
        if self.kind == "listener_certificate":
            parameters["names"] = self._names()
        if self.reason and self.kind in ("revoke", "reissue", "revoke_certificate"):
            parameters["reason"] = self.reason
        job = self.env["acrel.key.job"]._ask(
            self.kind,
            None if self.kind == "listener_certificate" else self.link_ids,
            recipient=self._recipient() if self.packaged else None,
            parameters=parameters,
        )
        return job._action_open()
