"""Merchants are told of payments and refunds, again and again until they acknowledge."""

import json

import pytest

from ..running import Answered, Control, Heard, Shop, eventually
from .merchant import Merchant

REFUNDS = "/v3/refund/domestic/refunds"


def _as_answer(heard: Heard) -> Answered:
    return Answered(200, heard.headers, heard.body)


def _told(merchant: Merchant, heard: Heard) -> dict:
    return json.loads(merchant.decrypt(json.loads(heard.body)["resource"]))


def _paid(merchant: Merchant, shop: Shop, **pay) -> str:
    number, _ = merchant.make(notify_url=f"{shop.address}/notify/7", attach="{a}")
    merchant.control("POST", f"orders/{number}/pay", **pay)
    return number


def _held(merchant: Merchant, shop: Shop) -> str:
    merchant.control("POST", "notifications/mode", mode="held")
    return _paid(merchant, shop)


def _deliver(control: Control, **values) -> list[dict]:
    return control("POST", "notifications/deliver", **values)["deliveries"]


def test_a_payment_is_told_at_once(merchant: Merchant, shop: Shop):
    number = _paid(merchant, shop)
    heard = eventually(lambda: shop.heard)[0]
    assert heard.path == "/notify/7"
    assert merchant.signed(_as_answer(heard))
    assert heard.headers["Wechatpay-Signature-Type"] == "WECHATPAY2-SHA256-RSA2048"
    document = json.loads(heard.body)
    assert document["event_type"] == "TRANSACTION.SUCCESS"
    assert document["resource_type"] == "encrypt-resource"
    assert document["resource"]["algorithm"] == "AEAD_AES_256_GCM"
    assert (document["resource"]["original_type"], document["resource"]["associated_data"]) == (
        "transaction",
        "transaction",
    )
    assert _told(merchant, heard) == merchant.state(number)


@pytest.mark.parametrize("ending", ["success", "abnormal", "closed"])
def test_a_refund_is_told_when_it_ends(merchant: Merchant, control: Control, shop: Shop, ending):
    control("POST", "refunds/policy", automatic=False)
    number = merchant.paid()
    document = merchant.refund(number, 345, notify_url=f"{shop.address}/refund")
    merchant.ask("POST", REFUNDS, document)
    control("POST", f"refunds/{document['out_refund_no']}/finish", status=ending)
    heard = eventually(lambda: shop.heard)[0]
    assert heard.path == "/refund"
    assert merchant.signed(_as_answer(heard))
    assert json.loads(heard.body)["event_type"] == f"REFUND.{ending.upper()}"
    assert json.loads(heard.body)["resource"]["original_type"] == "refund"
    told = _told(merchant, heard)
    assert told["out_refund_no"] == document["out_refund_no"]
    assert told["refund_status"] == ending.upper()
    assert told["amount"] == {
        "total": 12345,
        "refund": 345,
        "payer_total": 12345,
        "payer_refund": 345,
    }
    assert ("success_time" in told) == (ending == "success")


def test_a_refund_that_named_no_address_is_not_told(merchant: Merchant, control: Control):
    control("POST", "refunds/policy", automatic=False)
    document = merchant.refund(merchant.paid(), 345)
    merchant.ask("POST", REFUNDS, document)
    control("POST", f"refunds/{document['out_refund_no']}/finish", status="success")
    told = control("GET", f"notifications?refund={document['out_refund_no']}")
    assert told["waiting"] + told["held"] + told["deliveries"] == []


def test_an_abnormal_refund_that_a_person_mends(merchant: Merchant, control: Control, shop: Shop):
    control("POST", "refunds/policy", automatic=False)
    control("POST", "notifications/mode", mode="held")
    document = merchant.refund(merchant.paid(), 345, notify_url=f"{shop.address}/refund")
    merchant.ask("POST", REFUNDS, document)
    for ending in ("abnormal", "success"):
        control("POST", f"refunds/{document['out_refund_no']}/finish", status=ending)
    held = control("GET", f"notifications?refund={document['out_refund_no']}")["held"]
    _deliver(control, ids=[one["id"] for one in held])
    told = [_told(merchant, heard)["refund_status"] for heard in shop.heard]
    assert told == ["ABNORMAL", "SUCCESS"]


