"""Orders and trades.

A trade begins when the payer comes to the cashier, not when the merchant asks for an order by
page, wap or precreate: until then Alipay knows no trade of that number.
"""

import secrets
from typing import TYPE_CHECKING, Any

from ..book import NotFoundError, Order, OrderState
from ..messages import Answer
from . import fields, values
from .envelope import Call
from .errors import Refusal

if TYPE_CHECKING:
    from .gateway import AlipayGateway

WAIT, CLOSED = "WAIT_BUYER_PAY", "TRADE_CLOSED"
SUCCESS, FINISHED = "TRADE_SUCCESS", "TRADE_FINISHED"
REFUNDABLE_FOR = 365 * 86_400.0
PRODUCTS = {
    "page": ("FAST_INSTANT_TRADE_PAY",),
    "wap": ("QUICK_WAP_WAY",),
    "precreate": ("FACE_TO_FACE_PAYMENT", "QR_CODE_OFFLINE"),
    "create": ("JSAPI_PAY",),
}
QR_LASTS, ORDER_LASTS = 2 * 3600.0, 15 * 86_400.0


def page(gateway: "AlipayGateway", call: Call) -> Answer:
    """alipay.trade.page.pay: lead the browser to the cashier."""
    return Answer.redirect(gateway.cashier_address(_place(gateway, call, "page")))


def wap(gateway: "AlipayGateway", call: Call) -> Answer:
    """alipay.trade.wap.pay: lead a phone's browser to the cashier."""
    return Answer.redirect(gateway.cashier_address(_place(gateway, call, "wap")))


def precreate(gateway: "AlipayGateway", call: Call) -> dict[str, Any]:
    """alipay.trade.precreate: give the text of a QR code."""
    order = _place(gateway, call, "precreate")
    return _good(out_trade_no=order.number, qr_code=gateway.qr(order))


def create(gateway: "AlipayGateway", call: Call) -> dict[str, Any]:
    """alipay.trade.create: make the trade that a mini program pays."""
    identity, payer = fields.buyer(call)
    fields.text(call, "op_app_id", 32, required=True)
    with gateway.book.changing():
        order = _place(gateway, call, "create")
        if order.payer not in ("", payer):
            raise Refusal("ACQ.CONTEXT_INCONSISTENT", "买家")
        order.payer, order.extra["identity"] = payer, identity
        open_trade(gateway, order)
    return _good(out_trade_no=order.number, trade_no=order.gateway_number)


def query(gateway: "AlipayGateway", call: Call) -> dict[str, Any]:
    """alipay.trade.query: tell how a trade is."""
    order = trade(gateway, call)
    paid = order.state is OrderState.PAID
    received = values.yuan(order.paid_amount)
    node = _good(
        trade_no=order.gateway_number,
        out_trade_no=order.number,
        buyer_logon_id="pay***@sandbox.com",
        trade_status=status(gateway, order),
        total_amount=values.yuan(order.paid_amount if paid else order.amount),
        subject=order.subject,
        buyer_pay_amount=received,
        receipt_amount=received,
        invoice_amount=received,
        point_amount="0.00",
    )
    node["buyer_open_id" if order.extra["identity"] == "open_id" else "buyer_user_id"] = order.payer
    if order.extra["body"]:
        node["body"] = order.extra["body"]
    if paid:
        node["send_pay_date"] = values.stamp(order.paid_at)
        node["fund_bill_list"] = [{"amount": received, "fund_channel": "ALIPAYACCOUNT"}]
    return node


def close(gateway: "AlipayGateway", call: Call) -> dict[str, Any]:
    """alipay.trade.close: close a trade that waits for its payer."""
    with gateway.book.changing():
        order = trade(gateway, call)
        if order.state is not OrderState.OPEN:
            raise Refusal("ACQ.TRADE_STATUS_ERROR")
        gateway.close(order)
    return _good(out_trade_no=order.number, trade_no=order.gateway_number)


def trade(gateway: "AlipayGateway", call: Call) -> Order:
    """Find the trade that a request names; where it gives both numbers, trade_no counts."""
    order = named_order(gateway, call)
    if order is None or not order.extra["trade_made_at"]:
        raise Refusal("ACQ.TRADE_NOT_EXIST")
    return order


def named_order(gateway: "AlipayGateway", call: Call) -> Order | None:
    """Find the order that a request names, whether or not it has become a trade."""
    number, trade_no = fields.order_number(call, required=False), fields.text(call, "trade_no", 64)
    if not number and not trade_no:
        raise Refusal("ACQ.INVALID_PARAMETER", "out_trade_no和trade_no不能同时为空")
    try:
        order = gateway.order(trade_no or number, call.merchant.id)
    except NotFoundError:
        return None
    named = order.gateway_number == trade_no if trade_no else order.number == number
    return order if named else None


