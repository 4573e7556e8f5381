"""The pages that a payer sees."""

import base64
import re

from werkzeug.exceptions import NotFound
from werkzeug.urls import url_quote_plus

from odoo import fields, http
from odoo.exceptions import ValidationError
from odoo.http import request
from odoo.tools import consteq

from odoo.addons.payment.controllers.post_processing import PaymentPostProcessing
from odoo.addons.payment.logging import get_payment_logger
from odoo.addons.payment.utils import get_customer_ip_address

from .. import const

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)

IN_WECHAT = re.compile(r"MicroMessenger", re.IGNORECASE)
PHONE = re.compile(r"Mobile|Android|iPhone|iPad|HarmonyOS", re.IGNORECASE)
QR_PIXELS = 480
PAGE_STATES = {"draft": "waiting", "pending": "waiting", "done": "paid", "cancel": "closed"}


class WechatpayController(http.Controller):
    """The payer's page: QR code on a desk, a button on a phone, and how the payment stands."""

    @http.route(
        "/payment/wechatpay/pay/<int:transaction_id>",
        type="http",
        auth="public",
        methods=["GET"],
        website=True,
        sitemap=False,
    )
    def wechatpay_pay(self, transaction_id, access_token="", **_query):
        """Show how to pay; opened again it shows the same order."""
        transaction = self._transaction(transaction_id, access_token)
        PaymentPostProcessing.monitor_transaction(transaction)
        if transaction.state == "done":
            return request.redirect("/payment/status")
        agent = request.httprequest.user_agent.string
        values = {
            "tx": transaction,
            "access_token": access_token,
            "device": "wechat" if IN_WECHAT.search(agent) else "desk",
            "problem": "",
        }
        if values["device"] == "desk" and PHONE.search(agent):
            values["device"] = "phone"
        if transaction.wechatpay_trade_type == "native" and values["device"] == "phone":
            # Begun on a desk: its QR code is what can be paid, whoever looks at it.
            values["device"] = "desk"
        if transaction.state == "draft" and values["device"] != "wechat":
            values |= self._prepare(transaction, values["device"])
        elif transaction.state == "draft":
            values["problem"] = request.env._(
                "WeChat does not open this payment here. Tap the three dots above and choose to"
                " open the page in the browser, then pay with the button."
            )
        values |= self._state(transaction)
        if values["problem"] and values["state"] == "waiting":
            values["state"] = "failed"
        response = request.render("payment_wechatpay.pay_page", values)
        response.headers["Cache-Control"] = "no-store"
        # WeChat checks from which site its page is opened.
        response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
        return response

    @http.route("/payment/wechatpay/status/<int:transaction_id>", type="jsonrpc", auth="public")
    def wechatpay_status(self, transaction_id, access_token=""):
        """Return how the payment stands; ask the gateway if that is due."""
        transaction = self._transaction(transaction_id, access_token)
        due = transaction.wechatpay_next_query_at
        if transaction.state == "draft" and due and due <= fields.Datetime.now():
            transaction._wechatpay_check()
        return self._state(transaction)

    def _transaction(self, transaction_id, access_token):
        """Return the transaction that the token admits to."""
        transaction = request.env["payment.transaction"].sudo().browse(transaction_id).exists()
        if (
            not transaction
            or transaction.provider_code != const.PROVIDER_CODE
            or transaction.operation == "refund"
            or not consteq(str(access_token), transaction._wechatpay_access_token())
        ):
            raise NotFound()
        return transaction

    def _prepare(self, transaction, device):
        """Return what the page needs for this device: the QR code or the phone's address."""
        trade_type = "h5" if device == "phone" else "native"
        try:
            transaction._wechatpay_prepare(trade_type, client_ip=get_customer_ip_address())
        except ValidationError as error:
            _logger.info("Order %s is not made: %s", transaction.reference, error.args[0])
            return {"problem": self._payer_sentence(transaction, trade_type)}
        if trade_type == "h5":
            back = request.httprequest.url
            joint = "&" if "?" in transaction.wechatpay_h5_url else "?"
            return {
                "open_url": f"{transaction.wechatpay_h5_url}{joint}redirect_url="
                f"{url_quote_plus(back)}"
            }
        picture = request.env["ir.actions.report"].barcode(
            "QR", transaction.wechatpay_code_url, width=QR_PIXELS, height=QR_PIXELS, barLevel="M"
        )
        return {
            "code": transaction.wechatpay_code_url,
            "picture": f"data:image/png;base64,{base64.b64encode(picture).decode()}",
        }

    @staticmethod
    def _payer_sentence(transaction, trade_type):
        """Return what a payer can do when the order could not be made."""
        if transaction._wechatpay_is_expired():
            return request.env._("The time to pay is over. Go back and start the payment again.")
        if transaction.wechatpay_trade_type not in (False, trade_type):
            return request.env._(
                "This payment was begun in another way, on a phone. Pay it there, or go back and"
                " start it again here."
            )
        return request.env._(
            "WeChat Pay cannot take this payment at the moment. Nothing was charged. Try again in"
            " a minute, or go back and choose another way to pay."
        )

    @staticmethod
    def _state(transaction):
        """Return what the page shows and does next."""
        state = PAGE_STATES.get(transaction.state, "failed")
        return {
            "state": state,
            "seconds_left": transaction._wechatpay_seconds_left(),
            "redirect": "/payment/status" if state == "paid" else "",
            "back": transaction.landing_route or "/",
        }
