"""A prepaid session and its hold."""

from odoo import fields, models

from ..money import amount_of, fen_of


class AcrelPile(models.Model):
    """A pile: asks the driver's wallet before anything is created."""

    _inherit = "acrel.pile"

    def _check_start(self, partner):
        """Refuse a driver whose wallet cannot begin to pay."""
        super()._check_start(partner)
        if not partner or self._payment_mode() != "prepaid":
            return
        wallets = self.env["acrel.wallet"].sudo()
        if wallet := wallets._of(partner, self.company_id):
            wallet._check_start()
        else:
            wallets._check_start_balance(self.company_id, 0)


class AcrelSession(models.Model):
    """A session: takes its hold first, grows it while the wallet has more, gives back the rest."""

    _inherit = "acrel.session"

    hold_ids = fields.One2many(
        comodel_name="acrel.wallet.hold",
        inverse_name="session_id",
    )
    hold_amount = fields.Monetary(compute="_compute_hold_amount", compute_sudo=True)

    def _compute_hold_amount(self):
        for session in self:
            session.hold_amount = amount_of(session._hold_amount_fen())

    def _authorise(self):
        """Take the hold; raising undoes the start."""
        result = super()._authorise()
        for session in self:
            if session.payment_mode == "prepaid":
                session._take_hold()
        return result

    def _take_hold(self):
        """Hold what the wallet has, at most the company's amount and at least its minimum."""
        self.ensure_one()
        session = self.sudo()
        wallet = session.env["acrel.wallet"]._ensure(session._payer(), session.company_id)
        available = wallet._lock_available()
        wallet._check_start_balance(session.company_id, available)
        amount = min(available, fen_of(session.company_id.acrel_hold_amount))
        session.env["acrel.wallet.hold"]._take(wallet, amount, session_id=session.id)
        session.invalidate_recordset(["hold_ids", "hold_amount"])

    def _open_hold(self):
        """Return the hold that is still held for this session, empty if there is none."""
        return self.sudo().hold_ids.filtered(lambda hold: hold.state == "held")

    def _hold_amount_fen(self):
        """Return how much the hold covers now, in fen; 0 without a hold."""
        self.ensure_one()
        return self._open_hold().amount_fen or 0

    def _extend_hold(self):
        """Hold another step of the wallet; return whether there was anything left to hold."""
        self.ensure_one()
        hold = self._open_hold()
        return bool(hold and hold._grow(fen_of(hold.company_id.acrel_hold_amount)))

    def _release_hold(self):
        """Give back everything, for a session that will have no bill."""
        for session in self:
            session._open_hold()._release()
