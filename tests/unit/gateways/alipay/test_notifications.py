"""What the merchant is told, how often, and wrong on demand."""

import pytest
from cryptography.exceptions import InvalidSignature

from .app import content_of, verified
from .test_refunds import give_back


def check(app, form: dict[str, str], charset: str = "utf-8") -> None:
    content = content_of(form, "sign", "sign_type").encode(charset)
    verified(app.console["alipay_public_key_pem"], content, form["sign"])


def deliver(app, **values) -> list[dict]:
    return app.control("POST", "notifications/deliver", **values)["deliveries"]


def held(app) -> None:
    app.control("POST", "notifications/mode", mode="held")


def test_a_payment_is_told_by_a_signed_form(app, shop):
    no = app.precreate(notify_url=shop.url, body="桩 3", passback_params="a%3D1")
    app.control("POST", f"orders/{no}/pay")
    (form,) = shop.wait(1)
    check(app, form)
    order = app.control("GET", f"orders/{no}")
    assert form["out_trade_no"] == no
    assert form["trade_no"] == order["gateway_number"]
    assert form["trade_status"] == "TRADE_SUCCESS"
    assert form["total_amount"] == form["receipt_amount"] == "88.88"
    assert (form["app_id"], form["seller_id"]) == (app.app_id, "2088000000000011")
    assert (form["body"], form["passback_params"]) == ("桩 3", "a%3D1")
    assert form["fund_bill_list"] == '[{"amount":"88.88","fundChannel":"ALIPAYACCOUNT"}]'
    assert form["notify_type"] == "trade_status_sync"
    assert len(form["notify_id"]) == 34
    assert "refund_fee" not in form


def test_a_gbk_order_is_told_in_gbk(app, shop):
    biz = {"out_trade_no": "GBK_1", "total_amount": "1.00", "subject": "充电桩"}
    app.call("alipay.trade.precreate", biz, charset="gbk", notify_url=shop.url)
    app.control("POST", "orders/GBK_1/pay")
    (form,) = shop.wait(1)
    assert (form["charset"], form["subject"]) == ("gbk", "充电桩")
    check(app, form, "gbk")


def test_a_scan_is_told_and_is_no_payment(app, shop):
    no = app.precreate(notify_url=shop.url)
    app.control("POST", f"orders/{no}/scan")
    (form,) = shop.wait(1)
    check(app, form)
    assert form["trade_status"] == "WAIT_BUYER_PAY"
    assert "gmt_payment" not in form


def test_refunds_are_told_with_their_sum(app, shop):
    no = app.paid(notify_url=shop.url)
    shop.wait(1)
    give_back(app, no, "30.00", "r1")
    shop.wait(2)
    give_back(app, no, "58.88", "r2")
    _, first, second = shop.wait(3)
    for form in (first, second):
        check(app, form)
    told = ("out_biz_no", "refund_fee", "trade_status")
    assert [first[name] for name in told] == ["r1", "30.00", "TRADE_SUCCESS"]
    assert [second[name] for name in told] == ["r2", "88.88", "TRADE_CLOSED"]
    assert first["gmt_refund"].count(".") == 1
    assert first["total_amount"] == "88.88"
    again = deliver(app, refund="r1", order=no)[0]
    assert "refund_fee=30.00&" in again["body"]


def test_a_trade_that_is_closed_is_told(app, shop):
    no = app.precreate(notify_url=shop.url)
    app.control("POST", f"orders/{no}/scan")
    shop.wait(1)
    app.call("alipay.trade.close", {"out_trade_no": no})
    form = shop.wait(2)[1]
    assert form["trade_status"] == "TRADE_CLOSED"
    assert form["gmt_close"]
    unscanned = app.precreate(notify_url=shop.url)
    app.control("POST", f"orders/{unscanned}/close")
    assert not app.control("GET", f"notifications?order={unscanned}")["waiting"]


