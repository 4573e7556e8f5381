"""Fields of biz_content and the limits that the documents set them."""

import re
from typing import Any

from . import values
from .envelope import Call
from .errors import Refusal

ORDER_NUMBER = re.compile("[0-9A-Za-z_]{1,64}", re.ASCII)
REQUEST_NUMBER = re.compile(".{1,64}")
USER_ID = re.compile("2088[0-9]{12}", re.ASCII)
NOT_IN_A_SUBJECT = set("/=&")
ADDRESS = re.compile("https?://[^/?#]+[^?#]*", re.ASCII)
LONGEST_ADDRESS = 256


def text(call: Call, name: str, longest: int, required: bool = False) -> str:
    """Read a text of at most so many characters, "" where there is none."""
    value = call.biz.get(name)
    if value in (None, ""):
        if required:
            raise Refusal("ACQ.INVALID_PARAMETER", f"{name}不能为空")
        return ""
    if not isinstance(value, str) or len(value) > longest:
        raise Refusal("ACQ.INVALID_PARAMETER", f"{name}须为不超过{longest}个字符的字符串")
    return value


def order_number(call: Call, required: bool = True) -> str:
    """Read out_trade_no: letters, digits and underscores."""
    value = text(call, "out_trade_no", 64, required)
    if value and not ORDER_NUMBER.fullmatch(value):
        raise Refusal("ACQ.INVALID_PARAMETER", "out_trade_no仅支持字母、数字、下划线")
    return value


def amount(call: Call, name: str) -> int:
    """Read an amount in yuan as fen, from 0.01 to 100000000."""
    value: Any = call.biz.get(name)
    if value in (None, ""):
        raise Refusal("ACQ.INVALID_PARAMETER", f"{name}不能为空")
    try:
        fen = values.fen(value)
    except ValueError:
        raise Refusal("ACQ.INVALID_PARAMETER", f"{name}单位为元，精确到小数点后两位") from None
    if fen < values.SMALLEST:
        raise Refusal("ACQ.INVALID_PARAMETER", f"{name}最小为0.01")
    if fen > values.LARGEST:
        raise Refusal("ACQ.TOTAL_FEE_EXCEED", name)
    return fen


def subject(call: Call) -> str:
    """Read the title, in which some characters have no place."""
    value = text(call, "subject", 256, required=True)
    if NOT_IN_A_SUBJECT & set(value):
        raise Refusal("ACQ.INVALID_PARAMETER", "subject不可使用特殊字符，如/，=，&等")
    return value


def address(call: Call, name: str) -> str:
    """Read notify_url or return_url, which stand beside biz_content and have no query."""
    value = call.parameters.get(name, "")
    if value and (len(value) > LONGEST_ADDRESS or not ADDRESS.fullmatch(value)):
        raise Refusal("isv.invalid-parameter", name)
    return value


def buyer(call: Call) -> tuple[str, str]:
    """Read who is to pay: by what identity, and who."""
    user_id, open_id = text(call, "buyer_id", 28), text(call, "buyer_open_id", 128)
    if user_id and not USER_ID.fullmatch(user_id):
        raise Refusal("ACQ.INVALID_PARAMETER", "buyer_id")
    if user_id == call.merchant.settings["seller_id"]:
        raise Refusal("ACQ.BUYER_SELLER_EQUAL")
    if not user_id and not open_id:
        raise Refusal("ACQ.INVALID_PARAMETER", "买家不能为空")
    return ("user_id", user_id) if user_id else ("open_id", open_id)


def expiry(call: Call, now: float) -> tuple[float | None, str]:
    """Read until when an order may be paid: an instant, or a time from the trade's making."""
    absolute, relative = text(call, "time_expire", 32), text(call, "timeout_express", 6)
    try:
        if absolute:
            moment = values.instant(absolute, "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
            if moment <= now:
                raise Refusal("ACQ.INVALID_PARAMETER", "time_expire已过")
            return moment, ""
        if relative:
            values.deadline(relative, now)
    except ValueError:
        raise Refusal("ACQ.INVALID_PARAMETER", "time_expire或timeout_express") from None
    return None, relative
