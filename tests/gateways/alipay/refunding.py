"""Refunds, and cancelling, which refunds what is paid."""

from typing import TYPE_CHECKING, Any

from ..book import Order, OrderState, Refund, RefundState
from . import fields, trading, values
from .envelope import Call
from .errors import Refusal

if TYPE_CHECKING:
    from .gateway import AlipayGateway

MOST_REFUNDS = 50


def refund(gateway: "AlipayGateway", call: Call) -> dict[str, Any]:
    """alipay.trade.refund: give back all or a part; the same out_request_no counts once."""
    amount = fields.amount(call, "refund_amount")
    reason = fields.text(call, "refund_reason", 256)
    with gateway.book.changing():
        order = trading.trade(gateway, call)
        number = fields.text(call, "out_request_no", 64)
        if not number and amount != order.paid_amount and order.state is OrderState.PAID:
            raise Refusal("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", refund_fee="0.00")
        known = gateway.refund_of(order, number or order.number)
        if known and known.amount != amount:
            raise Refusal("ACQ.DISCORDANT_REPEAT_REQUEST")
        if known and known.state is RefundState.SUCCESS:
            return _answer(gateway, order, changed=False)
        _check(gateway, order, amount, known)
        if known:
            known.state = RefundState.PROCESSING
        made = known or _make(gateway, order, number or order.number, amount, reason)
        gateway.finish_by_itself(made)
        return _answer(gateway, order, changed=made.state is RefundState.SUCCESS)


def refund_query(gateway: "AlipayGateway", call: Call) -> dict[str, Any]:
    """alipay.trade.fastpay.refund.query: no data means that nothing was given back."""
    order = trading.trade(gateway, call)
    number = fields.text(call, "out_request_no", 64, required=True)
    known = gateway.refund_of(order, number)
    node: dict[str, Any] = {"code": "10000", "msg": "Success"}
    if known is None or known.state is not RefundState.SUCCESS:
        return node
    return node | {
        "trade_no": order.gateway_number,
        "out_trade_no": order.number,
        "out_request_no": number,
        "refund_reason": known.reason,
        "total_amount": values.yuan(order.paid_amount),
        "refund_amount": values.yuan(known.amount),
        "refund_status": "REFUND_SUCCESS",
        "gmt_refund_pay": values.stamp(known.finished_at),
    }


def cancel(gateway: "AlipayGateway", call: Call) -> dict[str, Any]:
    """alipay.trade.cancel: close what is not paid, refund what is."""
    with gateway.book.changing():
        order = trading.named_order(gateway, call)
        node: dict[str, Any] = {"code": "10000", "msg": "Success", "retry_flag": "N"}
        if order is None:
            return node | {"out_trade_no": fields.order_number(call, required=False)}
        node["out_trade_no"] = order.number
        traded = bool(order.extra["trade_made_at"])
        if traded:
            node["trade_no"] = order.gateway_number
        if order.state is OrderState.PAID:
            rest = order.paid_amount - gateway.book.refunded(order)
            if trading.status(gateway, order) == trading.FINISHED:
                raise Refusal("ACQ.TRADE_HAS_FINISHED")
            if rest:
                made = _make(gateway, order, f"cancel_{order.number}"[:64], rest, "撤销")
                gateway.finish_refund(made, RefundState.SUCCESS)
            return node | {"action": "refund"}
        gateway.close(order)
        return node | {"action": "close"} if traded else node


def _check(gateway: "AlipayGateway", order: Order, amount: int, known: Refund | None) -> None:
    if order.state is not OrderState.PAID:
        raise Refusal("ACQ.TRADE_STATUS_ERROR")
    if trading.status(gateway, order) == trading.FINISHED:
        raise Refusal("ACQ.TRADE_HAS_FINISHED")
    held = known is not None and known.state is not RefundState.CLOSED
    before = gateway.book.refunded(order) - (amount if held else 0)
    if before + amount > order.paid_amount:
        raise Refusal("ACQ.REASON_TRADE_REFUND_FEE_ERR", refund_fee="0.00")
    if not known and len(gateway.book.refunds_of(order)) >= MOST_REFUNDS:
        raise Refusal("ACQ.TRADE_NOT_ALLOW_REFUND", f"退款次数超过{MOST_REFUNDS}次")
    balance = gateway.balance(order.merchant)
    if balance is not None and balance < amount:
        raise Refusal("ACQ.SELLER_BALANCE_NOT_ENOUGH")


def _make(gateway: "AlipayGateway", order: Order, number: str, amount: int, reason: str) -> Refund:
    made = Refund(
        merchant=order.merchant,
        number=number,
        gateway_number=gateway.new_gateway_number(),
        order=order.number,
        amount=amount,
        created=gateway.clock.now(),
        reason=reason,
        notify_url=order.notify_url,
    )
    gateway.book.add_refund(made)
    return made


def _answer(gateway: "AlipayGateway", order: Order, changed: bool) -> dict[str, Any]:
    identity = "buyer_open_id" if order.extra["identity"] == "open_id" else "buyer_user_id"
    node = {
        "code": "10000",
        "msg": "Success",
        "trade_no": order.gateway_number,
        "out_trade_no": order.number,
        "buyer_logon_id": "pay***@sandbox.com",
        identity: order.payer,
        "fund_change": "Y" if changed else "N",
        "refund_fee": values.yuan(gateway.refunded_well(order)),
        "send_back_fee": "0.00",
    }
    if changed:
        node["gmt_refund_pay"] = values.stamp(gateway.clock.now())
    return node
