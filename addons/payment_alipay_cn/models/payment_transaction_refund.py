"""Refunds: asked for with one number, done only when Alipay says that the money moved."""

from odoo import models
from odoo.exceptions import ValidationError

from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..alipay_gateway import AnswerError, GatewayError, Refusal, fen, yuan

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)

LIVING = ("draft", "pending", "authorized", "done")


class PaymentTransaction(models.Model):
    """Refunds of Alipay transactions."""

    _inherit = "payment.transaction"

    def _refund(self, amount_to_refund=None):
        """Override of `payment`: refuse more than what is left before a refund exists."""
        if self.provider_code == const.CODE:
            self._alipay_cn_check_refundable(amount_to_refund or self.amount)
        return super()._refund(amount_to_refund)

    def _alipay_cn_check_refundable(self, amount):
        self.ensure_one()
        self._alipay_cn_lock()
        # A second refund at once waits for the lock with an older view of the first: changing the
        # row has PostgreSQL refuse it, and Odoo run it again with the view of today.
        self.env.cr.execute(
            "UPDATE payment_transaction SET write_date = write_date WHERE id = %s", [self.id]
        )
        refunds = self.child_transaction_ids.filtered(
            lambda tx: tx.operation == "refund" and tx.state in LIVING
        )
        left = self.amount + sum(refunds.mapped("amount"))
        if self.currency_id.compare_amounts(amount, left) > 0:
            raise ValidationError(
                self.env._(
                    "%(amount)s cannot be refunded: of the payment %(ref)s only %(left)s are left.",
                    amount=self.currency_id.format(amount),
                    ref=self.reference,
                    left=self.currency_id.format(left),
                )
            )

    def _send_refund_request(self):
        """Override of `payment`: ask for the refund; in an outage it waits to be repeated."""
        if self.provider_code != const.CODE:
            return super()._send_refund_request()
        self._set_pending()
        self._alipay_cn_ask_later()
        self._alipay_cn_request_refund()
        return None

    def _alipay_cn_request_refund(self):
        """Send the refund, under its one number, and take the answer."""
        source = self.source_transaction_id
        try:
            answer = self._alipay_cn_ask(
                "alipay.trade.refund",
                {
                    "out_trade_no": source.reference,
                    "out_request_no": self.reference,
                    "refund_amount": yuan(self._alipay_cn_fen()),
                },
            )
            source._alipay_cn_same_order(answer)
        except Refusal as refusal:
            if refusal.is_final:
                self._alipay_cn_settled()
                self._set_error(self.provider_id._alipay_cn_sentence(refusal))
            else:
                self._alipay_cn_tell(refusal)
            return
        except (GatewayError, ValidationError) as problem:
            self._alipay_cn_tell(problem)
            return
        # `fund_change` Y: this request moved money. N: nothing moved now; it may have before.
        if answer.get("fund_change") == "Y":
            self._alipay_cn_take_sum(answer.get("refund_fee"), answer.get("trade_no"))

    def _alipay_cn_tell(self, problem):
        """Tell why the refund still waits, on its form and in the log."""
        self.state_message = self.provider_id._alipay_cn_sentence(problem)
        _logger.warning(
            "Refund %s: %s", self.reference, self.provider_id._alipay_cn_log_sentence(problem)
        )

    def _alipay_cn_take_sum(self, refund_fee, trade_no):
        """Finish the refund if the sum of all refunds that Alipay reports holds it exactly.

        Answers and notifications tell the sum, not the one amount. Where it does not come out (a
        refund made elsewhere), the refund query, which tells the one amount, decides.
        """
        done = self.source_transaction_id.child_transaction_ids.filtered(
            lambda tx: tx.operation == "refund" and tx.state == "done"
        )
        expected = sum(tx._alipay_cn_fen() for tx in done | self)
        try:
            told = fen(refund_fee or "")
        except ValueError:
            told = None
        if told == expected:
            self._alipay_cn_take(
                {
                    "refund_number": self.reference,
                    "refund_status": "REFUND_SUCCESS",
                    "refund_amount": yuan(self._alipay_cn_fen()),
                    "trade_no": trade_no,
                }
            )

    def _alipay_cn_check_refund(self):
        """Ask whether the refund is done; where it is not, ask for it again under its number."""
        if self.state not in ("draft", "pending"):
            return self._alipay_cn_settled()
        self._set_pending()
        self._alipay_cn_ask_later()
        try:
            answer = self._alipay_cn_query_refund()
        except (GatewayError, ValidationError) as problem:
            self._alipay_cn_tell(problem)
            return None
        if answer:
            self._alipay_cn_take(answer)
        else:
            self._alipay_cn_request_refund()
        return None

    def _alipay_cn_query_refund(self):
        """Return the data of the finished refund, None while there is no such one."""
        answer = self._alipay_cn_ask(
            "alipay.trade.fastpay.refund.query",
            {
                "out_trade_no": self.source_transaction_id.reference,
                "out_request_no": self.reference,
            },
        )
        if not answer.get("refund_amount"):
            return None
        self.source_transaction_id._alipay_cn_same_order(answer)
        if answer.get("out_request_no") != self.reference:
            raise AnswerError("other_order")
        # Without a status in the answer, data of the refund mean that it is done (documented).
        status = answer.get("refund_status") or "REFUND_SUCCESS"
        return {**answer, "refund_number": self.reference, "refund_status": status}

    def _alipay_cn_apply_refund(self, payment_data):
        """Finish this refund, whose data say that it is done."""
        if payment_data.get("refund_status") != "REFUND_SUCCESS" or self.state == "done":
            return
        self.provider_reference = payment_data.get("trade_no")
        self._alipay_cn_settled()
        self._set_done(extra_allowed_states=("cancel",))
        self.env.ref("payment.cron_post_process_payment_tx")._trigger()
