"""Refunds at the gateway: asked for, followed, ended."""

from datetime import timedelta
from urllib.parse import quote

from odoo import fields, models
from odoo.exceptions import ValidationError

from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..exceptions import WechatpayNoAnswer, WechatpayRefused

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)


class PaymentTransaction(models.Model):
    """Refunds: a child transaction is done only when the gateway says so afterwards."""

    _inherit = "payment.transaction"

    # === REQUEST === #

    def _refund(self, amount_to_refund=None):
        """Override of `payment`: refuse with a sentence what the gateway would refuse."""
        if self.provider_code != const.PROVIDER_CODE:
            return super()._refund(amount_to_refund=amount_to_refund)
        self.ensure_one()
        self._wechatpay_claim()
        self._wechatpay_check_refundable(amount_to_refund or self.amount)
        return super()._refund(amount_to_refund=amount_to_refund)

    def _wechatpay_refunds(self):
        """Return the order's refunds that were made or may still be."""
        return self.child_transaction_ids.filtered(
            lambda child: child.operation == "refund" and child.state not in ("cancel", "error")
        )

    def _wechatpay_refundable_fen(self):
        """Return how much of the order is not refunded, in fen."""
        refunded = sum(child._wechatpay_fen() for child in self._wechatpay_refunds())
        return self._wechatpay_fen() - refunded

    def _wechatpay_check_refundable(self, amount):
        """Raise a sentence unless so much can still be refunded of this order."""
        refunds = self._wechatpay_refunds()
        if self.currency_id.compare_amounts(amount, 0) <= 0:
            raise ValidationError(self.env._("The amount to refund must be above zero."))
        left = self._wechatpay_refundable_fen()
        if round(amount * 100) > left:
            raise ValidationError(
                self.env._(
                    "Of this payment %(left)s can still be refunded, not %(amount)s.",
                    left=self.currency_id.format(left / 100),
                    amount=self.currency_id.format(amount),
                )
            )
        if len(refunds) >= const.MAXIMUM_REFUNDS:
            raise ValidationError(
                self.env._(
                    "WeChat Pay allows %(limit)s refunds of one payment, and so many were made."
                    " Pay the rest back in another way.",
                    limit=const.MAXIMUM_REFUNDS,
                )
            )
        paid_at = self.wechatpay_paid_at or self.last_state_change
        if paid_at < fields.Datetime.now() - timedelta(days=const.REFUND_DAYS):
            raise ValidationError(
                self.env._(
                    "WeChat Pay refunds within one year of the payment; this one is of %(day)s."
                    " Pay it back in another way.",
                    day=paid_at.date(),
                )
            )

    def _send_refund_request(self):
        """Override of `payment`: ask for the refund; its end comes by notification or query."""
        if self.provider_code != const.PROVIDER_CODE:
            return super()._send_refund_request()
        self._wechatpay_send_refund()
        return None

    def _wechatpay_send_refund(self):
        """Send the refund's request; the number makes a repetition harmless."""
        order = self.source_transaction_id
        payload = {
            "out_trade_no": order.reference,
            "out_refund_no": self.reference,
            "notify_url": self.provider_id._wechatpay_notify_url(),
            "amount": {
                "refund": self._wechatpay_fen(),
                "total": order._wechatpay_fen(),
                "currency": "CNY",
            },
        }
        try:
            answer = self._wechatpay_call("POST", "/v3/refund/domestic/refunds", payload)
            if problem := self._wechatpay_identity_problem(answer):
                raise WechatpayNoAnswer(
                    self.env._(
                        "WeChat Pay's answer is about something else (%(field)s): it is not used.",
                        field=problem,
                    )
                )
        except WechatpayNoAnswer as error:
            # Perhaps the gateway did it: the query tells, and asks again with the same number.
            _logger.info("Refund %s: %s", self.reference, error.args[0])
            self._set_pending(state_message=error.args[0])
            self._wechatpay_postpone()
        except WechatpayRefused as refusal:
            self.wechatpay_next_query_at = False
            self._set_error(refusal.args[0])
        else:
            self.provider_reference = answer.get("refund_id") or self.provider_reference
            self._set_pending()
            self._wechatpay_schedule(seconds=const.FIRST_QUERY_SECONDS)

    # === RESULT === #

    def _wechatpay_check_refund(self):
        """Ask the gateway how the refund stands; send it again if it does not know it."""
        if self.state in ("done", "cancel", "error"):
            self.wechatpay_next_query_at = False
            return
        if self.state == "draft":
            self._wechatpay_send_refund()
            return
        number = quote(self.reference, safe="")
        try:
            answer = self._wechatpay_call(
                "GET", f"/v3/refund/domestic/refunds/{number}", again=False
            )
        except WechatpayNoAnswer as error:
            _logger.info("Refund %s: %s", self.reference, error.args[0])
            self._wechatpay_postpone()
        except WechatpayRefused as refusal:
            if refusal.code not in const.REFUND_UNKNOWN_CODES:
                _logger.info("Refund %s: %s", self.reference, refusal.args[0])
                self._wechatpay_postpone()
            elif self.wechatpay_is_foreign:
                self.wechatpay_next_query_at = False
                self._set_canceled(state_message=self.env._("WeChat Pay knows no such refund."))
            else:
                self._wechatpay_send_refund()
        else:
            if problem := self._wechatpay_identity_problem(answer):
                _logger.warning("The answer for refund %s has another %s.", self.reference, problem)
                self._wechatpay_postpone()
                return
            (self.source_transaction_id | self)._wechatpay_lock()
            self._process(const.PROVIDER_CODE, answer)
            if self.state == "pending":
                self._wechatpay_postpone()

    def _wechatpay_apply_refund(self, payment_data):
        """Bring the refund to the state that a notification (refund_status) or query tells."""
        status = payment_data.get("refund_status") or payment_data.get("status")
        if payment_data.get("refund_id"):
            self.provider_reference = payment_data["refund_id"]
        if status == "SUCCESS":
            self.wechatpay_next_query_at = False
            if self.state != "done":
                self._set_done(extra_allowed_states=("cancel",))
                self._wechatpay_trigger_post_processing()
        elif status == "CLOSED":
            if self.state != "done":
                self.wechatpay_next_query_at = False
                self._set_canceled(state_message=self.env._("WeChat Pay closed the refund."))
        elif status == "ABNORMAL":
            self._wechatpay_tell_abnormal()

    def _wechatpay_tell_abnormal(self):
        """Say once that a refund waits for a person in the merchant platform."""
        sentence = self.env._(
            "WeChat Pay could not return the money to the payer's account. Handle this refund in"
            " the merchant platform (Transaction Center, Abnormal Refunds); its end is fetched"
            " from there."
        )
        if self.state not in ("draft", "pending") or self.state_message == sentence:
            return
        self._set_pending(state_message=sentence, extra_allowed_states=("pending",))
        self._log_message_on_linked_documents(sentence)

    def _wechatpay_add_foreign_refund(self, payment_data):
        """Add a refund that was made in the merchant platform; the cron asks how it stands.

        The notification alone does not end it: its number is none of ours.

        :param self: the order that the refund belongs to
        :return: whether it can be one of this order (a number, no more money than is left)
        """
        amount = payment_data.get("amount")
        fen = amount.get("refund") if isinstance(amount, dict) else None
        number = payment_data.get("out_refund_no")
        refund_id = payment_data.get("refund_id")
        if type(fen) is not int or not isinstance(number, str) or not refund_id:
            return False
        self._wechatpay_claim()
        if not 1 <= fen <= self._wechatpay_refundable_fen() or refund_id in (
            self.child_transaction_ids.mapped("provider_reference")
        ):
            return False
        refund = self._create_child_transaction(
            fen / 100,
            is_refund=True,
            reference=number,
            provider_reference=refund_id,
            wechatpay_is_foreign=True,
        )
        refund._set_pending(
            state_message=self.env._("This refund was made in WeChat Pay's merchant platform.")
        )
        refund._wechatpay_schedule(seconds=1)
        return True
