"""Sign requests and verify what the gateway signed (SHA256 with RSA, PKCS#1 v1.5).

Documents: pay.weixin.qq.com/doc/v3/merchant 4012365336 (requests), 4012365342 (mini program),
4013053249 (answers and notifications by the WeChat Pay public key), 4013059017 (clock).
"""

import base64
import binascii
import secrets
import time
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

SCHEME = "WECHATPAY2-SHA256-RSA2048"
CLOCK_TOLERANCE = 300  # seconds; the gateway's own limit for requests


class SignatureRefused(Exception):
    """An answer or notification is not proven to be the gateway's; `reason` says why.

    Reasons: missing, scheme, clock, serial, expired, signature.
    """

    def __init__(self, reason, serial=None):
        super().__init__(reason)
        self.reason = reason
        self.serial = serial


def _lines(*values):
    """Return the bytes to sign: each value and a line end."""
    return b"".join(
        (value if isinstance(value, bytes) else str(value).encode()) + b"\n" for value in values
    )


def request_message(method, target, timestamp, nonce, body=b""):
    """Return what a request's signature covers; `target` is path and query."""
    return _lines(method, target, timestamp, nonce, body)


def answer_message(timestamp, nonce, body=b""):
    """Return what the signature of an answer or a notification covers."""
    return _lines(timestamp, nonce, body)


def client_message(app_id, timestamp, nonce, package):
    """Return what `paySign` covers (JSAPI and mini program)."""
    return _lines(app_id, timestamp, nonce, package)


def sign(private_key, message):
    """Return the base64 signature of the message."""
    return base64.b64encode(private_key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def verify(public_key, message, signature):
    """Tell whether the base64 signature is the key's over the message."""
    try:
        public_key.verify(
            base64.b64decode(signature, validate=True),
            message,
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def authorization(merchant, private_key, method, target, body=b"", timestamp=None, nonce=None):
    """Return the Authorization header; `merchant` is (merchant id, certificate serial)."""
    merchant_id, serial = merchant
    timestamp = int(time.time()) if timestamp is None else timestamp
    nonce = nonce or secrets.token_hex(16).upper()
    signature = sign(private_key, request_message(method, target, timestamp, nonce, body))
    return (
        f'{SCHEME} mchid="{merchant_id}",nonce_str="{nonce}",signature="{signature}",'
        f'timestamp="{timestamp}",serial_no="{serial}"'
    )


def client_parameters(app_id, prepay_id, private_key, timestamp=None, nonce=None):
    """Return what `wx.requestPayment` and the JSAPI bridge take, signed."""
    timestamp = str(int(time.time()) if timestamp is None else timestamp)
    nonce = nonce or secrets.token_hex(16).upper()
    package = f"prepay_id={prepay_id}"
    return {
        "appId": app_id,
        "timeStamp": timestamp,
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": sign(private_key, client_message(app_id, timestamp, nonce, package)),
    }


def check(headers, body, verifiers, now=None):
    """Raise SignatureRefused unless headers and body are the gateway's.

    :param headers: mapping of the HTTP headers (case-insensitive)
    :param bytes body: the body as it came
    :param verifiers: {serial or public key id: keys.Verifier}, the only keys that are trusted
    :param now: seconds since 1970; another time than the clock's for tests
    """
    timestamp = headers.get("Wechatpay-Timestamp") or ""
    nonce = headers.get("Wechatpay-Nonce") or ""
    serial = headers.get("Wechatpay-Serial") or ""
    signature = headers.get("Wechatpay-Signature") or ""
    if not (timestamp and nonce and serial and signature):
        raise SignatureRefused("missing")
    if headers.get("Wechatpay-Signature-Type", SCHEME) != SCHEME:
        raise SignatureRefused("scheme")
    now = time.time() if now is None else now
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        raise SignatureRefused("missing")
    if abs(now - int(timestamp)) > CLOCK_TOLERANCE:
        raise SignatureRefused("clock")
    verifier = verifiers.get(serial)
    if verifier is None:
        raise SignatureRefused("serial", serial)
    if not verifier.holds(datetime.fromtimestamp(now, UTC)):
        raise SignatureRefused("expired", serial)
    if not verify(verifier.public_key, answer_message(timestamp, nonce, body), signature):
        raise SignatureRefused("signature")