def status(gateway: "AlipayGateway", order: Order) -> str:
    """Say in Alipay's words how a trade is."""
    if order.state is OrderState.OPEN:
        return WAIT
    if order.state is OrderState.CLOSED:
        return CLOSED
    if gateway.refunded_well(order) >= order.paid_amount:
        return CLOSED
    over = gateway.clock.now() > order.paid_at + REFUNDABLE_FOR
    return FINISHED if over or not order.extra["refundable"] else SUCCESS


def open_trade(gateway: "AlipayGateway", order: Order) -> None:
    """Make the trade, since the payer has come; nothing if it is made."""
    if order.extra["trade_made_at"]:
        return
    now = gateway.clock.now()
    order.extra["trade_made_at"] = now
    order.gateway_number = gateway.new_gateway_number()
    gateway.book.name_order(order, order.gateway_number)
    if order.extra["timeout"]:
        order.expires = values.deadline(order.extra["timeout"], now)
    if not order.payer:
        identity = gateway.book.find_merchant(order.merchant).settings["identity"]
        order.extra["identity"] = identity
        order.payer = new_buyer(identity)


def new_buyer(identity: str) -> str:
    """Make up a person, as the app may know people."""
    if identity == "open_id":
        return secrets.token_urlsafe(36)[:47].replace("_", "a").replace("-", "b")
    return f"20881{secrets.randbelow(10**11):011d}"


def _place(gateway: "AlipayGateway", call: Call, kind: str) -> Order:
    """Take an order in, or find it again if it is the same."""
    now = gateway.clock.now()
    wanted = _terms(call, kind, now)
    with gateway.book.changing():
        order = gateway.book.orders.get((call.merchant.id, wanted.number))
        if order is None:
            gateway.book.add_order(wanted)
            return wanted
        gateway.expire(order)
        if order.state is OrderState.PAID:
            raise Refusal("ACQ.TRADE_HAS_SUCCESS")
        if order.state is OrderState.CLOSED:
            raise Refusal("ACQ.TRADE_HAS_CLOSE")
        if not order.extra["trade_made_at"]:
            for name in ("kind", "subject", "amount", "expires", "notify_url", "return_url"):
                setattr(order, name, getattr(wanted, name))
            order.extra = wanted.extra
        elif (order.kind, order.amount, order.subject) != (kind, wanted.amount, wanted.subject):
            raise Refusal("ACQ.CONTEXT_INCONSISTENT")
        return order


def _terms(call: Call, kind: str, now: float) -> Order:
    product = fields.text(call, "product_code", 64, required=kind != "precreate")
    if product and product not in PRODUCTS[kind]:
        raise Refusal("ACQ.INVALID_PARAMETER", "product_code")
    settings = call.merchant.settings
    if fields.text(call, "seller_id", 28) not in ("", settings["seller_id"]):
        raise Refusal("ACQ.INVALID_PARAMETER", "seller_id")
    expires, timeout = fields.expiry(call, now)
    if kind == "precreate" and call.biz.get("qr_code_timeout_express"):
        try:
            expires = values.deadline(fields.text(call, "qr_code_timeout_express", 6), now)
        except ValueError:
            raise Refusal("ACQ.INVALID_PARAMETER", "qr_code_timeout_express") from None
    if expires is None:
        expires = now + (QR_LASTS if kind == "precreate" else ORDER_LASTS)
    return Order(
        merchant=call.merchant.id,
        app=call.merchant.id,
        number=fields.order_number(call),
        kind=kind,
        subject=fields.subject(call),
        amount=fields.amount(call, "total_amount"),
        currency="CNY",
        created=now,
        expires=expires,
        notify_url=fields.address(call, "notify_url"),
        return_url=fields.address(call, "return_url") if kind in ("page", "wap") else "",
        token=secrets.token_hex(12),
        attach=fields.text(call, "passback_params", 512),
        extra={
            "trade_made_at": 0.0,
            "timeout": timeout,
            "body": fields.text(call, "body", 128),
            "quit_url": fields.text(call, "quit_url", 400) if kind == "wap" else "",
            "charset": call.charset,
            "identity": settings["identity"],
            "refundable": settings["refundable"],
        },
    )


def _good(**node: Any) -> dict[str, Any]:
    return {"code": "10000", "msg": "Success", **node}
