"""Orders are made, repeated, queried, paid and closed as the documents say."""

import time
from urllib.parse import quote

import pytest

from gateways import keys

from ..running import Control, send
from .merchant import Merchant, new_number

NATIVE = "/v3/pay/transactions/native"


@pytest.mark.parametrize(
    ("kind", "field", "begins"),
    [
        ("native", "code_url", "weixin://wxpay/bizpayurl?pr="),
        ("h5", "h5_url", "http://127.0.0.1:"),
        ("jsapi", "prepay_id", "wx20"),
        ("app", "prepay_id", "wx20"),
    ],
)
def test_each_kind_answers_its_own_way_to_pay(merchant: Merchant, kind, field, begins):
    number, answer = merchant.make(kind)
    assert list(answer) == [field]
    assert answer[field].startswith(begins)
    assert merchant.state(number)["trade_state"] == "NOTPAY"


@pytest.mark.parametrize(
    "changed",
    [
        {"out_trade_no": "T1234"},
        {"out_trade_no": "T" * 33},
        {"out_trade_no": "INV/2026/1"},
        {"out_trade_no": "充电000001"},
        {"out_trade_no": None},
        {"description": ""},
        {"description": "充" * 128},
        {"attach": "a" * 129},
        {"notify_url": "http://shop.example/notify"},
        {"notify_url": "https://shop.example/notify?db=1"},
        {"notify_url": "https://shop.example/" + "n" * 235},
        {"notify_url": "shop.example"},
        {"amount": {"total": 0}},
        {"amount": {"total": -1}},
        {"amount": {"total": 1.5}},
        {"amount": {"total": "100"}},
        {"amount": {"total": True}},
        {"amount": {"total": 1, "currency": "USD"}},
        {"amount": 100},
        {"amount": {}},
        {"time_expire": "2026-11-22 12:00:00"},
        {"time_expire": "2018-06-08T10:34:56+08:00"},
        {"mchid": "1900008888"},
        {"appid": 5},
        {"goods_tag": "g" * 33},
    ],
)
def test_a_field_that_breaks_its_rule_is_named(merchant: Merchant, changed):
    document = merchant.order(**changed)
    told = merchant.refused("POST", NATIVE, document, 400, "PARAM_ERROR")
    assert told["detail"]["field"].lstrip("/").startswith(next(iter(changed)))
    number = quote(document["out_trade_no"] or "T00000", safe="")
    assert "There is no order" in merchant.control("GET", f"orders/{number}", 404)["error"]


def test_longest_values_are_taken(merchant: Merchant):
    number = new_number("T_-|*") + "a" * 19
    assert len(number) == 32
    merchant.make(
        out_trade_no=number,
        description="充" * 127,
        attach="附" * 128,
        notify_url="https://shop.example/" + "n" * 234,
    )
    assert merchant.state(number)["attach"] == "附" * 128


@pytest.mark.parametrize(
    ("kind", "changed", "field"),
    [
        ("jsapi", {"payer": None}, "/payer"),
        ("jsapi", {"payer": {"openid": ""}}, "/payer/openid"),
        ("h5", {"scene_info": None}, "/scene_info"),
        ("h5", {"scene_info": {"payer_client_ip": "1.2.3"}}, "/scene_info/payer_client_ip"),
        (
            "h5",
            {"scene_info": {"payer_client_ip": "1.2.3.4", "h5_info": {"type": "wap"}}},
            "/scene_info/h5_info/type",
        ),
    ],
)
def test_what_a_kind_needs_beside(merchant: Merchant, kind, changed, field):
    told = merchant.refused(
        "POST",
        f"/v3/pay/transactions/{kind}",
        merchant.order(kind, **changed),
        400,
        "PARAM_ERROR",
    )
    assert told["detail"]["field"] == field


def test_an_app_of_somebody_else_is_refused(merchant: Merchant):
    document = merchant.order(appid="wx8888888888888888")
    merchant.refused("POST", NATIVE, document, 400, "APPID_MCHID_NOT_MATCH")


def test_a_body_that_is_not_json_is_refused(merchant: Merchant):
    body = b"{'appid': 1}"
    headers = merchant.headers(merchant.authorization("POST", NATIVE, body))
    answer = send(merchant.control.address, "POST", NATIVE, body, headers)
    assert (answer.status, answer.json["code"]) == (400, "PARAM_ERROR")


def test_the_same_request_finds_the_same_order(merchant: Merchant):
    document = merchant.order()
    first = merchant.ask("POST", NATIVE, document).json
    assert merchant.ask("POST", NATIVE, document).json == first


@pytest.mark.parametrize(
    "changed", [{"amount": {"total": 12346}}, {"description": "x"}, {"attach": "x"}]
)
def test_a_number_is_not_used_for_something_else(merchant: Merchant, changed):
    document = merchant.order()
    merchant.ask("POST", NATIVE, document)
    merchant.refused("POST", NATIVE, document | changed, 403, "OUT_TRADE_NO_USED")


def test_a_paid_order_is_not_made_again(merchant: Merchant, control: Control):
    document = merchant.order()
    merchant.ask("POST", NATIVE, document)
    control("POST", f"orders/{document['out_trade_no']}/pay", notify=False)
    merchant.refused("POST", NATIVE, document, 400, "ORDERPAID")