@pytest.mark.parametrize("answer", [b"fail", b"SUCCESS", b"success\n", b'"success"', b""])
def test_only_success_is_taken_for_an_answer(app, shop, answer):
    app.control("POST", "notifications/mode", mode="automatic", speed=100_000.0)
    shop.answers = [answer]
    no = app.paid(notify_url=shop.url)
    first, second = shop.wait(2)
    assert first["notify_id"] == second["notify_id"]
    assert second["out_trade_no"] == no


def test_it_is_told_eight_times_at_most_and_as_documented(app, shop, server):
    assert server.gateway.retry_delays == (240, 600, 600, 3600, 7200, 21_600, 54_000)
    app.control("POST", "notifications/mode", mode="automatic", speed=1_000_000.0)
    shop.answers = [b"fail"] * 100
    no = app.paid(notify_url=shop.url)
    forms = shop.wait(8)
    assert {form["out_trade_no"] for form in forms} == {no}
    for form in forms:
        check(app, form)
    told = app.control("GET", f"notifications?order={no}")
    assert len(told["deliveries"]) == 8 or told["waiting"]
    assert len(shop.forms) == 8


@pytest.mark.parametrize("mutation", ["forged", "other_key", "changed_body"])
def test_notifications_that_do_not_verify(app, shop, mutation):
    held(app)
    no = app.paid(notify_url=shop.url)
    deliver(app, order=no, mutations=[mutation])
    with pytest.raises(InvalidSignature):
        check(app, shop.wait(1)[0])


@pytest.mark.parametrize(
    ("mutation", "name", "value"),
    [
        ("wrong_amount", "total_amount", "88.89"),
        ("wrong_merchant", "seller_id", "2088000000000000"),
        ("wrong_app", "app_id", "2014072300007148"),
        ("wrong_order", "out_trade_no", "NOBODYS_ORDER"),
        ("wrong_currency", "trans_currency", "USD"),
        ("sign_type_rsa", "sign_type", "RSA"),
        ("finished", "trade_status", "TRADE_FINISHED"),
        ("waiting", "trade_status", "WAIT_BUYER_PAY"),
    ],
)
def test_notifications_that_verify_but_say_something_else(app, shop, mutation, name, value):
    held(app)
    no = app.paid(notify_url=shop.url)
    deliver(app, order=no, mutations=[mutation])
    (form,) = shop.wait(1)
    assert form[name] == value
    check(app, form)


def test_what_is_missing_and_what_is_no_form(app, shop):
    held(app)
    no = app.paid(notify_url=shop.url)
    deliver(app, order=no, mutations=["missing_signature"])
    deliver(app, order=no, mutations=["missing_sign_type"])
    deliver(app, order=no, mutations=["not_json"])
    unsigned, untyped, nothing = shop.wait(3)
    assert "sign" not in unsigned
    assert "sign_type" not in untyped
    assert nothing == {}


def test_times_that_are_off(app, shop):
    held(app)
    no = app.paid(notify_url=shop.url)
    for mutations in (["old_timestamp"], [], ["future_timestamp"]):
        deliver(app, order=no, mutations=mutations)
    old, now, future = (form["notify_time"] for form in shop.wait(3))
    assert old < now < future


def test_fifteen_times_reordered_and_at_one_instant(app, shop):
    held(app)
    no = app.paid(notify_url=shop.url)
    give_back(app, no, "1.00", "r1")
    ids = [one["id"] for one in app.control("GET", f"notifications?order={no}")["held"]]
    deliver(app, ids=ids[::-1])
    refund, payment = shop.wait(2)
    assert ("refund_fee" in refund, "refund_fee" in payment) == (True, False)
    sent = deliver(app, order=no, times=15, connections=2)
    assert len(sent) == 30
    assert all(one["accepted"] for one in sent)


def test_made_but_not_sent(app, shop):
    no = app.precreate(notify_url=shop.url)
    app.control("POST", f"orders/{no}/pay", notify=False)
    made = app.control("POST", "notifications/make", orders=[no], count=3)["notifications"]
    assert {one["url"] for one in made} == {shop.url}
    assert len({one["body"] for one in made}) == 3
    assert shop.forms == []
