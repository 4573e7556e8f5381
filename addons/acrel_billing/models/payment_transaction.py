"""Top-ups and refunds of a wallet through Odoo's payment framework."""

import logging

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import float_round

from ..money import fen_of

_logger = logging.getLogger(__name__)


class PaymentTransaction(models.Model):
    """A payment that tops up a wallet, or gives a part of it back."""

    _name = "payment.transaction"
    _inherit = "payment.transaction"

    acrel_wallet_id = fields.Many2one(
        comodel_name="acrel.wallet",
        string="Charging Wallet",
        readonly=True,
        ondelete="restrict",
        index="btree_not_null",
    )
    acrel_refund_id = fields.Many2one(
        comodel_name="acrel.wallet.refund",
        string="Wallet Refund",
        readonly=True,
        ondelete="restrict",
        index="btree_not_null",
    )
    acrel_return_to = fields.Char(
        string="Return To",
        readonly=True,
        help="The page that the driver came from.",
    )

    def _process(self, provider_code, payment_data):
        """Override of `payment` to refuse a wrong amount that is delivered again.

        The framework sets a transaction to `error` when the amount is wrong, and lets the same data
        through when the provider repeats them.
        """
        tx = self or self._search_by_reference(provider_code, payment_data)
        if not tx:
            return tx
        if tx.acrel_wallet_id and tx.state == "error" and not tx._acrel_same_amount(payment_data):
            _logger.info(
                "Transaction %s: payment data with another amount or currency delivered again, "
                "refused again.",
                tx.reference,
            )
            return tx
        return super(PaymentTransaction, tx)._process(provider_code, payment_data)

    def _acrel_same_amount(self, payment_data):
        """Return whether the data carry this transaction's amount and currency."""
        self.ensure_one()
        data = self._extract_amount_data(payment_data)
        if data is None:  # the provider checks amounts itself
            return True
        if not data.get("amount") or not data.get("currency_code"):
            return False
        expected = abs(self.amount)
        if (digits := data.get("precision_digits")) is not None:
            expected = float_round(expected, precision_digits=digits, rounding_method="DOWN")
        return (
            data["currency_code"] == self.currency_id.name
            and self.currency_id.compare_amounts(abs(data["amount"]), expected) == 0
        )

    def _create_child_transaction(self, amount, is_refund=False, **custom_create_values):
        """Override of `payment` to keep the wallet with partial captures and its own refunds."""
        if self.acrel_wallet_id:
            custom_create_values["acrel_wallet_id"] = self.acrel_wallet_id.id
            if is_refund:
                refund = self.env.context.get("acrel_refund_id")
                if not refund:
                    raise UserError(
                        self.env._(
                            "%(reference)s topped up a charging wallet. Refund the wallet, so that "
                            "money that has been used cannot be given back.",
                            reference=self.reference,
                        )
                    )
                custom_create_values["acrel_refund_id"] = refund
        return super()._create_child_transaction(
            amount, is_refund=is_refund, **custom_create_values
        )

    def _create_payment(self, **extra_create_values):
        """Override of `account_payment` to book a wallet's payment as a liability, once.

        The payment, its journal entry and the wallet's entry are written in one transaction. When
        the accounting is not set up the transaction stays to be post-processed, and Odoo's
        scheduled action tries again.
        """
        self.ensure_one()
        wallet = self.acrel_wallet_id
        if not wallet:
            return super()._create_payment(**extra_create_values)
        wallet._lock()
        company = wallet.company_id
        company._acrel_check_accounting()
        payment = super()._create_payment(
            **{
                **extra_create_values,
                "destination_account_id": company.acrel_liability_account_id.id,
            }
        )
        if self.acrel_refund_id:
            self.acrel_refund_id._book_payment(payment)
        else:
            wallet._book(
                "topup",
                fen_of(self.amount),
                f"payment.transaction,{self.id}",
                move_id=payment.move_id.id,
                transaction_id=self.id,
                note=self.reference,
            )
        return payment

    def _post_process(self):
        """Override of `payment` to make a refund payable again that the provider did not pay."""
        result = super()._post_process()
        self._acrel_refund_answered()
        return result

    def _acrel_refund_answered(self):
        """Tell the refund when the provider has said no."""
        for tx in self.filtered(lambda tx: tx.acrel_refund_id and tx.state in ("cancel", "error")):
            tx.acrel_refund_id._provider_failed(
                tx.state_message or self.env._("The provider did not pay.")
            )
