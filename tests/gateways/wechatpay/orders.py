"""Orders: made, queried, closed (doc/v3/merchant/4012791834, 4012791877, 4012791881 and others)."""

import secrets
from typing import TYPE_CHECKING, Any

from ..book import Merchant, Order, OrderState, RefundState
from ..clock import beijing
from . import platform
from .fields import ORDER_NUMBER, Fields
from .refusal import RefusalError, no_such_order, wrong_field

if TYPE_CHECKING:
    from .gateway import WeChatPay

TRADE_TYPES = {"native": "NATIVE", "h5": "MWEB", "jsapi": "JSAPI", "app": "APP"}
"""The last part of the address an order is made at, and what its kind is called after that."""
LASTS = 7 * 24 * 3600
"""Seconds that an order can be paid where no end was asked for."""
H5_LASTS = 300
PREPAY_LASTS = 7200
H5_PATH = "/cgi-bin/mmpayweb-bin/checkmweb"
H5_TYPES = ("Wap", "iOS", "Android")
STATE_TEXTS = {
    "SUCCESS": "支付成功",
    "REFUND": "转入退款",
    "NOTPAY": "订单未支付",
    "CLOSED": "订单已关闭",
}


def create(gateway: "WeChatPay", merchant: Merchant, kind: str, body: bytes) -> dict[str, str]:
    """Make an order, or find the one that the same request made before."""
    asked = _read(gateway, merchant, kind, Fields.of(body))
    with gateway.book.changing():
        known = gateway.book.orders.get((merchant.id, asked.number))
        if known:
            _check_again(gateway, known, asked)
            order = known
        else:
            order = asked
            gateway.book.add_order(order)
        return _payment_way(gateway, order)


def query(gateway: "WeChatPay", order: Order) -> dict[str, Any]:
    """Tell all of an order; what a paid one has is absent before."""
    gateway.expire(order)
    state = state_of(gateway, order)
    told: dict[str, Any] = {
        "appid": order.app,
        "mchid": order.merchant,
        "out_trade_no": order.number,
        "attach": order.attach,
        "trade_state": state,
        "trade_state_desc": STATE_TEXTS[state],
        "promotion_detail": [],
        "amount": {"total": order.amount, "payer_currency": "CNY", "currency": order.currency},
    }
    if order.state is OrderState.PAID:
        told |= {
            "transaction_id": order.gateway_number,
            "trade_type": order.kind,
            "bank_type": "OTHERS",
            "success_time": platform.rfc3339(order.paid_at),
            "payer": {"openid": order.payer},
        }
        told["amount"] = {
            "total": order.paid_amount,
            "payer_total": order.paid_amount,
            "currency": order.currency,
            "payer_currency": "CNY",
        }
    return told


def state_of(gateway: "WeChatPay", order: Order) -> str:
    """Name an order's state in WeChat Pay's words."""
    if order.state is OrderState.PAID:
        refunds = gateway.book.refunds_of(order)
        refunded = any(refund.state is not RefundState.CLOSED for refund in refunds)
        return "REFUND" if refunded else "SUCCESS"
    return "NOTPAY" if order.state is OrderState.OPEN else "CLOSED"


def close(gateway: "WeChatPay", merchant: Merchant, number: str, body: bytes) -> None:
    """Close an order that is not paid."""
    check_merchant(merchant, Fields.of(body).text("mchid", 32))
    order = by_number(gateway, merchant, number)
    with gateway.book.changing():
        gateway.expire(order)
        if order.state is OrderState.PAID:
            raise RefusalError(400, "ORDERPAID", "该订单已支付")
        if order.state is OrderState.CLOSED:
            raise RefusalError(400, "ORDER_CLOSED", "订单已关闭")
        gateway.close(order)


def by_number(gateway: "WeChatPay", merchant: Merchant, number: str) -> Order:
    """Find a merchant's order by the merchant's number."""
    with gateway.book.lock:
        order = gateway.book.orders.get((merchant.id, number))
    if order is None:
        raise no_such_order()
    return order


def by_transaction(gateway: "WeChatPay", merchant: Merchant, transaction: str) -> Order:
    """Find a merchant's order by WeChat Pay's number of its payment."""
    with gateway.book.lock:
        for order in gateway.book.orders_named(transaction):
            if order.merchant == merchant.id and order.gateway_number == transaction:
                return order
    raise no_such_order()


def check_merchant(merchant: Merchant, named: str, location: str = "body") -> None:
    """Refuse a merchant number that is not the one that signed."""
    if named != merchant.id:
        raise wrong_field("mchid", named, "与签名的商户号不一致", location)


def _read(gateway: "WeChatPay", merchant: Merchant, kind: str, fields: Fields) -> Order:
    app = fields.text("appid", 32)
    check_merchant(merchant, fields.text("mchid", 32))
    if app not in merchant.settings["appids"]:
        raise RefusalError(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
    amount = fields.object("amount")
    now = gateway.clock.now()
    expires = fields.moment("time_expire")
    if expires is not None and expires <= now:
        raise wrong_field("time_expire", platform.rfc3339(expires), "必须晚于当前时间")
    fields.text("goods_tag", 32, required=False)
    order = Order(
        merchant=merchant.id,
        app=app,
        number=fields.number("out_trade_no", ORDER_NUMBER),
        kind=TRADE_TYPES[kind],
        subject=fields.text("description", 127),
        amount=amount.fen("total"),
        currency=amount.currency("currency"),
        created=now,
        expires=expires or now + LASTS,
        notify_url=fields.address("notify_url", 255),
        token=_new_token(),
        attach=fields.text("attach", 128, required=False),
    )
    if kind == "jsapi":
        order.payer = fields.object("payer").text("openid", 128)
    if kind == "h5":
        scene = fields.object("scene_info")
        order.extra["client_ip"] = scene.internet_address("payer_client_ip")
        scene.object("h5_info").one_of("type", H5_TYPES)
    return order


def _check_again(gateway: "WeChatPay", known: Order, asked: Order) -> None:
    """Let a request be repeated, but no number be used for something else.

    The end of an order stays what the first request said.
    """
    gateway.expire(known)
    if known.state is OrderState.PAID:
        raise RefusalError(400, "ORDERPAID", "该订单已支付")
    if known.state is OrderState.CLOSED:
        raise RefusalError(400, "ORDER_CLOSED", "订单已关闭")
    same = ("app", "kind", "subject", "amount", "currency", "attach", "payer", "notify_url")
    if any(getattr(known, name) != getattr(asked, name) for name in same):
        raise RefusalError(403, "OUT_TRADE_NO_USED", "商户订单号重复")


def _payment_way(gateway: "WeChatPay", order: Order) -> dict[str, str]:
    if order.kind == "NATIVE":
        return {"code_url": gateway.qr(order)}
    now = gateway.clock.now()
    prepay_id = f"wx{beijing(now).strftime('%Y%m%d%H%M%S')}{secrets.token_hex(10)}"
    order.extra["prepay_id"] = prepay_id
    order.extra["prepaid_at"] = now
    gateway.book.name_order(order, prepay_id)
    if order.kind == "MWEB":
        return {"h5_url": f"{gateway.address}{H5_PATH}?prepay_id={prepay_id}&package={order.token}"}
    return {"prepay_id": prepay_id}


def _new_token() -> str:
    """Make what a QR code ends with."""
    return "".join(secrets.choice(platform.ALPHABET) for _ in range(9))
