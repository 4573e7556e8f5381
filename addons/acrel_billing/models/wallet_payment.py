"""Payments of a wallet: always booked against the liability."""

from odoo import fields, models
from odoo.exceptions import UserError

from ..money import amount_of


class AcrelWallet(models.Model):
    """A wallet and the payments that staff make."""

    _inherit = "acrel.wallet"

    def _create_wallet_payment(self, payment_type, amount_fen, journal, date=None, memo=""):
        """Post a payment between `journal` and the liability account and return it."""
        self.ensure_one()
        payment = self.env["account.payment"].create(
            {
                "payment_type": payment_type,
                "partner_type": "customer",
                "partner_id": self.partner_id.commercial_partner_id.id,
                "company_id": self.company_id.id,
                "currency_id": self.company_id.currency_id.id,
                "amount": amount_of(amount_fen),
                "date": date or fields.Date.context_today(self),
                "journal_id": journal.id,
                "destination_account_id": self.company_id.acrel_liability_account_id.id,
                "memo": memo,
            }
        )
        payment.action_post()
        return payment

    def _top_up_by_staff(self, amount_fen, journal, date=None, note=""):
        """Book money that staff received in cash or on a bank account."""
        self.ensure_one()
        self.company_id._acrel_check_accounting()
        payment = self._create_wallet_payment("inbound", amount_fen, journal, date=date, memo=note)
        return self._book(
            "topup",
            amount_fen,
            f"account.payment,{payment.id}",
            move_id=payment.move_id.id,
            note=note,
        )

    def _adjust(self, amount_fen, account, note, date=None):
        """Correct the wallet by `amount_fen`, against `account` in the charging journal."""
        self.ensure_one()
        company = self.company_id
        company._acrel_check_accounting()
        if account == company.acrel_liability_account_id:
            raise UserError(
                self.env._("An adjustment needs another account than that of the liability.")
            )
        amount = amount_of(amount_fen)
        partner = self.partner_id.commercial_partner_id.id
        move = self.env["account.move"].create(
            {
                "move_type": "entry",
                "journal_id": company.acrel_journal_id.id,
                "date": date or fields.Date.context_today(self),
                "ref": note,
                "line_ids": [
                    fields.Command.create(
                        {
                            "account_id": company.acrel_liability_account_id.id,
                            "partner_id": partner,
                            "name": note,
                            "balance": -amount,
                        }
                    ),
                    fields.Command.create(
                        {"account_id": account.id, "name": note, "balance": amount}
                    ),
                ],
            }
        )
        move.action_post()
        return self._book(
            "adjustment", amount_fen, f"account.move,{move.id}", move_id=move.id, note=note
        )
