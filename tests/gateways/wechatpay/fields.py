"""The rules of single fields, as the tables of the documents give them."""

import json
import re
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from ..notifier import LOOPBACK
from .refusal import RefusalError, wrong_field

ORDER_NUMBER = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
REFUND_NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
LARGEST_AMOUNT = 2**63 - 1


class Fields:
    """Read the fields of one JSON object, refusing those that break their rule."""

    def __init__(self, values: dict[str, Any], path: str = ""):
        self._values = values
        self._path = path

    @classmethod
    def of(cls, body: bytes) -> "Fields":
        """Read a request's body."""
        try:
            values = json.loads(body)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise RefusalError(400, "PARAM_ERROR", "请求体不是合法的JSON")
        return cls(values)

    def has(self, name: str) -> bool:
        """Tell whether a field was given at all."""
        return self._values.get(name) is not None

    def text(self, name: str, longest: int, required: bool = True, shortest: int = 1) -> str:
        """Read a text; lengths are in characters."""
        value = self._values.get(name)
        if value is None and not required:
            return ""
        if not isinstance(value, str):
            raise self._wrong(name, value, "必填，类型为string" if value is None else "类型错误")
        if not (shortest if required else 0) <= len(value) <= longest:
            raise self._wrong(name, value, f"字符串长度应在[{shortest}, {longest}]之间")
        return value

    def number(self, name: str, pattern: re.Pattern[str]) -> str:
        """Read an order's or a refund's number."""
        value = self.text(name, 64)
        if not pattern.fullmatch(value):
            raise self._wrong(name, value, f"不符合规则 {pattern.pattern}")
        return value

    def fen(self, name: str) -> int:
        """Read an amount: a whole number above 0."""
        value = self._values.get(name)
        if type(value) is not int:
            raise self._wrong(name, value, "必填，类型为int")
        if not 1 <= value <= LARGEST_AMOUNT:
            raise self._wrong(name, value, "必须大于0")
        return value

    def currency(self, name: str, required: bool = False) -> str:
        """Read the currency; merchants in the mainland have only one."""
        value = self.text(name, 16, required) or "CNY"
        if value != "CNY":
            raise self._wrong(name, value, "境内商户号仅支持人民币CNY")
        return value

    def object(self, name: str, required: bool = True) -> "Fields":
        """Read an object within."""
        value = self._values.get(name)
        if value is None and not required:
            return Fields({}, f"{self._path}{name}/")
        if not isinstance(value, dict):
            raise self._wrong(name, value, "必填，类型为object")
        return Fields(value, f"{self._path}{name}/")

    def moment(self, name: str) -> float | None:
        """Read a moment with its time zone, as seconds since the epoch."""
        value = self.text(name, 64, required=False)
        if not value:
            return None
        try:
            if RFC3339.fullmatch(value):
                return datetime.fromisoformat(value).timestamp()
        except ValueError:
            pass
        raise self._wrong(name, value, "应为rfc3339格式，如2015-05-20T13:29:35+08:00")

    def address(self, name: str, longest: int, required: bool = True) -> str:
        """Read where to notify: https without parameters; plain http on this machine only."""
        value = self.text(name, longest, required)
        if not value:
            return ""
        try:
            url = urlsplit(value)
            host = url.hostname
        except ValueError:
            raise self._wrong(name, value, "不是合法的URL") from None
        if not host or not (url.scheme == "https" or (url.scheme == "http" and host in LOOPBACK)):
            raise self._wrong(name, value, "必须是https地址")
        if "?" in value or "#" in value:
            raise self._wrong(name, value, "不能携带参数")
        return value

    def internet_address(self, name: str) -> str:
        """Read the payer's IP address, of either version."""
        value = self.text(name, 45)
        try:
            ip_address(value)
        except ValueError:
            raise self._wrong(name, value, "不是合法的IP地址") from None
        return value

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        """Read one of some words."""
        value = self.text(name, 32)
        if value not in allowed:
            raise self._wrong(name, value, f"应为{'、'.join(allowed)}之一")
        return value

    def _wrong(self, name: str, value: Any, issue: str) -> RefusalError:
        return wrong_field(self._path + name, value, issue)
