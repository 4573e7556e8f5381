"""The address that WeChat Pay's notifications come to."""

import json

import psycopg2
from werkzeug.exceptions import BadRequest, Conflict, NotFound

from odoo import http
from odoo.exceptions import ValidationError
from odoo.http import request
from odoo.tools import mute_logger

from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..wechatpay_v3 import resource, signature

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)

NEEDED = (
    "code",
    "company_id",
    "wechatpay_merchant_id",
    "wechatpay_app_id",
    "wechatpay_api_v3_key",
    "wechatpay_late_payment",
)
MAXIMUM_BYTES = 64 * 1024


class WechatpayNotifyController(http.Controller):
    """Take what WeChat Pay tells about payments and refunds."""

    @http.route(
        "/payment/wechatpay/notify/<int:provider_id>",
        type="http",
        auth="none",
        methods=["POST"],
        csrf=False,
        save_session=False,
        readonly=False,
        max_content_length=MAXIMUM_BYTES,
    )
    def wechatpay_notify(self, provider_id, **_form):
        """Verify, open and apply a notification.

        Forged ones are refused before a user, a session or a row is looked at, and no request
        goes out: whoever sends them makes the server do nothing but one RSA verification.
        Answers: 200 taken; 401 not proven; 400 not about this merchant's order; 404 unknown order,
        so that the gateway tries again later. Every answer has the documented JSON.
        """
        body = request.httprequest.get_data()
        try:
            signature.check(
                request.httprequest.headers,
                body,
                request.env["payment.provider"].browse(provider_id)._wechatpay_verifiers(),
            )
        except (signature.SignatureRefused, ValidationError) as refusal:
            reason = getattr(refusal, "reason", "key")
            _logger.info("A notification for provider %s is refused: %s.", provider_id, reason)
            return self._answer(401, f"not proven to be WeChat Pay's: {reason}")
        # From here on as other add-ons do: the public user, and sudo on what is needed.
        request.env["ir.http"]._auth_method_public()
        try:
            self._take(request.env["payment.provider"].sudo().browse(provider_id), body)
        except (BadRequest, Conflict, NotFound) as error:
            _logger.warning(
                "A notification for provider %s is not taken: %s", provider_id, error.description
            )
            return self._answer(error.code, error.description)
        return self._answer(200, "")

    def _take(self, provider, body):
        """Apply a verified notification."""
        # What is needed of the provider, and no more: its row carries pictures and long texts.
        provider.fetch(NEEDED)
        try:
            notification = json.loads(body)
            data = json.loads(
                resource.decrypt(
                    provider._wechatpay_secret("wechatpay_api_v3_key").encode(),
                    notification["resource"],
                )
            )
            is_refund = notification["event_type"].startswith("REFUND.")
            number = data["out_refund_no" if is_refund else "out_trade_no"]
            order_number = data["out_trade_no"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadRequest(f"unreadable content ({type(error).__name__})") from None
        transactions = request.env["payment.transaction"].sudo()
        by_provider = [("provider_id", "=", provider.id)]
        order = transactions.search(
            [*by_provider, ("reference", "=", order_number), ("operation", "!=", "refund")], limit=1
        )
        if not order:
            raise NotFound(f"no order {order_number!r} here")
        transaction = order
        if is_refund:
            transaction = transactions.search(
                [*by_provider, ("reference", "=", number), ("operation", "=", "refund")], limit=1
            )
        (order | transaction)._wechatpay_lock()
        if not transaction:
            self._add_foreign_refund(order, data)
            return
        if transaction.wechatpay_is_foreign and transaction.state == "pending":
            transaction._wechatpay_schedule(seconds=1)  # Ended by our own query alone.
            return
        if problem := transaction._wechatpay_identity_problem(data):
            raise BadRequest(f"another {problem} than this order's")
        transaction._process(const.PROVIDER_CODE, data)
        if transaction.state == "error":
            # Told in the order's documents; the gateway keeps repeating until a person looked.
            raise BadRequest("the amount or currency is not this order's")

    @staticmethod
    def _add_foreign_refund(order, data):
        """Add a refund that this server did not make, or that is not committed yet."""
        if data.get("mchid") != order.provider_id.wechatpay_merchant_id:
            raise BadRequest("another mchid than this order's")
        try:
            with mute_logger("odoo.sql_db"), request.env.cr.savepoint():
                added = order._wechatpay_add_foreign_refund(data)
        except psycopg2.IntegrityError:
            # Our own request is just being stored: the gateway repeats, and finds it.
            raise Conflict("this refund is being stored, notify it again") from None
        if not added:
            raise BadRequest("a refund that is none of this order")

    @staticmethod
    def _answer(status, message):
        """Return the JSON that the gateway expects."""
        code = "SUCCESS" if status == 200 else "FAIL"
        return request.make_json_response({"code": code, "message": message}, status=status)