def test_a_query_tells_all_of_a_paid_order(merchant: Merchant, control: Control):
    number, _ = merchant.make(attach="a{b}")
    before = merchant.state(number)
    assert not {"transaction_id", "payer", "success_time", "trade_type"} & set(before)
    control("POST", f"orders/{number}/pay", payer="o123", notify=False)
    after = merchant.state(number)
    assert after["trade_state"] == "SUCCESS"
    assert after["trade_type"] == "NATIVE"
    assert after["payer"] == {"openid": "o123"}
    assert after["attach"] == "a{b}"
    assert after["amount"] == {
        "total": 12345,
        "payer_total": 12345,
        "currency": "CNY",
        "payer_currency": "CNY",
    }
    assert after["success_time"].endswith("+08:00")
    assert len(after["transaction_id"]) == 28
    by_id = f"/v3/pay/transactions/id/{after['transaction_id']}?mchid={merchant.mchid}"
    assert merchant.ask("GET", by_id).json == after


def test_a_query_must_name_the_merchant_who_signed(merchant: Merchant):
    number, _ = merchant.make()
    path = f"/v3/pay/transactions/out-trade-no/{number}"
    merchant.refused("GET", path, None, 400, "PARAM_ERROR")
    merchant.refused("GET", f"{path}?mchid=1900008888", None, 400, "PARAM_ERROR")


def test_an_order_that_nobody_made_does_not_exist(merchant: Merchant):
    path = f"/v3/pay/transactions/out-trade-no/{new_number()}"
    merchant.refused("GET", f"{path}?mchid={merchant.mchid}", None, 404, "ORDER_NOT_EXIST")
    merchant.refused("POST", f"{path}/close", {"mchid": merchant.mchid}, 404, "ORDER_NOT_EXIST")
    path = f"/v3/pay/transactions/id/{new_number()}?mchid={merchant.mchid}"
    merchant.refused("GET", path, None, 404, "ORDER_NOT_EXIST")


def test_two_merchants_may_use_one_number_and_see_only_their_own(
    merchant: Merchant, control: Control
):
    key = keys.new_key()
    other = Merchant(control, "1900008888", public_key=keys.public_pem(key.public_key()))
    other.key = key
    number, _ = merchant.make()
    other.make(out_trade_no=number, amount={"total": 7})
    control("POST", f"orders/{number}/pay?merchant={merchant.mchid}", notify=False)
    assert "more than one" in control("GET", f"orders/{number}", 404)["error"]
    assert merchant.state(number)["trade_state"] == "SUCCESS"
    theirs = other.state(number)
    assert (theirs["trade_state"], theirs["amount"]["total"]) == ("NOTPAY", 7)
    transaction = merchant.state(number)["transaction_id"]
    path = f"/v3/pay/transactions/id/{transaction}?mchid={other.mchid}"
    other.refused("GET", path, None, 404, "ORDER_NOT_EXIST")


def test_closing(merchant: Merchant, control: Control):
    number, _ = merchant.make()
    path = f"/v3/pay/transactions/out-trade-no/{number}/close"
    merchant.refused("POST", path, {"mchid": "1900008888"}, 400, "PARAM_ERROR")
    answer = merchant.ask("POST", path, {"mchid": merchant.mchid}, status=204)
    assert answer.body == b""
    assert merchant.state(number)["trade_state"] == "CLOSED"
    merchant.refused("POST", path, {"mchid": merchant.mchid}, 400, "ORDER_CLOSED")
    assert "closed" in control("POST", f"orders/{number}/pay", 409)["error"]


def test_a_paid_order_is_not_closed(merchant: Merchant):
    number = merchant.paid()
    path = f"/v3/pay/transactions/out-trade-no/{number}/close"
    merchant.refused("POST", path, {"mchid": merchant.mchid}, 400, "ORDERPAID")


def test_an_order_ends_when_its_time_is_over(merchant: Merchant, control: Control):
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    number, _ = merchant.make(time_expire=soon)
    merchant.travel(61)
    assert "closed" in control("POST", f"orders/{number}/pay", 409)["error"]
    assert merchant.state(number)["trade_state"] == "CLOSED"


def test_the_wallet_pays_only_by_parameters_signed_by_the_merchant(
    merchant: Merchant, control: Control
):
    number, answer = merchant.make("jsapi")
    given = {
        "appId": merchant.appid,
        "timeStamp": str(int(time.time())),
        "nonceStr": "abc",
        "package": f"prepay_id={answer['prepay_id']}",
    }
    text = "".join(f"{value}\n" for value in given.values()).encode()
    given |= {"signType": "RSA", "paySign": keys.sign(merchant.key, text)}
    for name, wrong in [
        ("appId", "wx2421b1c4370ec43b"),
        ("timeStamp", "1"),
        ("nonceStr", "abd"),
        ("package", answer["prepay_id"]),
        ("signType", "MD5"),
        ("paySign", given["paySign"][:-8] + "AAAAAA=="),
    ]:
        assert control("POST", "client/pay", 400, **given | {name: wrong})["error"]
    assert merchant.state(number)["trade_state"] == "NOTPAY"
    assert control("POST", "client/pay", **given)["state"] == "paid"
    assert merchant.state(number)["payer"]["openid"] == "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
