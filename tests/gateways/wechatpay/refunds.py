"""Refunds: asked for and queried (doc/v3/merchant/4012791862, 4012791863)."""

from typing import TYPE_CHECKING, Any

from ..book import Merchant, NotFoundError, Order, OrderState, Refund, RefundState
from ..clock import beijing
from . import orders, platform
from .fields import ORDER_NUMBER, REFUND_NUMBER, Fields
from .refusal import RefusalError, against_the_rules, no_such_resource, wrong_field

if TYPE_CHECKING:
    from .gateway import WeChatPay

MOST_REFUNDS = 50
LATEST = 365 * 24 * 3600
"""Seconds after its payment in which an order can be refunded."""
MONTH = 30 * 24 * 3600


def create(gateway: "WeChatPay", merchant: Merchant, body: bytes) -> tuple[Refund, bool]:
    """Take in a refund, and tell whether it is new: the same request again finds it."""
    fields = Fields.of(body)
    number = fields.number("out_refund_no", REFUND_NUMBER)
    reason = fields.text("reason", 80, required=False)
    notify_url = fields.address("notify_url", 256, required=False)
    amounts = fields.object("amount")
    amount, total = amounts.fen("refund"), amounts.fen("total")
    amounts.currency("currency", required=True)
    with gateway.book.changing():
        order = _order(gateway, merchant, fields)
        known = _known(gateway, merchant, number)
        if known:
            if (known.order, known.amount, order.paid_amount) != (order.number, amount, total):
                raise against_the_rules("订单金额或退款金额与之前请求不一致，请核实后再试")
            return known, False
        if total != order.paid_amount:
            raise against_the_rules("订单金额与支付金额不一致")
        _check_rules(gateway, merchant, order, amount)
        refund = Refund(
            merchant=merchant.id,
            number=number,
            gateway_number=_new_refund_id(gateway),
            order=order.number,
            amount=amount,
            created=gateway.clock.now(),
            reason=reason,
            notify_url=notify_url,
        )
        gateway.book.add_refund(refund)
        return refund, True


def find(gateway: "WeChatPay", merchant: Merchant, number: str) -> Refund:
    """Find a merchant's refund by the merchant's number."""
    refund = _known(gateway, merchant, number)
    if refund is None:
        raise no_such_resource("退款单不存在")
    return refund


def view(gateway: "WeChatPay", refund: Refund) -> dict[str, Any]:
    """Tell all of a refund."""
    order = gateway.book.orders[refund.merchant, refund.order]
    told: dict[str, Any] = {
        "refund_id": refund.gateway_number,
        "out_refund_no": refund.number,
        "transaction_id": order.gateway_number,
        "out_trade_no": order.number,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": platform.rfc3339(refund.created),
        "status": refund.state.upper(),
        "funds_account": "AVAILABLE",
        "promotion_detail": [],
        "amount": {
            "total": order.paid_amount,
            "refund": refund.amount,
            "from": [],
            "payer_total": order.paid_amount,
            "payer_refund": refund.amount,
            "settlement_total": order.paid_amount,
            "settlement_refund": refund.amount,
            "discount_refund": 0,
            "currency": order.currency,
            "refund_fee": 0,
        },
    }
    if refund.state is RefundState.SUCCESS:
        told["success_time"] = platform.rfc3339(refund.finished_at)
    return told


def _known(gateway: "WeChatPay", merchant: Merchant, number: str) -> Refund | None:
    try:
        return gateway.book.find_refund(number, merchant.id)
    except NotFoundError:
        return None


def _order(gateway: "WeChatPay", merchant: Merchant, fields: Fields) -> Order:
    """Find the paid order; WeChat Pay's own number goes before the merchant's."""
    try:
        if fields.has("transaction_id"):
            name = fields.text("transaction_id", 32)
            order = orders.by_transaction(gateway, merchant, name)
        elif fields.has("out_trade_no"):
            name = fields.number("out_trade_no", ORDER_NUMBER)
            order = orders.by_number(gateway, merchant, name)
        else:
            raise wrong_field("out_trade_no", None, "与transaction_id二选一必填")
    except RefusalError as refusal:
        if refusal.status == 404:
            raise no_such_resource("订单不存在") from None
        raise
    if order.state is not OrderState.PAID:
        raise no_such_resource("订单未支付，不能发起退款")
    return order


def _check_rules(gateway: "WeChatPay", merchant: Merchant, order: Order, amount: int) -> None:
    now = gateway.clock.now()
    if now - order.paid_at > LATEST:
        raise against_the_rules("订单已超过可退款的最大期限")
    refunds = gateway.book.refunds_of(order)
    if len(refunds) >= MOST_REFUNDS:
        raise against_the_rules(f"部分退款次数超过{MOST_REFUNDS}次限制")
    if gateway.book.refunded(order) + amount > order.paid_amount:
        raise against_the_rules("申请退款金额大于订单可退金额")
    if refunds and now - refunds[-1].created < merchant.settings["refund_interval"]:
        raise RefusalError(429, "FREQUENCY_LIMITED", "频率限制，同一笔订单多次退款请间隔1分钟")
    balance = merchant.settings["balance"]
    if balance is not None:
        if amount > balance:
            raise RefusalError(403, "NOT_ENOUGH", "基本账户余额不足，请充值后重新发起")
        merchant.settings["balance"] = balance - amount


def _new_refund_id(gateway: "WeChatPay") -> str:
    day = beijing(gateway.clock.now()).strftime("%Y%m%d")
    return f"5030{gateway.book.next_number():016d}{day}"
