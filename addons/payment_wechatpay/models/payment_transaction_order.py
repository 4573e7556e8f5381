"""Orders at the gateway: made, queried, closed."""

from datetime import timedelta
from urllib.parse import quote

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.payment import utils as payment_utils
from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..exceptions import WechatpayNoAnswer, WechatpayRefused
from ..wechatpay_v3 import signature
from .payment_transaction import FINAL_STATES, PAID_STATES

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)

DESCRIPTION_LENGTH = 127
CRON_BATCH = 100


class PaymentTransaction(models.Model):
    """Make, query and close the order at the gateway."""

    _inherit = "payment.transaction"

    # === ORDER === #

    def _wechatpay_prepare(self, trade_type, *, app_id=None, openid=None, client_ip=None):
        """Make the order at the gateway, or renew what the payer's device needs of it.

        The same number, amount and expiry each time: to the gateway it is one order. No row is
        locked meanwhile, so that a notification never waits for an answer.

        :param str trade_type: native (QR), h5 (phone browser) or jsapi (inside WeChat)
        :raise ValidationError: a sentence, if the order cannot be made
        """
        self.ensure_one()
        self._wechatpay_check_amount()
        if self.state != "draft":
            raise ValidationError(self.env._("This payment is not open any more."))
        now = fields.Datetime.now()
        if now >= self.wechatpay_expires_at:
            raise ValidationError(self.env._("The time to pay is over. Start the payment again."))
        if self.wechatpay_trade_type and self.wechatpay_trade_type != trade_type:
            raise ValidationError(
                self.env._(
                    "This payment was begun in another way. Go back and start it again to pay here."
                )
            )
        app_id = app_id or self.provider_id.wechatpay_app_id
        if trade_type == "jsapi" and self.wechatpay_prepay_id:
            if (app_id, openid) != (self.wechatpay_app_id, self.wechatpay_openid):
                raise ValidationError(
                    self.env._(
                        "This payment was begun by another WeChat user or app. Start it again."
                    )
                )
            return
        if trade_type == "native" and self.wechatpay_code_url:
            return
        if trade_type == "h5" and self.wechatpay_h5_url and now < self.wechatpay_h5_until:
            return
        answer = self._wechatpay_call(
            "POST",
            f"/v3/pay/transactions/{trade_type}",
            self._wechatpay_order_values(trade_type, app_id, openid, client_ip),
        )
        self._wechatpay_keep_order(trade_type, app_id, openid, answer)

    def _wechatpay_order_values(self, trade_type, app_id, openid, client_ip):
        """Return the body of the order."""
        expires_at = self.wechatpay_expires_at + timedelta(hours=8)
        values = {
            "appid": app_id,
            "mchid": self.provider_id.wechatpay_merchant_id,
            "description": f"{self.company_id.name} {self.reference}"[:DESCRIPTION_LENGTH],
            "out_trade_no": self.reference,
            "time_expire": f"{expires_at:%Y-%m-%dT%H:%M:%S}+08:00",
            "notify_url": self.provider_id._wechatpay_notify_url(),
            "amount": {"total": self._wechatpay_fen(), "currency": "CNY"},
        }
        if trade_type == "jsapi":
            values["payer"] = {"openid": openid}
        if trade_type == "h5":
            values["scene_info"] = {
                "payer_client_ip": client_ip or "127.0.0.1",
                "h5_info": {"type": "Wap"},
            }
        return values

    def _wechatpay_keep_order(self, trade_type, app_id, openid, answer):
        """Keep what the order's answer gives for the payer's device."""
        given = {"native": "code_url", "h5": "h5_url", "jsapi": "prepay_id"}[trade_type]
        value = answer.get(given)
        if not isinstance(value, str) or not value:
            raise WechatpayNoAnswer(
                self.env._("WeChat Pay's answer lacks %(field)s. Try again.", field=given)
            )
        values = {
            "wechatpay_trade_type": trade_type,
            "wechatpay_app_id": app_id,
            f"wechatpay_{given}": value,
        }
        if trade_type == "h5":
            values["wechatpay_h5_until"] = fields.Datetime.now() + timedelta(
                seconds=const.H5_ADDRESS_SECONDS
            )
        if trade_type == "jsapi":
            values["wechatpay_openid"] = openid
        self.write(values)
        if not self.wechatpay_query_count:
            self._wechatpay_schedule(seconds=const.FIRST_QUERY_SECONDS)

    def _wechatpay_client_parameters(self, openid, app_id=None):
        """Make the order for a payer inside WeChat and return the signed client parameters.

        For other add-ons: create a transaction of this provider in the state draft, then hand the
        result to `wx.requestPayment` (mini program) or `WeixinJSBridge` (official account).

        :param str openid: the payer's openid under the app
        :param str app_id: the app that pays, if another than the provider's; bound to the merchant
        :return: dict appId, timeStamp, nonceStr, package, signType, paySign
        :raise ValidationError: a sentence, if the order cannot be made
        """
        if not openid:
            raise ValidationError(
                self.env._("WeChat did not say who pays (openid). Open the page in WeChat again.")
            )
        self._wechatpay_prepare("jsapi", app_id=app_id, openid=openid)
        return signature.client_parameters(
            self.wechatpay_app_id,
            self.wechatpay_prepay_id,
            self.provider_id._wechatpay_private_key(),
        )

    def _wechatpay_call(self, method, target, payload=None, **kwargs):
        """Send a request about this transaction to the gateway that it was made at."""
        return self.provider_id._wechatpay_request(
            method, target, payload, reference=self.reference, live=self.is_live, **kwargs
        )

    # === QUERY AND CLOSE === #

    def _wechatpay_order_target(self, action=""):
        """Return the path of the order at the gateway."""
        return f"/v3/pay/transactions/out-trade-no/{quote(self.reference, safe='')}{action}"

    def _wechatpay_check(self):
        """Ask the gateway how the order or refund stands, and act on a verified answer."""
        self.ensure_one()
        if self.operation == "refund":
            self._wechatpay_check_refund()
            return
        if self.state in FINAL_STATES:
            self.wechatpay_next_query_at = False
            return
        try:
            answer = self._wechatpay_query()
        except WechatpayNoAnswer as error:
            _logger.info("Order %s: %s", self.reference, error.args[0])
            self._wechatpay_postpone()
        except WechatpayRefused as refusal:
            if refusal.code in const.ORDER_UNKNOWN_CODES and self._wechatpay_is_expired():
                self._wechatpay_cancel()
            else:
                _logger.info("Order %s: %s", self.reference, refusal.args[0])
                self._wechatpay_postpone()
        else:
            self._wechatpay_act_on(answer)

    def _wechatpay_query(self):
        """Return the gateway's verified data of this order."""
        merchant_id = self.provider_id.wechatpay_merchant_id
        answer = self._wechatpay_call(
            "GET", f"{self._wechatpay_order_target()}?mchid={merchant_id}", again=False
        )
        if problem := self._wechatpay_identity_problem(answer):
            raise WechatpayNoAnswer(
                self.env._(
                    "WeChat Pay's answer is about something else (%(field)s): it is not used.",
                    field=problem,
                )
            )
        return answer

    def _wechatpay_act_on(self, answer):
        """Confirm, close, cancel or wait, as the order's state asks."""
        state = answer.get("trade_state")
        if state in PAID_STATES:
            self._wechatpay_lock()
            self._process(const.PROVIDER_CODE, answer)
        elif state in ("CLOSED", "REVOKED"):
            self._wechatpay_cancel()
        elif not self._wechatpay_is_expired() or state == "USERPAYING":
            self._wechatpay_postpone()
        elif self._wechatpay_close():
            self._wechatpay_cancel()
        else:
            self._wechatpay_postpone()

    def _wechatpay_close(self):
        """Close the order at the gateway; tell whether nobody can pay it any more."""
        payload = {"mchid": self.provider_id.wechatpay_merchant_id}
        try:
            self._wechatpay_call("POST", self._wechatpay_order_target("/close"), payload)
        except (WechatpayNoAnswer, WechatpayRefused) as error:
            # Paid at the last moment, perhaps: the next query tells.
            _logger.info("Order %s is not closed: %s", self.reference, error.args[0])
            return False
        return True

    def _wechatpay_is_expired(self):
        """Tell whether the time to pay is over."""
        return fields.Datetime.now() >= (self.wechatpay_expires_at or fields.Datetime.now())

    def _wechatpay_cancel(self):
        """Cancel the transaction of an order that cannot be paid any more."""
        self._wechatpay_lock()
        self.wechatpay_next_query_at = False
        if self.state not in FINAL_STATES:
            self._set_canceled(state_message=self.env._("It was not paid in time."))

    # === SCHEDULE === #

    def _wechatpay_schedule(self, seconds):
        """Have the cron look at the transaction after so many seconds."""
        at = fields.Datetime.now() + timedelta(seconds=seconds)
        self.wechatpay_next_query_at = at
        cron = self.env.ref("payment_wechatpay.cron_query", raise_if_not_found=False)
        if cron:
            cron._trigger(at=at)

    def _wechatpay_postpone(self):
        """Wait longer before the next look: 15 s, 30 s, 1 min … 1 h, and at the expiry."""
        doubled = const.FIRST_QUERY_SECONDS * 2 ** min(self.wechatpay_query_count + 1, 12)
        seconds = min(doubled, const.LAST_QUERY_SECONDS)
        if self.operation != "refund" and not self._wechatpay_is_expired():
            left = (self.wechatpay_expires_at - fields.Datetime.now()).total_seconds()
            seconds = min(seconds, left + 1)
        self.wechatpay_query_count += 1
        self._wechatpay_schedule(seconds)

    @api.model
    def _cron_wechatpay_query(self):
        """Look at every transaction that is due; each is a database transaction of its own."""
        due = self.search(
            [
                ("provider_code", "=", const.PROVIDER_CODE),
                ("wechatpay_next_query_at", "<=", fields.Datetime.now()),
            ],
            order="wechatpay_next_query_at, id",
            limit=CRON_BATCH + 1,
        )
        remaining = len(due)
        self.env["ir.cron"]._commit_progress(remaining=remaining)
        for transaction in due[:CRON_BATCH]:
            try:
                transaction._wechatpay_check()
            except psycopg2.OperationalError:
                # A notification was faster; what it left is looked at by the next run.
                self.env.cr.rollback()
                _logger.info("Transaction %s changed meanwhile: later.", transaction.id)
            except ValidationError as error:
                self.env.cr.rollback()
                _logger.warning("Transaction %s: %s", transaction.id, error.args[0])
                transaction._wechatpay_postpone()
            remaining -= 1
            if not self.env["ir.cron"]._commit_progress(1, remaining=remaining):
                break

    # === PAGE === #

    def _wechatpay_access_token(self):
        """Return the token that admits to this transaction's page."""
        return payment_utils.generate_access_token(
            self.id,
            self.partner_id.id,
            self.amount,
            self.currency_id.id,
            self.reference,
            env=self.env,
        )

    def _wechatpay_seconds_left(self):
        """Return the seconds that are left to pay."""
        left = (self.wechatpay_expires_at or fields.Datetime.now()) - fields.Datetime.now()
        return max(0, int(left.total_seconds()))
