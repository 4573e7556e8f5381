"""The payer's pages: to Alipay and back."""

import base64
import io
import re

import qrcode
import qrcode.image.svg
from werkzeug.exceptions import NotFound

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.http import Controller, request, route
from odoo.tools import consteq

from odoo.addons.payment.controllers.post_processing import PaymentPostProcessing
from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..alipay_gateway import AnswerError, GatewayError, verifier

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)

_PHONE = re.compile(r"Mobi|Android|iPhone|iPad|iPod|HarmonyOS", re.IGNORECASE)
_WECHAT = re.compile(r"MicroMessenger", re.IGNORECASE)


class AlipayController(Controller):
    """Pay page, its live state, and the way back from Alipay's pages."""

    @route(
        "/payment/alipay_cn/pay/<int:tx_id>",
        type="http",
        auth="public",
        methods=["GET"],
        website=True,
        sitemap=False,
    )
    def alipay_cn_pay(self, tx_id, access_token=None, **_other):
        """Send the payer to Alipay, or show the QR code; the same order however often asked."""
        tx = _transaction(tx_id, access_token)
        PaymentPostProcessing.monitor_transaction(tx)
        if tx.state in ("done", "pending", "authorized"):
            return request.redirect("/payment/status")
        agent = request.httprequest.user_agent.string
        values = {"tx": tx, "access_token": access_token, **_view(tx)}
        if values["state"] != "waiting":
            return _page(values)
        try:
            if _WECHAT.search(agent):
                values["inside_wechat"] = True
            elif _PHONE.search(agent):
                values["open_link"] = tx._alipay_cn_page_link("wap")
            elif tx.provider_id.alipay_cn_desk_page == "precreate":
                values["qr_code"] = tx._alipay_cn_qr()
                values["qr_image"] = _qr_image(values["qr_code"])
            else:
                link = tx._alipay_cn_page_link("page")
                return request.redirect(link, code=303, local=False)
        except (GatewayError, ValidationError) as problem:
            _logger.warning(
                "Order %s: %s", tx.reference, tx.provider_id._alipay_cn_log_sentence(problem)
            )
            values |= {
                "state": "failed",
                "message": request.env._(
                    "Alipay cannot be reached or refuses the payment just now. No money was taken. "
                    "Please try again in a minute, or choose another way to pay."
                ),
            }
        return _page(values)

    @route("/payment/alipay_cn/status/<int:tx_id>", type="jsonrpc", auth="public")
    def alipay_cn_status(self, tx_id, access_token=None):
        """Tell the waiting page how the payment stands; ask Alipay when it is time to."""
        tx = _transaction(tx_id, access_token)
        due = tx.alipay_cn_next_query_at
        if due and due <= fields.Datetime.now():
            tx._alipay_cn_check()
        return _view(tx)

    @route("/payment/alipay_cn/return/<int:tx_id>", type="http", auth="public", methods=["GET"])
    def alipay_cn_return(self, tx_id, **values):
        """Bring the payer back: the page's word proves nothing, the gateway is asked."""
        tx = request.env["payment.transaction"].sudo().browse(tx_id).exists()
        if tx.provider_code != const.CODE:
            raise NotFound()
        known = tx.provider_id._alipay_cn_notification_keys()
        try:
            if known is None:
                raise AnswerError("unsigned")
            verifier(known[2]).check_form(values)
            if values.get("out_trade_no") != tx.reference or tx._alipay_cn_stranger(values):
                raise AnswerError("other_order")
        except AnswerError as problem:
            _logger.info("Return page of order %s not used: %s", tx.reference, problem)
        else:
            PaymentPostProcessing.monitor_transaction(tx)
            tx._alipay_cn_check()
        return request.redirect("/payment/status")


def _transaction(tx_id, access_token):
    """Return the transaction that the token opens, or answer that there is none."""
    tx = request.env["payment.transaction"].sudo().browse(tx_id).exists()
    if (
        tx.provider_code != const.CODE
        or tx.operation == "refund"
        or not access_token
        or not consteq(access_token, tx._alipay_cn_token())
    ):
        raise NotFound()
    return tx


def _view(tx):
    """Return the payment's state as the page shows it: waiting, paid, closed or failed."""
    left = 0
    if tx.alipay_cn_expires_at:
        left = max(0, int((tx.alipay_cn_expires_at - fields.Datetime.now()).total_seconds()))
    match tx.state:
        case "done" | "authorized" | "pending":
            state, message = "paid", request.env._("Paid. Thank you.")
        case "cancel":
            state, message = "closed", request.env._("This payment was closed before it was paid.")
        case "error":
            state, message = (
                "failed",
                request.env._("The payment failed. Please contact us before paying again."),
            )
        case _other if not left:
            state, message = (
                "closed",
                request.env._("The time to pay is over. Please start the payment again."),
            )
        case _other:
            state, message = "waiting", ""
    redirect = "/payment/status" if state == "paid" else None
    return {"state": state, "message": message, "seconds_left": left, "redirect": redirect}


def _page(values):
    minutes, seconds = divmod(values["seconds_left"], 60)
    values["time_left"] = f"{minutes}:{seconds:02d}"
    response = request.render("payment_alipay_cn.pay_page", values)
    response.headers["Cache-Control"] = "no-store"
    return response


def _qr_image(text):
    """Return the QR code as an address of SVG data."""
    image = qrcode.make(text, image_factory=qrcode.image.svg.SvgPathImage, border=2)
    file = io.BytesIO()
    image.save(file)
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