def test_told_again_until_it_is_acknowledged(merchant: Merchant, control: Control, shop: Shop):
    control("POST", "notifications/mode", speed=100_000)
    shop.statuses = [500, 400, 302, 201, 204]
    number = _paid(merchant, shop)
    eventually(lambda: not control("GET", f"notifications?order={number}")["waiting"])
    assert len(shop.heard) == 5
    assert len({json.loads(heard.body)["id"] for heard in shop.heard}) == 1
    assert len({heard.headers["Wechatpay-Nonce"] for heard in shop.heard}) == 5
    deliveries = control("GET", f"notifications?order={number}")["deliveries"]
    assert [one["status"] for one in deliveries] == [500, 400, 302, 201, 204]
    assert [one["accepted"] for one in deliveries] == [False] * 4 + [True]
    assert [one["attempt"] for one in deliveries] == [1, 2, 3, 4, 5]


def test_given_up_after_the_last_time(merchant: Merchant, control: Control, shop: Shop):
    control("POST", "notifications/mode", speed=10_000_000)
    shop.statuses = [500] * 100
    number = _paid(merchant, shop)
    eventually(lambda: not control("GET", f"notifications?order={number}")["waiting"])
    assert len(shop.heard) == 16


def test_next_time_is_by_the_published_schedule(merchant: Merchant, control: Control, shop: Shop):
    shop.statuses = [500]
    number = _paid(merchant, shop)

    def waiting():
        found = control("GET", f"notifications?order={number}")["waiting"]
        return found and found[0]["attempts"] == 1 and found[0]["due_in"] is not None and found

    assert 0 < eventually(waiting)[0]["due_in"] <= 15
    control("POST", "notifications/drop", order=number)


def test_a_shop_that_is_closed_is_no_reason_to_fail(
    merchant: Merchant, control: Control, shop: Shop
):
    number, _ = merchant.make(notify_url="http://127.0.0.1:1/notify")
    control("POST", f"orders/{number}/pay")
    deliveries = eventually(lambda: control("GET", f"notifications?order={number}")["deliveries"])
    assert deliveries[0]["error"]
    assert deliveries[0]["status"] == 0
    control("POST", "notifications/drop", order=number)


def test_nothing_leaves_this_machine(merchant: Merchant, control: Control):
    number, _ = merchant.make()
    control("POST", f"orders/{number}/pay")
    deliveries = eventually(lambda: control("GET", f"notifications?order={number}")["deliveries"])
    assert "not an http address of this machine" in deliveries[0]["error"]
    control("POST", "notifications/drop", order=number)


def test_held_until_told_and_in_any_order(merchant: Merchant, control: Control, shop: Shop):
    numbers = [_held(merchant, shop) for _ in range(3)]
    held = control("GET", "notifications")["held"]
    assert [one["order"] for one in held] == numbers
    assert shop.heard == []
    _deliver(control, ids=[one["id"] for one in reversed(held)])
    told = [_told(merchant, heard)["out_trade_no"] for heard in shop.heard]
    assert told == numbers[::-1]
    assert control("GET", "notifications")["held"] == []


def test_fifteen_times_and_on_many_connections(merchant: Merchant, control: Control, shop: Shop):
    number = _held(merchant, shop)
    assert len(_deliver(control, order=number, times=15)) == 15
    assert len(shop.heard) == 15
    made = _deliver(control, order=number, connections=4)
    assert [one["status"] for one in made] == [200] * 4
    assert len({heard.body for heard in shop.heard[15:]}) == 1


def test_a_dropped_one_never_comes(merchant: Merchant, control: Control, shop: Shop):
    number = _held(merchant, shop)
    assert control("POST", "notifications/drop", order=number) == {"dropped": 1}
    control("POST", "notifications/mode", mode="automatic")
    other = _paid(merchant, shop)
    eventually(lambda: shop.heard)
    assert [_told(merchant, heard)["out_trade_no"] for heard in shop.heard] == [other]


