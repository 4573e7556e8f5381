"""The signatures of WeChat Pay's public documents, byte for byte, and what must be refused."""

import pytest

from wechatpay_v3 import keys, signature

from .published import (
    ANSWER,
    CLIENT,
    GATEWAY_PUBLIC_KEY,
    GET_REFUND,
    MERCHANT_PRIVATE_KEY,
    NONCE,
    POST_ORDER,
    TIMESTAMP,
)

MERCHANT = keys.load_private_key(MERCHANT_PRIVATE_KEY)
VERIFIERS = {"PUB_KEY_ID_0": keys.Verifier(keys.load_public_key(GATEWAY_PUBLIC_KEY))}
NOW = int(ANSWER["timestamp"])


def headers(**changes):
    values = {
        "Wechatpay-Timestamp": ANSWER["timestamp"],
        "Wechatpay-Nonce": ANSWER["nonce"],
        "Wechatpay-Serial": "PUB_KEY_ID_0",
        "Wechatpay-Signature": ANSWER["signature"],
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }
    values |= {f"Wechatpay-{name.replace('_', '-')}": value for name, value in changes.items()}
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize("example", [GET_REFUND, POST_ORDER], ids=["GET", "POST"])
def test_a_request_is_signed_as_published(example):
    method, target, body, expected = example
    message = signature.request_message(method, target, TIMESTAMP, NONCE, body.encode())
    assert message == f"{method}\n{target}\n{TIMESTAMP}\n{NONCE}\n{body}\n".encode()
    assert signature.sign(MERCHANT, message) == expected


def test_the_authorization_header_is_as_published():
    method, target, _body, expected = GET_REFUND
    assert signature.authorization(
        ("1900007291", "408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB"),
        MERCHANT,
        method,
        target,
        timestamp=TIMESTAMP,
        nonce=NONCE,
    ) == (
        'WECHATPAY2-SHA256-RSA2048 mchid="1900007291",'
        f'nonce_str="{NONCE}",signature="{expected}",timestamp="{TIMESTAMP}",'
        'serial_no="408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB"'
    )


def test_client_parameters_are_signed_as_published():
    app_id, prepay_id, expected = CLIENT
    assert signature.client_parameters(app_id, prepay_id, MERCHANT, TIMESTAMP, NONCE) == {
        "appId": app_id,
        "timeStamp": str(TIMESTAMP),
        "nonceStr": NONCE,
        "package": f"prepay_id={prepay_id}",
        "signType": "RSA",
        "paySign": expected,
    }


def test_the_published_answer_is_accepted():
    signature.check(headers(), ANSWER["body"].encode(), VERIFIERS, NOW)


def test_an_answer_without_signature_type_is_accepted():
    signature.check(headers(Signature_Type=None), ANSWER["body"].encode(), VERIFIERS, NOW)


REFUSED = {
    "changed body": ({}, b"{}", 0, "signature"),
    "changed nonce": ({"Nonce": "x" * 32}, None, 0, "signature"),
    "changed time": ({"Timestamp": str(NOW + 1)}, None, 0, "signature"),
    "probe": ({"Signature": "WECHATPAY/SIGNTEST/" + ANSWER["signature"]}, None, 0, "signature"),
    "no base64": ({"Signature": "!"}, None, 0, "signature"),
    "no signature": ({"Signature": None}, None, 0, "missing"),
    "no serial": ({"Serial": None}, None, 0, "missing"),
    "no time": ({"Timestamp": None}, None, 0, "missing"),
    "time is no number": ({"Timestamp": "-1"}, None, 0, "missing"),
    "time has other digits": ({"Timestamp": "١٢"}, None, 0, "missing"),
    "time is endless": ({"Timestamp": "9" * 400}, None, 0, "missing"),
    "another scheme": ({"Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}, None, 0, "scheme"),
    "unknown serial": ({"Serial": "PUB_KEY_ID_1"}, None, 0, "serial"),
    "too old": ({}, None, 301, "clock"),
    "from the future": ({}, None, -301, "clock"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_proven_is_refused(case):
    changes, body, later, reason = case
    body = ANSWER["body"].encode() if body is None else body
    with pytest.raises(signature.SignatureRefused) as refusal:
        signature.check(headers(**changes), body, VERIFIERS, NOW + later)
    assert refusal.value.reason == reason


def test_five_minutes_are_allowed():
    for later in (300, -300):
        signature.check(headers(), ANSWER["body"].encode(), VERIFIERS, NOW + later)
