"""Notifications and return pages: what a message that Alipay signed does."""

from datetime import timedelta

from odoo import api, fields, models

from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..alipay_gateway import utc_from_beijing

# A refund's own database transaction is over after this, done or lost.
REFUND_IN_FLIGHT = timedelta(minutes=10)

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)


class PaymentTransaction(models.Model):
    """Notifications about Alipay transactions."""

    _inherit = "payment.transaction"

    @api.model
    def _alipay_cn_notified(self, provider, values):
        """Take a notification whose signature was checked.

        No call goes out from here: Alipay waits for the answer.

        :param payment.provider provider: the one in the notification's address.
        :param dict values: the form's parameters.
        :return: whether Alipay may forget it; False has it delivered again.
        :rtype: bool
        """
        order = self.search(
            [
                ("reference", "=", values.get("out_trade_no") or ""),
                ("provider_id", "=", provider.id),
                ("operation", "!=", "refund"),
            ],
            limit=1,
        )
        if not order:
            _logger.warning(
                "Alipay notified provider %s of an order that is not in this database (yet).",
                provider.id,
            )
            return False
        if problem := order._alipay_cn_stranger(values):
            _logger.warning("Alipay's notification of %s: %s", order.reference, problem)
            return False
        order._alipay_cn_take(values)
        if values.get("refund_fee") or values.get("gmt_refund"):
            return order._alipay_cn_refund_notified(values)
        return True

    def _alipay_cn_stranger(self, values):
        """Return why a signed message is not about this order's application and seller."""
        if values.get("app_id") != (self.alipay_cn_app_id or self._alipay_cn_app()):
            return "it is for another application"
        if values.get("seller_id") != (self.provider_id.alipay_cn_seller_id or "").strip():
            return "it is for another seller"
        return None

    def _alipay_cn_refund_notified(self, values):
        """Take the news of a refund; its number stands in `out_biz_no`, the sum in `refund_fee`."""
        number = values.get("out_biz_no") or ""
        refund = self.child_transaction_ids.filtered(lambda tx: tx.reference == number)
        if refund:
            if refund.state != "done":
                refund._alipay_cn_take_sum(values.get("refund_fee"), values.get("trade_no"))
            if refund.state != "done":
                refund._alipay_cn_ask_at(fields.Datetime.now())
            return True
        if number.startswith(f"R_{self.reference}") and _is_fresh(values.get("gmt_refund")):
            return False  # ours, from a database transaction that is not finished: once more later
        refunded = values.get("refund_fee") or "?"
        if self.alipay_cn_refund_told != refunded:
            self.alipay_cn_refund_told = refunded
            _logger.warning(
                "Alipay reports a refund of %s that was not made here; refunded in all: %s yuan.",
                self.reference,
                refunded,
            )
            self._log_message_on_linked_documents(
                self.env._(
                    "Alipay reports a refund of %(ref)s that was not made here; refunded in all so "
                    "far: %(sum)s yuan. Enter it by hand if it is not in the books.",
                    ref=self.reference,
                    sum=refunded,
                )
            )
        return True


def _is_fresh(text):
    """Whether a gateway time lies within the last minutes; one that cannot be read does not."""
    try:
        return fields.Datetime.now() - utc_from_beijing(text or "") < REFUND_IN_FLIGHT
    except ValueError:
        return False
