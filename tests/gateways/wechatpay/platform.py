"""The gateway's own keys towards a merchant, and what it signs and encrypts by them.

A merchant has a WeChat Pay public key (`PUB_KEY_ID_…`, all new ones) or platform certificates
(older ones). Documents: doc/v3/merchant/4013053249, 4013053420, 4012071382, 4012551764.
"""

import base64
import json
import secrets
import string
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .. import keys
from ..book import Merchant
from ..clock import beijing
from .refusal import RefusalError

SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
ALPHABET = string.ascii_letters + string.digits
PROBE = "WECHATPAY/SIGNTEST/"
SKEW = 600


def new_public_key(mchid: str, now: float) -> dict[str, str]:
    """Make a key pair whose public half the merchant gets with an id that no other key has."""
    day = beijing(now).strftime("%Y%m%d")
    return {
        "id": f"PUB_KEY_ID_01{mchid:0>10}{day}00{secrets.randbelow(10**12):012d}",
        "private_key": keys.private_pem(keys.new_key()),
    }


def new_certificate() -> dict[str, str]:
    """Make a key pair whose public half the merchant gets in a certificate."""
    key = keys.new_key()
    name = "Tenpay.com sign"
    made = keys.certificate(key.public_key(), name, key, name, organization="Tenpay.com")
    return {
        "id": keys.serial_of(made),
        "private_key": keys.private_pem(key),
        "certificate": keys.certificate_pem(made),
    }


def signer(merchant: Merchant, wanted: str = "") -> dict[str, str]:
    """Choose the key that an answer is signed by.

    The request's header Wechatpay-Serial may name the one that the merchant wants; one that the
    gateway does not know is refused.
    """
    known = [*merchant.settings["public_keys"], *merchant.settings["certificates"]]
    name = wanted or merchant.settings["signs_by"]
    for key in known:
        if key["id"] == name:
            return key
    raise RefusalError(400, "PARAM_ERROR", "Http头Wechatpay-Serial不是可用的公钥ID或证书序列号")


def sign(
    key: dict[str, str], body: bytes, now: float, wrong: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return the headers that prove a body, wrong in the ways named."""
    if "old_timestamp" in wrong:
        now -= SKEW
    if "future_timestamp" in wrong:
        now += SKEW
    timestamp, nonce = str(int(now)), secrets.token_hex(16)
    private = keys.new_key() if "other_key" in wrong else keys.load_private(key["private_key"])
    signature = keys.sign(private, f"{timestamp}\n{nonce}\n".encode() + body + b"\n")
    if "forged" in wrong:
        signature = _with_one_wrong_byte(signature)
    if "probe" in wrong:
        signature = PROBE + signature[len(PROBE) :]
    serial = key["id"]
    if "unknown_serial" in wrong:
        serial = f"PUB_KEY_ID_{secrets.randbelow(10**34):034d}"
    headers = {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature-Type": SIGNATURE_TYPE,
    }
    if "missing_signature" not in wrong:
        headers["Wechatpay-Signature"] = signature
    return headers


def encrypt(apiv3_key: str, text: bytes, kind: str, broken_tag: bool = False) -> dict[str, str]:
    """Encrypt what is told, as a `resource`; the tag stands behind the text."""
    nonce = "".join(secrets.choice(ALPHABET) for _ in range(12))
    sealed = AESGCM(apiv3_key.encode("ascii")).encrypt(nonce.encode(), text, kind.encode())
    if broken_tag:
        sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(sealed).decode("ascii"),
        "associated_data": kind,
        "nonce": nonce,
    }


def certificates(merchant: Merchant) -> dict[str, Any]:
    """List a merchant's platform certificates, encrypted."""
    if merchant.settings["mode"] != "certificate":
        raise RefusalError(
            404,
            "RESOURCE_NOT_EXISTS",
            "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥",
        )
    return {"data": [_certificate(merchant, one) for one in merchant.settings["certificates"]]}


def _certificate(merchant: Merchant, kept: dict[str, str]) -> dict[str, Any]:
    made = keys.load_certificate(kept["certificate"])
    return {
        "serial_no": kept["id"],
        "effective_time": rfc3339(made.not_valid_before_utc.timestamp()),
        "expire_time": rfc3339(made.not_valid_after_utc.timestamp()),
        "encrypt_certificate": encrypt(
            merchant.settings["apiv3_key"], kept["certificate"].encode("ascii"), "certificate"
        ),
    }


def rfc3339(seconds: float) -> str:
    """Write a moment as 2015-05-20T13:29:35+08:00."""
    return beijing(seconds).isoformat(timespec="seconds")


def compact(document: dict[str, Any]) -> bytes:
    """Write JSON as short as possible."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def mutate(document: dict[str, Any], wrong: frozenset[str]) -> dict[str, Any]:
    """Change what a payment or a refund says of itself, in the ways named."""
    changed = dict(document)
    if "wrong_merchant" in wrong and "mchid" in changed:
        changed["mchid"] = "1999999999"
    if "wrong_app" in wrong and "appid" in changed:
        changed["appid"] = "wx9999999999999999"
    if "wrong_order" in wrong:
        name = "out_refund_no" if "out_refund_no" in changed else "out_trade_no"
        changed[name] = f"UNKNOWN{secrets.token_hex(8)}"
    if "amount" in changed:
        amount = dict(changed["amount"])
        if "wrong_amount" in wrong:
            name = "refund" if "refund" in amount else "total"
            amount[name] += 1
            amount[f"payer_{name}"] = amount[name]
        if "wrong_currency" in wrong:
            amount["currency"] = "USD"
        changed["amount"] = amount
    return changed


def _with_one_wrong_byte(signature: str) -> str:
    raw = bytearray(base64.b64decode(signature))
    raw[len(raw) // 2] ^= 1
    return base64.b64encode(raw).decode("ascii")
