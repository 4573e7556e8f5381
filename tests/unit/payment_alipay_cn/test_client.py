"""The adapter: what it sends, and what it believes."""

import json
import os
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote_plus

import pytest
from alipay import AliPay
from alipay.exceptions import AliPayValidationError
from hypothesis import given
from hypothesis import strategies as st

from alipay_gateway import AlipayClient, AnswerError, Credentials, Refusal
from alipay_gateway.client import Verifier, check_credentials, verifier
from alipay_gateway.errors import KeyMaterialError
from alipay_gateway.jsonspan import top_level_spans

from .making import answer, bare, certificate, key, pem, public_pem, sign

CREDENTIALS = Credentials("2021", pem(key("app")), bare(public_pem(key("alipay"))))
QUERY = "alipay.trade.query"


@pytest.fixture
def client():
    return AlipayClient.for_credentials(CREDENTIALS)


def signed_text(request):
    """Return what a gateway would check: all parameters but the signature, sorted."""
    pairs = [part.partition("=")[::2] for part in f"{request.query}&{request.body}".split("&")]
    values = {name: unquote_plus(value) for name, value in pairs}
    signature = values.pop("sign")
    return "&".join(f"{name}={values[name]}" for name in sorted(values)), signature


def test_time_is_beijings_in_any_zone(client, monkeypatch):
    for zone in ("UTC", "America/New_York", "Asia/Shanghai"):
        monkeypatch.setitem(os.environ, "TZ", zone)
        time.tzset()
        request = client.request(QUERY, {}, now=datetime(2026, 12, 31, 16, 30, tzinfo=UTC))
        assert parse_qs(request.body)["timestamp"] == ["2027-01-01 00:30:00"]
    monkeypatch.undo()
    time.tzset()


def test_character_set_stands_in_the_address_once(client):
    request = client.request(QUERY, {"subject": "充电"})
    assert request.query == "charset=utf-8"
    assert "charset" not in request.body
    assert request.address("http://g/gateway.do") == "http://g/gateway.do?charset=utf-8"
    assert request.link("http://g/gateway.do").startswith(
        "http://g/gateway.do?charset=utf-8&app_id"
    )


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.text(max_size=10))
def test_signature_fits_what_is_sent(subject, url):
    request = AlipayClient.for_credentials(CREDENTIALS).request(
        QUERY, {"subject": subject, "empty": "", "none": None}, notify_url=url
    )
    text, signature = signed_text(request)
    assert sign(key("app"), text) == signature
    assert '"empty"' not in text and '"none"' not in text
    assert bool(url) == ("notify_url=" in request.body)


def test_numbers_may_be_given_as_parameters(client):
    text, signature = signed_text(client.request(QUERY, {}, code=7))
    assert "code=7" in text
    assert sign(key("app"), text) == signature


@pytest.mark.parametrize(
    "subject",
    ["a } b {", '}}}}{{"', 'x","sign":"y', '\\{\\"}', "</script><b>", "{{1}}", "充电}", "\u2028{"],
)
def test_braces_in_an_answer_are_text(client, subject):
    raw = answer(key("alipay"), {"code": "10000", "subject": subject})
    assert client.answer(QUERY, raw)["subject"] == subject


def test_the_sdk_alone_takes_such_an_answer_for_forged():
    sdk = AliPay("1", None, pem(key("app")), public_pem(key("alipay")))
    raw = answer(key("alipay"), {"code": "10000", "subject": "a } b {"}).decode()
    with pytest.raises(AliPayValidationError):
        sdk._verify_and_return_sync_response(raw, "alipay_trade_query_response")


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=4))
def test_any_content_comes_back_as_it_was_signed(content):
    client = AlipayClient.for_credentials(CREDENTIALS)
    content["code"] = "10000"
    pretty = json.dumps(content, indent=2, ensure_ascii=False)
    assert client.answer(QUERY, answer(key("alipay"), pretty)) == content


def test_slashes_escaped_after_signing(client):
    content = '{"code":"10000","url":"https://qr.alipay.com/x"}'
    signature = sign(key("alipay"), content)
    escaped = content.replace("/", "\\/")
    raw = f'{{"alipay_trade_query_response":{escaped},"sign":"{signature}"}}'
    assert client.answer(QUERY, raw.encode())["url"] == "https://qr.alipay.com/x"
    other = sign(key("alipay"), escaped)
    raw = f'{{"alipay_trade_query_response":{content},"sign":"{other}"}}'
    assert client.answer(QUERY, raw.encode())["url"] == "https://qr.alipay.com/x"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"<html>502</html>", "not_json"),
        (b"", "not_json"),
        (b"[]", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'{"other":{"code":"10000"}}', "other_answer"),
        (b'{"alipay_trade_query_response":"10000","sign":"x"}', "other_answer"),
        (b'{"alipay_trade_query_response":{"code":"10000"}}', "unsigned"),
        (b'{"alipay_trade_query_response":{"code":"10000"},"sign":""}', "unsigned"),
        (b'{"alipay_trade_query_response":{}}', "unsigned"),
        (b'{"alipay_trade_query_response":{"code":"10000"},"sign":"aGFsbG8="}', "wrong_signature"),
        (b'{"alipay_trade_query_response":{"code":"10000"},"sign":"?"}', "wrong_signature"),
        (b'{"alipay_trade_query_response":{"code":"10000"},"sign":{"a":1}}', "wrong_signature"),
        (answer(key("other"), {"code": "10000"}), "wrong_signature"),
        (answer(key("alipay"), {"code": "10000"}) + b" {}", "not_json"),
        (answer(key("alipay"), {"code": "10000"}, method="alipay.trade.refund"), "other_answer"),
    ],
)
def test_what_is_not_believed(client, raw, reason):
    with pytest.raises(AnswerError) as refused:
        client.answer(QUERY, raw)
    assert refused.value.reason == reason


