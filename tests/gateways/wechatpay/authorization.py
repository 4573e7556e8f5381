"""The request's signature: is it this merchant who asks, just now, and for the first time?

Documents: APIv3 request signature (doc/v3/merchant/4012365336). The signed text is the method, the
path with its query, the timestamp, the nonce and the body, each followed by a line feed.
"""

import re
import threading
from dataclasses import dataclass

from .. import keys
from ..book import Book, Merchant
from ..messages import Request
from .refusal import RefusalError, wrong_signature

SCHEME = "WECHATPAY2-SHA256-RSA2048"
FIELDS = {"mchid", "serial_no", "nonce_str", "timestamp", "signature"}
LARGEST_SKEW = 300
LONGEST_NONCE = 32
MOST_NONCES = 100_000
"""Nonces remembered before those that are too old to matter are forgotten."""
_PAIR = re.compile(r'([a-z_]+)="([^"]*)"')


@dataclass(frozen=True)
class Credentials:
    """What the header claims."""

    mchid: str
    serial_no: str
    nonce_str: str
    timestamp: str
    signature: str


def signed_text(method: str, target: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """Return the bytes that a merchant signs."""
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def parse(header: str) -> Credentials:
    """Read the header; each of the five fields must stand there once, in any order."""
    scheme, _, rest = header.partition(" ")
    pairs = [_PAIR.fullmatch(part) for part in rest.split(",")]
    fields = {pair[1]: pair[2] for pair in pairs if pair}
    if scheme != SCHEME or len(pairs) != len(FIELDS) or set(fields) != FIELDS:
        raise wrong_signature(
            "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》"
        )
    return Credentials(**fields)


class Guard:
    """Let only rightly signed requests pass."""

    def __init__(self, book: Book):
        self._book = book
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], float] = {}

    def check(self, request: Request, now: float) -> Merchant:
        """Return the merchant who sent the request, or refuse it."""
        claimed = parse(request.headers.get("Authorization", ""))
        merchant = self._book.merchants.get(claimed.mchid)
        if merchant is None:
            raise wrong_signature("商户号不存在，请检查商户号是否正确")
        if claimed.serial_no.upper() != merchant.settings["serial_no"]:
            raise wrong_signature("商户证书序列号有误。请使用签名私钥匹配的证书序列号")
        if not claimed.timestamp.isdecimal() or abs(now - int(claimed.timestamp)) > LARGEST_SKEW:
            raise wrong_signature("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
        if not 1 <= len(claimed.nonce_str) <= LONGEST_NONCE:
            raise wrong_signature("Http头Authorization中的nonce_str长度错误")
        text = signed_text(
            request.method, request.target, claimed.timestamp, claimed.nonce_str, request.body
        )
        if not keys.verify(
            keys.load_public(merchant.settings["public_key"]), text, claimed.signature
        ):
            raise wrong_signature("签名错误", _what_was_signed(request, text))
        self._use_up(claimed, now)
        return merchant

    def _use_up(self, claimed: Credentials, now: float) -> None:
        """Refuse a nonce a second time, for as long as its timestamp is taken."""
        key = (claimed.mchid, claimed.nonce_str)
        with self._lock:
            if now - self._seen.get(key, float("-inf")) <= 2 * LARGEST_SKEW:
                raise wrong_signature("Http头Authorization中的nonce_str重复")
            self._seen[key] = now
            if len(self._seen) > MOST_NONCES:
                self._seen = {
                    seen: at for seen, at in self._seen.items() if now - at <= 2 * LARGEST_SKEW
                }


def check_headers(request: Request) -> None:
    """Refuse requests without the headers that every request must have."""
    accept = request.headers.get("Accept", "")
    if not request.headers.get("User-Agent") or not accept:
        raise RefusalError(400, "PARAM_ERROR", "Http头缺少Accept或User-Agent")
    if "application/json" not in accept and "*/*" not in accept:
        raise RefusalError(400, "PARAM_ERROR", "Http头Accept应为application/json")
    if request.method == "POST":
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise RefusalError(400, "PARAM_ERROR", "Http头Content-Type应为application/json")


def _what_was_signed(request: Request, text: bytes) -> dict:
    shown = text.decode("utf-8", "replace")
    return {
        "field": "signature",
        "location": "authorization",
        "issue": "sign not match",
        "sign_information": {
            "method": request.method,
            "url": request.target,
            "truncated_sign_message": shown[:80],
            "sign_message_length": len(text),
        },
    }
