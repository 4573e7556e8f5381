"""What every request must be, and what every answer is."""

import base64
import time

import pytest
from cryptography.exceptions import InvalidSignature

from .app import App, number

QUERY = "alipay.trade.query"
UNKNOWN = {"out_trade_no": "NOBODYS_ORDER"}


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 8 * 3600 + seconds))


def refusal(node: dict) -> tuple[str, str]:
    return node["code"], node["sub_code"]


def test_get_and_post_are_answered_alike(app):
    form = app.form(QUERY, UNKNOWN)
    for _, body in (app.get(form), app.post(form), app.post(form, in_url=tuple(form))):
        assert refusal(app.node(body, QUERY)) == ("40004", "ACQ.TRADE_NOT_EXIST")


@pytest.mark.parametrize("name", ["biz_content", "timestamp", "version", "method", "app_id"])
def test_one_wrong_byte_is_refused(app, name):
    form = app.form(QUERY, UNKNOWN)
    text = form[name]
    form[name] = text[:-2] + chr(ord(text[-2]) ^ 1) + text[-1]
    _, body = app.post(form)
    assert b'"code":"10000"' not in body
    assert b"TRADE_NOT_EXIST" not in body


def test_each_wrong_byte_of_a_signature_is_refused(app):
    form = app.form(QUERY, UNKNOWN)
    raw = base64.b64decode(form["sign"])
    for at in (0, 100, 255):
        form["sign"] = base64.b64encode(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]).decode()
        node = app.node(app.post(form)[1], QUERY)
        assert refusal(node) == ("40002", "isv.invalid-signature")
        assert "网关生成的验签字符串为：app_id=2021000000000001&biz_content=" in node["sub_msg"]


def test_a_parameter_that_was_not_signed_is_refused(app):
    form = app.form(QUERY, UNKNOWN) | {"notify_url": "http://127.0.0.1:1/notify"}
    assert refusal(app.node(app.post(form)[1], QUERY)) == ("40002", "isv.invalid-signature")


@pytest.mark.parametrize(
    ("changes", "code", "sub_code"),
    [
        ({"sign_type": None}, "40001", "isv.missing-signature-type"),
        ({"sign_type": "RSA"}, "40002", "isv.invalid-signature-type"),
        ({"version": None}, "40001", "isv.missing-version"),
        ({"version": "2.0"}, "40002", "isv.invalid-parameter"),
        ({"timestamp": None}, "40001", "isv.missing-timestamp"),
        ({"timestamp": "2026/11/22 10:00:00"}, "40002", "isv.invalid-timestamp"),
        ({"timestamp": "2014-07-24 03:07:50"}, "40002", "isv.invalid-timestamp"),
        ({"format": "XML"}, "40002", "isv.invalid-format"),
        ({"biz_content": "{"}, "40002", "isv.illegal-json"),
        ({"biz_content": "[]"}, "40002", "isv.illegal-json"),
    ],
)
def test_common_parameters(app, changes, code, sub_code):
    assert refusal(app.call(QUERY, UNKNOWN, **changes)) == (code, sub_code)


def test_a_request_without_a_signature_is_refused(app):
    form = app.form(QUERY, UNKNOWN)
    del form["sign"]
    assert refusal(app.node(app.post(form)[1], QUERY)) == ("40001", "isv.missing-signature")


def test_the_time_is_beijings_within_ten_minutes(app):
    assert refusal(app.call(QUERY, UNKNOWN, timestamp=stamp(-590)))[1] == "ACQ.TRADE_NOT_EXIST"
    for wrong in (-620, 620, -8 * 3600):  # the last is a server that sends UTC
        node = app.call(QUERY, UNKNOWN, timestamp=stamp(wrong))
        assert refusal(node) == ("40002", "isv.invalid-timestamp")


@pytest.mark.parametrize(
    ("changes", "sub_code"),
    [
        ({"method": None}, "isv.missing-method"),
        ({"method": "alipay.trade.give"}, "isv.invalid-method"),
        ({"app_id": None}, "isv.missing-app-id"),
        ({"app_id": "2021999999999999"}, "isv.invalid-app-id"),
    ],
)
def test_whom_nobody_knows_gets_an_unsigned_error_response(app, changes, sub_code):
    _, body = app.post(app.form(QUERY, UNKNOWN, **changes))
    assert body.startswith(b'{"error_response":{')
    assert sub_code.encode() in body
    assert b'"sign"' not in body


def test_an_unknown_charset_is_refused(app):
    _, body = app.post(app.form(QUERY, UNKNOWN) | {"charset": "latin1"})
    assert b"isv.invalid-charset" in body


