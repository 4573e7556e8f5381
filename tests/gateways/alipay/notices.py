"""What Alipay tells by itself: asynchronous notifications, and the page that is returned to."""

import hashlib
import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from .. import keys
from ..book import Notice, Order, OrderState, RefundState
from ..messages import Message
from . import signing, trading, values

if TYPE_CHECKING:
    from .gateway import AlipayGateway

PAYMENT, REFUND, SCAN, CLOSING = "payment", "refund", "scan", "closing"
TEN_MINUTES, YEARS = 600.0, 10 * 365 * 86_400.0
CHANGES = {
    "old_timestamp": lambda order, now: {"notify_time": values.stamp(now - YEARS)},
    "future_timestamp": lambda order, now: {"notify_time": values.stamp(now + TEN_MINUTES)},
    "wrong_amount": lambda order, now: {
        "total_amount": values.yuan(order.paid_amount + 1),
        "receipt_amount": values.yuan(order.paid_amount + 1),
    },
    "wrong_currency": lambda order, now: {"trans_currency": "USD", "settle_currency": "USD"},
    "wrong_merchant": lambda order, now: {"seller_id": "2088000000000000"},
    "wrong_app": lambda order, now: dict.fromkeys(("app_id", "auth_app_id"), "2014072300007148"),
    "wrong_order": lambda order, now: {"out_trade_no": "NOBODYS_ORDER"},
    "sign_type_rsa": lambda order, now: {"sign_type": "RSA"},
    "finished": lambda order, now: {"trade_status": trading.FINISHED},
    "waiting": lambda order, now: {"trade_status": trading.WAIT},
}
"""What can be wrong in a notification that is rightly signed."""
MUTATIONS = frozenset(CHANGES) | {
    "forged",
    "other_key",
    "missing_signature",
    "missing_sign_type",
    "changed_body",
    "not_json",
}


def notification(gateway: "AlipayGateway", notice: Notice, mutations: frozenset[str]) -> Message:
    """Write a notification: a form of what happened, signed now."""
    order = gateway.book.find_order(notice.order, notice.merchant)
    form = _form(gateway, order, notice)
    for mutation in mutations & CHANGES.keys():
        form |= CHANGES[mutation](order, gateway.clock.now())
    charset = order.extra["charset"]
    settings = gateway.book.find_merchant(order.merchant).settings
    key = keys.new_key() if "other_key" in mutations else keys.load_private(settings["key"])
    content = signing.string_to_sign(form, signing.OF_A_NOTIFICATION)
    form["sign"] = keys.sign(key, content.encode(charset, "replace"))
    if "forged" in mutations:
        form["sign"] = ("B" if form["sign"][0] == "A" else "A") + form["sign"][1:]
    if "changed_body" in mutations:
        form["buyer_pay_amount"] = "0.01"
    for mutation, name in (("missing_signature", "sign"), ("missing_sign_type", "sign_type")):
        if mutation in mutations:
            del form[name]
    body = urlencode(form, encoding=charset, errors="replace").encode()
    if "not_json" in mutations:
        body = b"<html>no form</html>"
    headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset.upper()}"}
    return Message(order.notify_url, headers, body)


def _form(gateway: "AlipayGateway", order: Order, notice: Notice) -> dict[str, str]:
    settings = gateway.book.find_merchant(order.merchant).settings
    received = values.yuan(order.paid_amount)
    form = {
        "notify_time": values.stamp(gateway.clock.now()),
        "notify_type": "trade_status_sync",
        "notify_id": _notify_id(notice),
        "charset": order.extra["charset"],
        "version": "1.0",
        "sign_type": "RSA2",
        "app_id": order.app,
        "auth_app_id": order.app,
        "trade_no": order.gateway_number,
        "out_trade_no": order.number,
        "seller_id": settings["seller_id"],
        "seller_email": "seller@sandbox.com",
        "buyer_logon_id": "pay***@sandbox.com",
        "buyer_open_id" if order.extra["identity"] == "open_id" else "buyer_id": order.payer,
        "total_amount": received if order.paid_at else values.yuan(order.amount),
        "subject": order.subject,
        "body": order.extra["body"],
        "passback_params": order.attach,
        "gmt_create": values.stamp(order.extra["trade_made_at"]),
        "trade_status": trading.WAIT,
    }
    if notice.event == CLOSING:
        form |= {"trade_status": trading.CLOSED, "gmt_close": values.stamp(notice.made_at)}
    if notice.event in (PAYMENT, REFUND):
        form |= {
            "trade_status": trading.SUCCESS if order.extra["refundable"] else trading.FINISHED,
            "gmt_payment": values.stamp(order.paid_at),
            "receipt_amount": received,
            "invoice_amount": received,
            "buyer_pay_amount": received,
            "point_amount": "0.00",
            "fund_bill_list": json.dumps(
                [{"amount": received, "fundChannel": "ALIPAYACCOUNT"}], separators=(",", ":")
            ),
        }
    if notice.event == REFUND:
        form |= _refunded(gateway, order, notice)
    return {name: value for name, value in form.items() if value}


def _refunded(gateway: "AlipayGateway", order: Order, notice: Notice) -> dict[str, str]:
    """Say what was given back up to and with this refund."""
    refunds = [one for one in gateway.book.refunds_of(order) if one.state is RefundState.SUCCESS]
    this = next(one for one in refunds if one.number == notice.refund)
    total = sum(one.amount for one in refunds if one.finished_at <= this.finished_at)
    said = {
        "out_biz_no": this.number,
        "refund_fee": values.yuan(total),
        "gmt_refund": values.stamp_of_refund(this.finished_at),
    }
    if total == order.paid_amount:
        said |= {
            "trade_status": trading.CLOSED,
            "gmt_close": values.stamp(this.finished_at),
        }
    return said


def _notify_id(notice: Notice) -> str:
    """Name a notice the same each time that it is sent."""
    made = values.beijing(notice.made_at)
    digest = int(hashlib.sha256(notice.id.encode()).hexdigest(), 16) % 10**15
    return f"{made:%Y%m%d}00222{made:%H%M%S}{digest:015d}"


def return_address(gateway: "AlipayGateway", order: Order) -> str:
    """Write the address where the payer's browser returns to, with signed parameters."""
    if not order.return_url or order.state is not OrderState.PAID:
        return order.extra["quit_url"]
    settings = gateway.book.find_merchant(order.merchant).settings
    form = {
        "charset": order.extra["charset"],
        "out_trade_no": order.number,
        "method": f"alipay.trade.{order.kind}.pay.return",
        "total_amount": values.yuan(order.paid_amount),
        "trade_no": order.gateway_number,
        "auth_app_id": order.app,
        "version": "1.0",
        "app_id": order.app,
        "sign_type": "RSA2",
        "seller_id": settings["seller_id"],
        "timestamp": values.stamp(gateway.clock.now()),
    }
    content = signing.string_to_sign(form, signing.OF_A_NOTIFICATION)
    form["sign"] = keys.sign(keys.load_private(settings["key"]), content.encode())
    return f"{order.return_url}?{urlencode(form)}"
