"""A prepaid bill takes its money from the wallet; its credit gives it back."""

from odoo import fields, models


class AcrelBill(models.Model):
    """A bill and the wallet entry that pays it."""

    _inherit = "acrel.bill"

    wallet_entry_ids = fields.One2many(
        comodel_name="acrel.wallet.entry",
        inverse_name="bill_id",
        string="Wallet Entries",
    )

    def _pay_from_wallet(self):
        """Charge posted prepaid bills, or give back posted credits of such, exactly once.

        The hold of the sessions is captured and its rest released in the same transaction. A bill
        that is greater than its hold takes the excess from the wallet as well: the energy has been
        delivered, and a wallet that falls below zero thereby is short until the next top-up.
        """
        for bill in self.sudo().filtered(lambda bill: bill.payment_mode == "prepaid"):
            wallet = bill.env["acrel.wallet"]._ensure(bill.partner_id, bill.company_id)
            wallet._lock()
            remaining = max(bill.gross_fen, 0)
            for hold in bill.session_ids._open_hold():
                used = min(remaining, hold.amount_fen)
                if used:
                    hold._capture(used)
                else:
                    hold._release()
                remaining -= used
            if bill.gross_fen:
                wallet._book(
                    "credit" if bill.gross_fen < 0 else "charge",
                    -bill.gross_fen,
                    f"acrel.bill,{bill.id}",
                    bill_id=bill.id,
                )
