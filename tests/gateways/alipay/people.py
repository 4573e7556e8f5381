"""Payers who log in to a mini program: alipay.system.oauth.token."""

import secrets
import threading
from typing import TYPE_CHECKING, Any

from . import trading
from .envelope import Call
from .errors import Refusal

if TYPE_CHECKING:
    from .gateway import AlipayGateway

LASTS = 1_296_000


class Codes:
    """Codes that my.getAuthCode gave, each good for one token."""

    def __init__(self):
        self._lock = threading.Lock()
        self._people: dict[tuple[str, str], str] = {}

    def make(self, gateway: "AlipayGateway", values: dict[str, Any]) -> dict[str, str]:
        """Let a person log in, as an app's client does by my.getAuthCode."""
        merchant = gateway.book.find_merchant(str(values["merchant"]))
        identity = merchant.settings["identity"]
        person = values.get("user_id") or trading.new_buyer(identity)
        code = secrets.token_hex(16)
        with self._lock:
            self._people[merchant.id, code] = person
        return {"code": code, identity: person}

    def take(self, merchant: str, code: str) -> str:
        """Use a code up."""
        with self._lock:
            return self._people.pop((merchant, code), "")


def token(gateway: "AlipayGateway", call: Call) -> dict[str, Any]:
    """alipay.system.oauth.token: tell who logged in. Its answer has no code of success."""
    given = call.parameters  # these are no fields of biz_content
    if given.get("grant_type") != "authorization_code":
        raise Refusal("isv.grant-type-invalid")
    person = gateway.codes.take(call.merchant.id, given.get("code", ""))
    if not person:
        raise Refusal("isv.code-invalid")
    return {
        "access_token": f"authusrB{secrets.token_hex(16)}",
        call.merchant.settings["identity"]: person,
        "expires_in": LASTS,
        "re_expires_in": 2 * LASTS,
        "refresh_token": f"authusrB{secrets.token_hex(16)}",
    }