def test_a_member_that_stands_twice_is_not_believed(client):
    twice = ',"alipay_trade_query_response":{"code":"10000","trade_status":"TRADE_SUCCESS"}'
    with pytest.raises(AnswerError):
        client.answer(QUERY, answer(key("alipay"), {"code": "10000"}, after=twice))


def test_refusals_signed_and_not(client):
    content = {"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST", "sub_msg": "交易\n不存在"}
    with pytest.raises(Refusal) as refused:
        client.answer(QUERY, answer(key("alipay"), content))
    assert refused.value.signed and refused.value.is_unknown_order and refused.value.is_final
    assert refused.value.sub_msg == "交易 不存在"
    with pytest.raises(Refusal) as refused:
        client.answer(QUERY, json.dumps({"error_response": content}).encode())
    assert not (refused.value.signed or refused.value.is_unknown_order or refused.value.is_final)


def test_form_is_left_alone_and_needs_signature_and_type():
    checker = Verifier(CREDENTIALS)
    values = {"b": "2 {}", "a": "1", "empty": ""}
    form = {**values, "sign_type": "RSA2", "sign": sign(key("alipay"), "a=1&b=2 {}&empty=")}
    checker.check_form(dict(form))
    for change, reason in (
        ({"sign": None}, "unsigned"),
        ({"sign": ""}, "unsigned"),
        ({"sign_type": None}, "sign_type"),
        ({"sign_type": "RSA"}, "sign_type"),
        ({"a": "2"}, "wrong_signature"),
        ({"sign": "ü"}, "wrong_signature"),
        ({"more": "x"}, "wrong_signature"),
    ):
        with pytest.raises(AnswerError) as refused:
            checker.check_form({**form, **change})
        assert refused.value.reason == reason


def test_certificate_mode_signs_with_serials_and_names_another_certificate():
    issuer = key("issuer")
    credentials = Credentials(
        "2021",
        pem(key("app")),
        "",
        certificate(key("app"), name="App"),
        certificate(key("alipay"), name="Alipay"),
        certificate(issuer, name="Issuer"),
    )
    check_credentials(credentials)
    client = AlipayClient(credentials)
    sent = parse_qs(client.request(QUERY, {}).body)
    assert len(sent["app_cert_sn"][0]) == len(sent["alipay_root_cert_sn"][0]) == 32
    good = answer(key("alipay"), {"code": "10000"}, alipay_cert_sn="f" * 32)
    assert client.answer(QUERY, good)["code"] == "10000", "renewed over the same key"
    other = answer(key("other"), {"code": "10000"}, alipay_cert_sn="f" * 32)
    with pytest.raises(AnswerError) as refused:
        client.answer(QUERY, other)
    assert (refused.value.reason, refused.value.values) == (
        "certificate_serial",
        {"serial": "f" * 32},
    )
    forged = answer(key("other"), {"code": "10000"}, alipay_cert_sn="a b")
    with pytest.raises(AnswerError, match="wrong_signature"):
        client.answer(QUERY, forged)


def test_same_texts_give_the_same_client_and_secrets_stay_out_of_sight():
    assert AlipayClient.for_credentials(CREDENTIALS) is AlipayClient.for_credentials(CREDENTIALS)
    assert verifier(CREDENTIALS) is verifier(CREDENTIALS._replace(app_private_key="x"))
    assert "MII" not in repr(CREDENTIALS) + str(CREDENTIALS)
    broken = AlipayClient(CREDENTIALS._replace(app_private_key="MIIsecret"))
    with pytest.raises(KeyMaterialError) as refused:
        broken.request(QUERY, {})
    assert "secret" not in f"{refused.value} {refused.value!r}"
    assert refused.value.values["part"] == "app_private_key"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_spans_are_the_members_texts(value):
    text = f' {{ "a" : {json.dumps(value)} ,"b":1}} '
    spans = top_level_spans(text)
    assert json.loads(text[slice(*spans["a"])]) == value
    assert text[slice(*spans["b"])] == "1"


@pytest.mark.parametrize(
    "text", ['{"a":1,"a":2}', "{1:2}", '{"a" 1}', '{"a":1', '{"a":1}x', "", "7"]
)
def test_what_is_no_object(text):
    with pytest.raises(ValueError):
        top_level_spans(text)


def test_empty_object_has_no_members():
    assert top_level_spans(" {} ") == {}
