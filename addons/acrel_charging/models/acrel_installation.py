"""How far an installation's register has been cut into sessions and energy outside of them."""

from odoo import fields, models
from odoo.exceptions import UserError

from odoo.addons.acrel_meter_link.fields import BigInteger

from .acrel_session import LIVE_STATES


class AcrelInstallation(models.Model):
    """The mark up to which every count of the register has found its owner."""

    _inherit = "acrel.installation"

    pile_ids = fields.One2many("acrel.pile", "installation_id", string="Piles")
    pile_id = fields.Many2one("acrel.pile", compute="_compute_pile_id")
    accounted_register = BigInteger(
        readonly=True,
        copy=False,
        aggregator=None,
        help="Up to this register all energy belongs to a session or stands outside sessions.",
    )
    accounted_at = fields.Datetime(readonly=True, copy=False)
    is_accounted = fields.Boolean(readonly=True, copy=False)

    def write(self, vals):
        """Override to account for an installation up to its last register when it ends."""
        result = super().write(vals)
        if vals.get("date_to") or vals.get("register_to"):
            for installation in self:
                installation._account_end()
        return result

    def _account_end(self):
        """Account for what was drawn between the last session and the installation's end."""
        session = self._live_session()
        if session:
            raise UserError(
                self.env._(
                    "Session %s goes on at this meter. Stop it before the installation ends.",
                    session.name,
                )
            )
        if self.date_to and self.register_to:
            outside = self.env["acrel.energy.outside"].sudo()
            outside._account(self.sudo(), self.register_to, self.date_to)

    def _live_session(self):
        """Return the session that goes on at this installation."""
        sessions = self.env["acrel.session"].sudo()
        return sessions.search(
            [("installation_id", "=", self.id), ("state", "in", LIVE_STATES)], limit=1
        )

    def _compute_pile_id(self):
        """Find the pile that the installation measures."""
        for installation in self:
            installation.pile_id = installation.pile_ids[:1]

    def _lock_accounted(self):
        """Lock the mark; the first time it stands at the installation's first register."""
        self.ensure_one()
        self.flush_recordset()
        self.env.cr.execute(
            "SELECT id FROM acrel_installation WHERE id = %s FOR NO KEY UPDATE", [self.id]
        )
        self.invalidate_recordset(["accounted_register", "accounted_at", "is_accounted"])
        if not self.is_accounted and self.register_from:
            self._set_accounted(self.register_from, self.date_from)

    def _set_accounted(self, register, read_at):
        """Move the mark."""
        self.write({"accounted_register": register, "accounted_at": read_at, "is_accounted": True})

    def _forget_accounted(self):
        """Give up a mark that stood on a false zero; the next close sets it anew."""
        self._lock_accounted()
        self.write({"accounted_register": 0, "accounted_at": False, "is_accounted": False})

    def _last_session(self, session=None):
        """Return the session before this one, or the last one."""
        domain = [("installation_id", "=", self.id), ("has_start", "=", True)]
        if session:
            domain.append(("id", "<", session.id))
        return self.env["acrel.session"].search(domain, order="id desc", limit=1)
