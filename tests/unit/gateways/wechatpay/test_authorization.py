"""The gateway answers nobody who does not prove, just now and for the first time, who he is."""

import json
import time

import pytest

from gateways import keys

from ..running import Control, send
from .merchant import Merchant

TARGET = "/v3/pay/transactions/native"


def _post(merchant: Merchant, body: bytes, authorization: str, **more: str):
    headers = merchant.headers(authorization, **more)
    return send(merchant.control.address, "POST", TARGET, body, headers)


def _order(merchant: Merchant) -> bytes:
    return json.dumps(merchant.order(), ensure_ascii=False).encode()


def _refused(merchant: Merchant, body: bytes, authorization: str) -> str:
    answer = _post(merchant, body, authorization)
    assert (answer.status, answer.json["code"]) == (401, "SIGN_ERROR"), answer.body
    assert "Wechatpay-Signature" not in answer.headers
    return answer.json["message"]


def test_rightly_signed_is_answered_and_the_answer_signed(merchant: Merchant):
    body = _order(merchant)
    answer = _post(merchant, body, merchant.authorization("POST", TARGET, body))
    assert answer.status == 200
    assert merchant.signed(answer)
    assert answer.headers["Wechatpay-Signature-Type"] == "WECHATPAY2-SHA256-RSA2048"
    assert answer.headers["Request-ID"]


def test_one_wrong_byte_anywhere_in_the_body_is_refused(merchant: Merchant):
    body = _order(merchant)
    for place in range(0, len(body), 7):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        _refused(merchant, changed, merchant.authorization("POST", TARGET, body))


@pytest.mark.parametrize(
    "text",
    [
        ("GET", TARGET),
        ("POST", TARGET + "/"),
        ("POST", TARGET + "?a=b"),
        ("post", TARGET),
        ("POST", "/v3/pay/transactions/h5"),
    ],
)
def test_signature_over_another_method_or_address_is_refused(merchant: Merchant, text):
    body = _order(merchant)
    assert _refused(merchant, body, merchant.authorization(*text, body)) == "签名错误"


def test_a_body_written_anew_is_refused(merchant: Merchant):
    body = _order(merchant)
    again = json.dumps(json.loads(body), ensure_ascii=True).encode()
    assert _refused(merchant, again, merchant.authorization("POST", TARGET, body)) == "签名错误"


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce_str": "another"},
        {"timestamp": "1554208460"},
        {"signature": ""},
        {"signature": "!" * 344},
        {"signature": "A" * 344},
        {"serial_no": "0" * 40},
        {"mchid": "1900009999"},
        {"nonce_str": ""},
    ],
)
def test_a_claim_that_was_not_signed_is_refused(merchant: Merchant, changed):
    body = _order(merchant)
    _refused(merchant, body, merchant.authorization("POST", TARGET, body, **changed))


def test_a_timestamp_that_was_not_signed_is_refused(merchant: Merchant):
    body = _order(merchant)
    soon = str(int(time.time()) + 120)
    signed = merchant.authorization("POST", TARGET, body, timestamp=soon)
    assert _refused(merchant, body, signed) == "签名错误"


def test_another_merchants_key_is_refused(merchant: Merchant, control: Control):
    other = Merchant(control, "1900008888", public_key=keys.public_pem(keys.new_key().public_key()))
    body = _order(other)
    assert _refused(merchant, body, other.authorization("POST", TARGET, body)) == "签名错误"


@pytest.mark.parametrize("seconds", [-301, 302, -3600])
def test_more_than_five_minutes_off_is_refused(merchant: Merchant, seconds):
    body = _order(merchant)
    at = str(int(time.time()) + seconds)
    message = _refused(merchant, body, merchant.authorization("POST", TARGET, body, signed_at=at))
    assert "5分钟" in message


def test_the_gateways_own_clock_decides(merchant: Merchant, control: Control):
    control("POST", "clock", offset_seconds=600)
    body = _order(merchant)
    _refused(merchant, body, merchant.authorization("POST", TARGET, body))


def test_the_same_request_a_second_time_is_refused(merchant: Merchant):
    body = _order(merchant)
    authorization = merchant.authorization("POST", TARGET, body)
    assert _post(merchant, body, authorization).status == 200
    assert "nonce_str" in _refused(merchant, body, authorization)


def test_a_nonce_longer_than_32_is_refused(merchant: Merchant):
    body = _order(merchant)
    signed = merchant.authorization("POST", TARGET, body, signed_nonce="n" * 33)
    assert "nonce_str" in _refused(merchant, body, signed)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda header: "",
        lambda header: header.replace("WECHATPAY2-SHA256-RSA2048", "WECHATPAY2-SM2-WITH-SM3"),
        lambda header: header.replace('"', ""),
        lambda header: header + ',serial_no="1"',
        lambda header: header.rpartition(",")[0],
        lambda header: header.replace(",", ", "),
        lambda header: header.replace(" ", ""),
    ],
)
def test_a_header_that_is_not_one_is_refused(merchant: Merchant, spoil):
    body = _order(merchant)
    message = _refused(merchant, body, spoil(merchant.authorization("POST", TARGET, body)))
    assert "Authorization" in message


def test_the_five_fields_may_stand_in_any_order(merchant: Merchant):
    body = _order(merchant)
    scheme, _, fields = merchant.authorization("POST", TARGET, body).partition(" ")
    backwards = ",".join(reversed(fields.split(",")))
    assert _post(merchant, body, f"{scheme} {backwards}").status == 200


@pytest.mark.parametrize(
    "headers", [{"Accept": ""}, {"User-Agent": ""}, {"Accept": "text/html"}, {"Content-Type": ""}]
)
def test_headers_that_every_request_needs(merchant: Merchant, headers):
    body = _order(merchant)
    answer = _post(merchant, body, merchant.authorization("POST", TARGET, body), **headers)
    assert (answer.status, answer.json["code"]) == (400, "PARAM_ERROR")


def test_unknown_addresses_are_not_found(merchant: Merchant):
    merchant.refused("GET", "/v3/nothing", None, 404, "RESOURCE_NOT_EXISTS")
    merchant.refused("GET", TARGET, None, 404, "RESOURCE_NOT_EXISTS")
    assert send(merchant.control.address, "GET", "/pay/unifiedorder").status == 404