def test_a_parameter_given_twice_is_refused(app):
    form = app.form(QUERY, UNKNOWN)
    _, body = app.http(
        "POST",
        "/gateway.do?charset=utf-8",
        b"charset=utf-8&app_id=" + form["app_id"].encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert b"isv.invalid-parameter" in body


def test_the_charset_counts_in_the_url_only(app):
    biz = {"out_trade_no": number(), "total_amount": "1.00", "subject": "充电桩"}
    form = app.form("alipay.trade.precreate", biz)
    _, refused = app.post(form, in_url=())
    assert b"isv.invalid-signature" in refused
    assert app.node(app.post(form)[1], "alipay.trade.precreate")["code"] == "10000"


def test_gbk_both_ways(app):
    biz = {"out_trade_no": number(), "total_amount": "1.00", "subject": "充电"}
    made = app.call("alipay.trade.precreate", biz, charset="gbk")
    assert made["code"] == "10000"
    app.control("POST", f"orders/{biz['out_trade_no']}/scan")
    asked = {"out_trade_no": biz["out_trade_no"]}
    assert app.call(QUERY, asked, charset="gbk")["subject"] == "充电"
    assert app.call(QUERY, asked)["subject"] == "充电"


def test_braces_quotes_and_markup_in_a_subject_come_back_as_signed(app):
    subject = 'a } b { "c" \\ <b>充电</b>'.replace("/", "")
    no = app.precreate(subject=subject)
    app.control("POST", f"orders/{no}/scan")
    assert app.call(QUERY, {"out_trade_no": no})["subject"] == subject


def test_slashes_are_escaped_as_alipay_does(app):
    biz = {"out_trade_no": number(), "total_amount": "1.00", "subject": "x"}
    _, body = app.post(app.form("alipay.trade.precreate", biz))
    assert b'"qr_code":"https:\\/\\/qr.alipay.com\\/bax' in body


@pytest.fixture(scope="module")
def certified(server):
    return App(server.gateway.address, "2021000000000002", mode="certificate")


def test_certificate_mode_names_certificates_both_ways(certified):
    assert certified.call(QUERY, UNKNOWN)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    for name, missing, wrong in (
        ("app_cert_sn", "isv.missing-app-cert-sn", "isv.invalid-app-cert-sn"),
        ("alipay_root_cert_sn", "isv.missing-root-cert-sn", "isv.invalid-root-cert-sn"),
    ):
        assert certified.call(QUERY, UNKNOWN, **{name: None})["sub_code"] == missing
        assert certified.call(QUERY, UNKNOWN, **{name: "0" * 32})["sub_code"] == wrong


def test_a_new_certificate_keeps_the_key(certified):
    before = certified.console
    after = certified.control("POST", f"merchants/{certified.app_id}/keys", certificate_only=True)
    assert after["alipay_public_key"] == before["alipay_public_key"]
    assert after["alipay_cert_sn"] != before["alipay_cert_sn"]
    assert after["alipay_root_cert_sn"] == before["alipay_root_cert_sn"]
    certified.console = after
    assert certified.call(QUERY, UNKNOWN)["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_an_expired_certificate_is_refused(server):
    expired = App(
        server.gateway.address,
        "2021000000000003",
        mode="certificate",
        certificate_days=[-400, -1],
    )
    assert expired.call(QUERY, UNKNOWN)["sub_code"] == "isv.app-cert-expired"


@pytest.mark.parametrize("kind", ["other_key", "forged", "changed_body"])
def test_answers_that_do_not_verify_on_demand(app, kind):
    no = app.paid()
    app.control("POST", "faults", path="/gateway.do/alipay.trade.query", kind=kind)
    with pytest.raises(InvalidSignature):
        app.call(QUERY, {"out_trade_no": no})
    assert app.call(QUERY, {"out_trade_no": no})["trade_status"] == "TRADE_SUCCESS"


def test_answers_that_are_signed_but_wrong_on_demand(app):
    no = app.paid()
    for kind, name, value in (
        ("wrong_amount", "total_amount", "0.01"),
        ("wrong_order", "out_trade_no", "NOBODYS_ORDER"),
        ("error", "sub_code", "aop.unknow-error"),
        ("pretty", "code", "10000"),
    ):
        app.control("POST", "faults", path="/gateway.do/alipay.trade.query", kind=kind)
        assert app.call(QUERY, {"out_trade_no": no})[name] == value
    app.control("POST", "faults", path="/gateway.do", kind="missing_signature")
    assert b'"sign"' not in app.post(app.form(QUERY, {"out_trade_no": no}))[1]
