"""What WeChat Pay tells a merchant (doc/v3/merchant/4012791836, 4012791865)."""

from typing import TYPE_CHECKING, Any

from ..book import Notice, Refund, RefundState
from ..messages import Message
from . import orders, platform

if TYPE_CHECKING:
    from .gateway import WeChatPay

RETRIES = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
"""Seconds between one notification and the next, until one is accepted."""
SUMMARIES = {
    "TRANSACTION.SUCCESS": "支付成功",
    "REFUND.SUCCESS": "退款成功",
    "REFUND.ABNORMAL": "退款异常",
    "REFUND.CLOSED": "退款关闭",
}
MUTATIONS = frozenset(
    {
        "forged",
        "missing_signature",
        "other_key",
        "unknown_serial",
        "old_timestamp",
        "future_timestamp",
        "probe",
        "changed_body",
        "not_json",
        "aes_tag",
        "wrong_amount",
        "wrong_currency",
        "wrong_merchant",
        "wrong_app",
        "wrong_order",
    }
)


def write(gateway: "WeChatPay", notice: Notice, wrong: frozenset[str]) -> Message:
    """Write a notification down, signed now; the same notice always has the same id."""
    merchant = gateway.book.find_merchant(notice.merchant)
    order = gateway.book.orders[notice.merchant, notice.order]
    url = order.notify_url
    if notice.refund:
        refund = gateway.book.refunds[notice.merchant, notice.order, notice.refund]
        url = refund.notify_url
        state = RefundState(notice.refund_state)
        kind, event, told = "refund", f"REFUND.{state.upper()}", _refund(gateway, refund, state)
    else:
        kind, event, told = "transaction", "TRANSACTION.SUCCESS", _payment(gateway, order)
    told = platform.mutate(told, wrong)
    resource = {"original_type": kind} | platform.encrypt(
        merchant.settings["apiv3_key"], platform.compact(told), kind, "aes_tag" in wrong
    )
    document = {
        "id": notice.id,
        "create_time": platform.rfc3339(notice.made_at),
        "resource_type": "encrypt-resource",
        "event_type": event,
        "summary": SUMMARIES[event],
        "resource": resource,
    }
    body = b"<xml>not JSON</xml>" if "not_json" in wrong else platform.compact(document)
    headers = platform.sign(platform.signer(merchant), body, gateway.clock.now(), wrong)
    if "changed_body" in wrong:
        body += b" "
    headers |= {
        "Content-Type": "application/json",
        "Accept": "*/*",
        "User-Agent": "Mozilla/4.0",
        "Request-ID": gateway.new_request_id(),
    }
    return Message(url, headers, body)


def _payment(gateway: "WeChatPay", order) -> dict[str, Any]:
    """Tell what the query would; a refund in between does not change that it was paid."""
    return orders.query(gateway, order) | {
        "trade_state": "SUCCESS",
        "trade_state_desc": orders.STATE_TEXTS["SUCCESS"],
    }


def _refund(gateway: "WeChatPay", refund: Refund, state: RefundState) -> dict[str, Any]:
    order = gateway.book.orders[refund.merchant, refund.order]
    told: dict[str, Any] = {
        "mchid": refund.merchant,
        "out_trade_no": order.number,
        "transaction_id": order.gateway_number,
        "out_refund_no": refund.number,
        "refund_id": refund.gateway_number,
        "refund_status": state.upper(),
        "user_received_account": "支付用户零钱",
        "amount": {
            "total": order.paid_amount,
            "refund": refund.amount,
            "payer_total": order.paid_amount,
            "payer_refund": refund.amount,
        },
    }
    if state is RefundState.SUCCESS:
        told["success_time"] = platform.rfc3339(refund.finished_at)
    return told
