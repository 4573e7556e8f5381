"""Orders, trades and their states."""

import base64
import time
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateways.alipay.gateway import AlipayGateway
from gateways.server import Server

from .app import App, content_of, number, verified

PRECREATE, QUERY = "alipay.trade.precreate", "alipay.trade.query"
CLOSE, CANCEL = "alipay.trade.close", "alipay.trade.cancel"
PAGE, WAP = "alipay.trade.page.pay", "alipay.trade.wap.pay"
PAGE_PRODUCT = {"product_code": "FAST_INSTANT_TRADE_PAY"}
RETURN = "http://127.0.0.1:1/payment/return"
DAY = 86_400


def terms(**changes) -> dict[str, str]:
    return {"out_trade_no": number(), "total_amount": "88.88", "subject": "充电"} | changes


def open_page(app: App, method: str = PAGE, **biz) -> str:
    product = PAGE_PRODUCT if method == PAGE else {"product_code": "QUICK_WAP_WAY"}
    answer, _ = app.get(app.form(method, terms(**product, **biz), return_url=RETURN))
    assert answer.status == 303
    return urlsplit(answer.headers["Location"]).path


def press(app: App, page: str, button: str):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return app.http("POST", page, f"{button}=1".encode(), form)


@pytest.mark.parametrize(
    ("changes", "sub_code"),
    [
        ({"out_trade_no": "S00012-1"}, "ACQ.INVALID_PARAMETER"),
        ({"out_trade_no": "INV/2026/00001"}, "ACQ.INVALID_PARAMETER"),
        ({"out_trade_no": "9" * 65}, "ACQ.INVALID_PARAMETER"),
        ({"out_trade_no": ""}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "0.00"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "0.001"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "88.888"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "1e2"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "-1.00"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": True}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "100000000.01"}, "ACQ.TOTAL_FEE_EXCEED"),
        ({"subject": "a=b"}, "ACQ.INVALID_PARAMETER"),
        ({"subject": "a/b"}, "ACQ.INVALID_PARAMETER"),
        ({"subject": "a&b"}, "ACQ.INVALID_PARAMETER"),
        ({"subject": "x" * 257}, "ACQ.INVALID_PARAMETER"),
        ({"subject": ""}, "ACQ.INVALID_PARAMETER"),
        ({"body": "x" * 129}, "ACQ.INVALID_PARAMETER"),
        ({"product_code": "FAST_INSTANT_TRADE_PAY"}, "ACQ.INVALID_PARAMETER"),
        ({"seller_id": "2088999999999999"}, "ACQ.INVALID_PARAMETER"),
        ({"timeout_express": "16d"}, "ACQ.INVALID_PARAMETER"),
        ({"timeout_express": "1.5h"}, "ACQ.INVALID_PARAMETER"),
        ({"time_expire": "2014-07-24 03:07:50"}, "ACQ.INVALID_PARAMETER"),
        ({"time_expire": "2099-1-1 00:00:00"}, "ACQ.INVALID_PARAMETER"),
    ],
)
def test_limits(app, changes, sub_code):
    refused = app.call(PRECREATE, terms(**changes))
    assert (refused["code"], refused["sub_code"]) == ("40004", sub_code)


@pytest.mark.parametrize("name", ["notify_url", "return_url"])
@pytest.mark.parametrize("address", ["ftp://a/b", "https://a/b?id=1", "http://", "x" * 257])
def test_addresses_that_are_refused(app, name, address):
    form = app.form(PAGE, terms(**PAGE_PRODUCT), **{name: address})
    assert b'data-error="isv.invalid-parameter"' in app.get(form)[1]


@pytest.mark.parametrize("amount", ["0.01", "100000000", "100000000.00", "1.5", 88, 0.29])
def test_amounts_that_are_good(app, amount):
    assert app.call(PRECREATE, terms(total_amount=amount))["code"] == "10000"


def test_a_precreated_order_becomes_a_trade_when_it_is_scanned(app):
    no = app.precreate()
    order = app.control("GET", f"orders/{no}")
    assert order["qr"] == f"https://qr.alipay.com/bax{order['token']}"
    for method in (QUERY, CLOSE):
        assert app.call(method, {"out_trade_no": no})["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    answer, page = app.http("GET", urlsplit(order["cashier"]).path)
    assert answer.status == 200
    assert b'data-amount="88.88"' in page
    found = app.call(QUERY, {"out_trade_no": no})
    assert found["trade_status"] == "WAIT_BUYER_PAY"
    assert len(found["trade_no"]) == 28
    assert app.call(QUERY, {"trade_no": found["trade_no"]})["out_trade_no"] == no
    assert app.call(QUERY, {"trade_no": no})["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_paying_tells_all_of_it(app):
    no = app.paid(body="桩 3")
    found = app.call(QUERY, {"out_trade_no": no})
    assert found["trade_status"] == "TRADE_SUCCESS"
    assert found["total_amount"] == found["buyer_pay_amount"] == "88.88"
    assert found["fund_bill_list"] == [{"amount": "88.88", "fund_channel": "ALIPAYACCOUNT"}]
    assert found["body"] == "桩 3"
    assert found["buyer_user_id"].startswith("2088")


@pytest.mark.parametrize("method", [PAGE, WAP])
def test_a_page_leads_to_the_cashier_and_back_with_signed_parameters(app, method):
    page = open_page(app, method)
    answer, _ = app.http("GET", page)
    assert answer.status == 200
    answer, _ = press(app, page, "pay")
    address, _, query = answer.headers["Location"].partition("?")
    assert address == RETURN
    form = dict(parse_qsl(query))
    assert form["method"] == f"{method}.return"
    assert (form["app_id"], form["seller_id"]) == (app.app_id, "2088000000000011")
    content = content_of(form, "sign", "sign_type").encode()
    verified(app.console["alipay_public_key_pem"], content, form["sign"])
    found = app.call(QUERY, {"trade_no": form["trade_no"]})
    assert found["out_trade_no"] == form["out_trade_no"]
    assert found["total_amount"] == form["total_amount"]


def test_who_declines_stays_or_goes_where_wap_says(app):
    answer, _ = press(app, open_page(app, PAGE), "decline")
    assert answer.status == 200
    answer, _ = press(app, open_page(app, WAP, quit_url="http://127.0.0.1:1/quit"), "decline")
    assert answer.headers["Location"] == "http://127.0.0.1:1/quit"


def test_a_page_that_is_refused_says_why_to_a_person(app):
    form = app.form(PAGE, terms(**PAGE_PRODUCT))
    form["timestamp"] = "2026-11-22 10:00:00"
    answer, page = app.get(form)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert b'data-error="isv.invalid-' in page
    markup = app.form(PAGE, terms(**PAGE_PRODUCT, subject="<script>=</script>"))
    assert b"<script>" not in app.get(markup | {"sign": "x"})[1]


def test_the_same_order_again_is_the_same_trade(app):
    wanted = terms()
    first = app.call(PRECREATE, wanted)
    assert app.call(PRECREATE, wanted)["qr_code"] == first["qr_code"]
    app.control("POST", f"orders/{wanted['out_trade_no']}/scan")
    assert app.call(PRECREATE, wanted)["qr_code"] == first["qr_code"]
    for change in ({"total_amount": "88.89"}, {"subject": "别的"}):
        refused = app.call(PRECREATE, wanted | change)
        assert refused["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"
    app.control("POST", f"orders/{wanted['out_trade_no']}/pay")
    assert app.call(PRECREATE, wanted)["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"


def test_before_there_is_a_trade_an_order_may_change(app):
    wanted = terms()
    app.call(PRECREATE, wanted)
    assert app.call(PRECREATE, wanted | {"total_amount": "1.00"})["code"] == "10000"
    order = app.control("POST", f"orders/{wanted['out_trade_no']}/pay")
    assert order["paid_amount"] == 100


def test_a_mini_programs_trade(app):
    wanted = terms(product_code="JSAPI_PAY", op_app_id=app.app_id, buyer_id="2088123412341234")
    made = app.call("alipay.trade.create", wanted)
    assert app.call("alipay.trade.create", wanted)["trade_no"] == made["trade_no"]
    assert app.call(QUERY, wanted)["trade_status"] == "WAIT_BUYER_PAY"
    other = wanted | {"buyer_id": "2088123412341235"}
    assert app.call("alipay.trade.create", other)["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"
    for missing in ("buyer_id", "op_app_id", "product_code"):
        less = {name: value for name, value in terms(**wanted).items() if name != missing}
        assert app.call("alipay.trade.create", less)["sub_code"] == "ACQ.INVALID_PARAMETER"


def test_close_and_cancel_of_what_is_not_paid(app):
    for method, action in ((CLOSE, None), (CANCEL, "close")):
        no = app.precreate()
        app.control("POST", f"orders/{no}/scan")
        ended = app.call(method, {"out_trade_no": no})
        assert (ended["code"], ended.get("action")) == ("10000", action)
        assert app.call(QUERY, {"out_trade_no": no})["trade_status"] == "TRADE_CLOSED"
        assert app.call(CLOSE, {"out_trade_no": no})["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
        again = app.call(PRECREATE, terms(out_trade_no=no))
        assert again["sub_code"] == "ACQ.TRADE_HAS_CLOSE"


def test_cancel_before_there_is_a_trade_kills_the_code(app):
    no = app.precreate()
    ended = app.call(CANCEL, {"out_trade_no": no})
    assert ended["code"] == "10000"
    assert "trade_no" not in ended
    answer, text = app.http("POST", f"/_control/orders/{no}/pay", b"{}")
    assert (answer.status, b"closed" in text) == (409, True)
    assert app.call(QUERY, {"out_trade_no": no})["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_cancel_of_what_is_paid_gives_all_back(app):
    no = app.paid()
    assert app.call(CANCEL, {"out_trade_no": no})["action"] == "refund"
    assert app.call(QUERY, {"out_trade_no": no})["trade_status"] == "TRADE_CLOSED"
    assert app.control("GET", f"orders/{no}")["refunded"] == 8888


def test_a_trade_that_nobody_pays_is_closed_at_its_time(app):
    no = app.precreate(timeout_express="5m")
    app.control("POST", "clock", offset_seconds=3600)  # counted from the scan, not from here
    app.control("POST", f"orders/{no}/scan")
    assert app.control("GET", f"orders/{no}")["state"] == "open"
    app.control("POST", "clock", offset_seconds=3600 + 301)
    assert app.control("GET", f"orders/{no}")["state"] == "closed"
    answer, _ = app.http("POST", f"/_control/orders/{no}/pay", b"{}")
    assert answer.status == 409


def test_after_a_year_a_trade_is_finished(app):
    no = app.paid()
    app.control("POST", "clock", offset_seconds=366 * DAY)
    stamp = app.control("GET", "clock")["now"] + 8 * 3600
    timestamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(stamp))
    found = app.call(QUERY, {"out_trade_no": no}, timestamp=timestamp)
    assert found["trade_status"] == "TRADE_FINISHED"
    refused = app.call(
        "alipay.trade.refund",
        {"out_trade_no": no, "refund_amount": "1.00", "out_request_no": "r"},
        timestamp=timestamp,
    )
    assert refused["sub_code"] == "ACQ.TRADE_HAS_FINISHED"


def test_two_apps_may_use_one_number(app, server):
    other = App(server.gateway.address, "2021000000000005", identity="open_id", refundable=False)
    wanted = terms()
    app.call(PRECREATE, wanted)
    other.call(PRECREATE, wanted | {"total_amount": "1.00"})
    no = wanted["out_trade_no"]
    answer, text = app.http("POST", f"/_control/orders/{no}/pay", b"{}")
    assert (answer.status, b"merchant" in text) == (404, True)
    other.control("POST", f"orders/{no}/pay", merchant=other.app_id)
    found = other.call(QUERY, {"out_trade_no": no})
    assert (found["trade_status"], found["total_amount"]) == ("TRADE_FINISHED", "1.00")
    assert "buyer_user_id" not in found
    assert found["buyer_open_id"]
    assert app.call(QUERY, {"out_trade_no": no})["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_a_person_logs_in_once_by_a_code(app):
    made = app.control("POST", "codes", merchant=app.app_id)
    asked = {"grant_type": "authorization_code", "code": made["code"]}
    method = "alipay.system.oauth.token"
    node = app.call(method, **asked)
    assert node["user_id"] == made["user_id"]
    assert "code" not in node
    _, body = app.post(app.form(method, **asked))
    assert body.startswith(b'{"error_response":{"code":"40002"')
    assert b"isv.code-invalid" in body
    assert len(base64.b64decode(body.split(b'"sign":"')[1][:-2])) == 256


def test_a_state_file_keeps_all(app, tmp_path):
    file = tmp_path / "book.json"
    first = Server(AlipayGateway(file))
    first.start()
    kept = App(first.gateway.address, "2021000000000006")
    no = kept.paid()
    refund = {"out_trade_no": no, "refund_amount": "1.00", "out_request_no": "r"}
    assert kept.call("alipay.trade.refund", refund)["fund_change"] == "Y"
    first.stop()
    second = Server(AlipayGateway(file))
    second.start()
    kept.address = second.gateway.address
    found = kept.call(QUERY, {"out_trade_no": no})
    again = kept.call("alipay.trade.refund", refund)
    second.stop()
    assert found["trade_status"] == "TRADE_SUCCESS"
    assert (again["fund_change"], again["refund_fee"]) == ("N", "1.00")
    assert file.stat().st_mode & 0o777 == 0o600