def test_an_accepted_one_is_repeated_where_that_is_asked(
    merchant: Merchant, control: Control, shop: Shop
):
    control("POST", "notifications/mode", repeat=3, headers={"X-Test": "1"})
    _paid(merchant, shop)
    eventually(lambda: len(shop.heard) == 3)
    assert [heard.headers["X-Test"] for heard in shop.heard] == ["1"] * 3
    control("POST", "notifications/mode", headers={})


@pytest.mark.parametrize(
    "mutation",
    [
        "forged",
        "missing_signature",
        "other_key",
        "unknown_serial",
        "probe",
        "changed_body",
    ],
)
def test_notifications_that_nobody_may_believe(
    merchant: Merchant, control: Control, shop: Shop, mutation
):
    number = _held(merchant, shop)
    _deliver(control, order=number, mutations=[mutation])
    assert not merchant.signed(_as_answer(shop.heard[0]))
    if mutation == "probe":
        assert shop.heard[0].headers["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
    assert json.loads(shop.heard[0].body)["event_type"] == "TRANSACTION.SUCCESS"


@pytest.mark.parametrize(
    ("mutation", "seconds"), [("old_timestamp", -600), ("future_timestamp", 600)]
)
def test_rightly_signed_at_another_time(
    merchant: Merchant, control: Control, shop: Shop, mutation, seconds
):
    number = _held(merchant, shop)
    _deliver(control, order=number, mutations=[mutation])
    heard = shop.heard[0]
    assert merchant.signed(_as_answer(heard))
    off = int(heard.headers["Wechatpay-Timestamp"]) - control("GET", "clock")["now"]
    assert abs(off - seconds) < 60


@pytest.mark.parametrize(
    ("mutation", "path", "right"),
    [
        ("wrong_amount", ("amount", "total"), 12345),
        ("wrong_currency", ("amount", "currency"), "CNY"),
        ("wrong_merchant", ("mchid",), "1900007291"),
        ("wrong_app", ("appid",), "wxd678efh567hg6787"),
        ("wrong_order", ("out_trade_no",), None),
    ],
)
def test_rightly_signed_but_not_what_was_ordered(
    merchant: Merchant, control: Control, shop: Shop, mutation, path, right
):
    number = _held(merchant, shop)
    _deliver(control, order=number, mutations=[mutation])
    assert merchant.signed(_as_answer(shop.heard[0]))
    told = _told(merchant, shop.heard[0])
    for name in path:
        told = told[name]
    assert told != (right or number)


def test_rightly_signed_but_not_to_be_opened(merchant: Merchant, control: Control, shop: Shop):
    number = _held(merchant, shop)
    _deliver(control, order=number, mutations=["aes_tag"])
    assert merchant.signed(_as_answer(shop.heard[0]))
    with pytest.raises(Exception, match=r"^$"):
        _told(merchant, shop.heard[0])


def test_rightly_signed_but_not_json(merchant: Merchant, control: Control, shop: Shop):
    number = _held(merchant, shop)
    _deliver(control, order=number, mutations=["not_json"])
    assert merchant.signed(_as_answer(shop.heard[0]))
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(shop.heard[0].body)


def test_made_but_not_sent(merchant: Merchant, control: Control, shop: Shop):
    numbers = [_held(merchant, shop) for _ in range(2)]
    made = control("POST", "notifications/make", orders=numbers, count=2)["notifications"]
    assert shop.heard == []
    assert [one["url"] for one in made] == [f"{shop.address}/notify/7"] * 4
    assert len({one["body"] for one in made}) == 4
    assert len({one["headers"]["Wechatpay-Signature"] for one in made}) == 4


def test_nothing_is_told_of_what_did_not_happen(merchant: Merchant, control: Control):
    number, _ = merchant.make()
    assert "open" in control("POST", "notifications/deliver", 409, order=number)["error"]
    control("POST", f"orders/{number}/pay", notify=False)
    told = control("POST", "notifications/deliver", 400, order=number, mutations=["nonsense"])
    assert "nonsense" in told["error"]
