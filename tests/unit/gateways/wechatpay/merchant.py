"""A merchant of the tests: asks as the documents say, and checks every answer's signature."""

import base64
import functools
import itertools
import json
import secrets
import time
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateways import keys

from ..running import Answered, Control, send
from . import published

APIV3_KEY = "0123456789abcdef0123456789ABCDEF"
_numbers = itertools.count(1)


@functools.cache
def _key() -> keys.PrivateKey:
    return keys.load_private(published.PRIVATE_KEY)


def new_number(prefix: str = "T") -> str:
    """Make an order number that no test used."""
    return f"{prefix}{next(_numbers):08d}"


class Merchant:
    """One merchant account, registered with a running gateway."""

    def __init__(self, control: Control, mchid: str = published.MCHID, **settings: Any):
        self.control = control
        self.mchid = mchid
        self.appid = "wxd678efh567hg6787"
        self.key = _key()
        self.skew = 0
        self.side = control(
            "POST",
            "merchants",
            **{
                "mchid": mchid,
                "name": "岸电 <b>",
                "appids": [self.appid, "wx2421b1c4370ec43b"],
                "serial_no": published.SERIAL,
                "public_key": keys.public_pem(self.key.public_key()),
                "apiv3_key": APIV3_KEY,
            }
            | settings,
        )

    def travel(self, seconds: int) -> None:
        """Go to another time, together with the gateway."""
        self.skew = seconds
        self.control("POST", "clock", offset_seconds=seconds)

    def authorization(self, method: str, target: str, body: bytes, **changed: str) -> str:
        """Sign a request; `changed` are fields that the header shall claim instead."""
        timestamp = changed.pop("signed_at", str(int(time.time()) + self.skew))
        nonce = changed.pop("signed_nonce", secrets.token_hex(16))
        text = f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"
        fields = {
            "mchid": self.mchid,
            "nonce_str": nonce,
            "signature": keys.sign(self.key, text),
            "timestamp": timestamp,
            "serial_no": published.SERIAL,
        } | changed
        pairs = ",".join(f'{name}="{value}"' for name, value in fields.items())
        return f"WECHATPAY2-SHA256-RSA2048 {pairs}"

    def headers(self, authorization: str, **more: str) -> dict[str, str]:
        """Make the headers that every request needs."""
        return {
            "Authorization": authorization,
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "test",
        } | more

    def ask(
        self, method: str, target: str, document: Any = None, status: int = 200, **more: str
    ) -> Answered:
        """Ask, check the answer's status and signature, and return it."""
        body = b"" if document is None else json.dumps(document, ensure_ascii=False).encode()
        headers = self.headers(self.authorization(method, target, body), **more)
        answer = send(self.control.address, method, target, body, headers)
        assert answer.status == status, answer.body.decode()
        assert self.signed(answer), "the answer is not signed by the merchant's gateway"
        return answer

    def refused(self, method: str, target: str, document: Any, status: int, code: str) -> Any:
        """Ask for what must be refused, and return the refusal."""
        told = self.ask(method, target, document, status).json
        assert told["code"] == code, told
        return told

    def order(self, kind: str = "native", **changed: Any) -> dict[str, Any]:
        """Write an order down."""
        document: dict[str, Any] = {
            "appid": self.appid,
            "mchid": self.mchid,
            "description": "充电 {1} & <岸电>",
            "out_trade_no": new_number(),
            "notify_url": "https://shop.example/notify",
            "amount": {"total": 12345, "currency": "CNY"},
        }
        if kind == "jsapi":
            document["payer"] = {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}
        if kind == "h5":
            document["scene_info"] = {"payer_client_ip": "::1", "h5_info": {"type": "Wap"}}
        return document | changed

    def make(self, kind: str = "native", **changed: Any) -> tuple[str, dict[str, Any]]:
        """Make an order; return its number and what the gateway gave for it."""
        document = self.order(kind, **changed)
        answer = self.ask("POST", f"/v3/pay/transactions/{kind}", document)
        return document["out_trade_no"], answer.json

    def paid(self, **changed: Any) -> str:
        """Make an order that is paid, and return its number."""
        number, _ = self.make(**changed)
        self.control("POST", f"orders/{number}/pay?merchant={self.mchid}", notify=False)
        return number

    def state(self, number: str) -> dict[str, Any]:
        """Query an order."""
        target = f"/v3/pay/transactions/out-trade-no/{number}?mchid={self.mchid}"
        return self.ask("GET", target).json

    def refund(self, number: str, refund: int, total: int = 12345, **changed: Any) -> Any:
        """Write a refund down."""
        return {
            "out_trade_no": number,
            "out_refund_no": new_number("R"),
            "amount": {"refund": refund, "total": total, "currency": "CNY"},
        } | changed

    def signed(self, answer: Answered, key: str = "") -> bool:
        """Check who signed an answer or a notification."""
        named = answer.headers.get("Wechatpay-Serial")
        public = key or self.side["public_key"]
        if named == self.side["certificate_serial"]:
            certificate = keys.load_certificate(self.side["certificate"])
            public = keys.public_pem(certificate.public_key())
        elif named != self.side["public_key_id"]:
            return False
        timestamp = answer.headers.get("Wechatpay-Timestamp", "")
        text = f"{timestamp}\n{answer.headers.get('Wechatpay-Nonce')}\n".encode()
        return keys.verify(
            keys.load_public(public),
            text + answer.body + b"\n",
            answer.headers.get("Wechatpay-Signature", ""),
        )

    def decrypt(self, resource: dict[str, str]) -> bytes:
        """Open what the gateway encrypted."""
        return AESGCM(APIV3_KEY.encode()).decrypt(
            resource["nonce"].encode(),
            base64.b64decode(resource["ciphertext"]),
            resource["associated_data"].encode(),
        )
