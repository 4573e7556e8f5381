"""Refunds are taken in, counted once, ended later and never more than was paid."""

import threading

import pytest

from ..running import Control, eventually
from .merchant import Merchant

REFUNDS = "/v3/refund/domestic/refunds"
YEAR = 365 * 24 * 3600


@pytest.fixture(autouse=True)
def _by_hand(control: Control):
    control("POST", "refunds/policy", automatic=False)


def test_a_refund_is_processing_until_it_ends(merchant: Merchant, control: Control):
    number = merchant.paid()
    document = merchant.refund(number, 345, reason="退{1}")
    told = merchant.ask("POST", REFUNDS, document).json
    assert told["status"] == "PROCESSING"
    assert told["out_trade_no"] == number
    assert (told["amount"]["refund"], told["amount"]["total"]) == (345, 12345)
    assert "success_time" not in told
    path = f"{REFUNDS}/{document['out_refund_no']}"
    assert merchant.ask("GET", path).json == told
    assert merchant.state(number)["trade_state"] == "REFUND"
    control("POST", f"refunds/{document['out_refund_no']}/finish", status="success")
    told = merchant.ask("GET", path).json
    assert told["status"] == "SUCCESS"
    assert told["success_time"].endswith("+08:00")
    again = control("POST", f"refunds/{document['out_refund_no']}/finish", 409)
    assert "success already" in again["error"]


def test_most_refunds_succeed_by_themselves(merchant: Merchant, control: Control):
    control("POST", "refunds/policy", automatic=True)
    document = merchant.refund(merchant.paid(), 1)
    assert merchant.ask("POST", REFUNDS, document).json["status"] == "PROCESSING"
    path = f"{REFUNDS}/{document['out_refund_no']}"
    eventually(lambda: merchant.ask("GET", path).json["status"] == "SUCCESS")


def test_the_same_refund_twice_is_counted_once(merchant: Merchant, control: Control):
    number = merchant.paid()
    document = merchant.refund(number, 12345)
    first = merchant.ask("POST", REFUNDS, document).json
    assert merchant.ask("POST", REFUNDS, document).json == first
    assert control("GET", f"orders/{number}")["refunded"] == 12345
    document["amount"]["refund"] = 1
    merchant.refused("POST", REFUNDS, document, 400, "INVALID_REQUEST")


def test_many_equal_refunds_at_once_are_counted_once(merchant: Merchant, control: Control):
    number = merchant.paid()
    document = merchant.refund(number, 12345)
    told: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: told.append(merchant.ask("POST", REFUNDS, document).json["refund_id"])
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 6
    assert len(set(told)) == 1
    assert control("GET", f"orders/{number}")["refunded"] == 12345


def test_never_more_than_was_paid(merchant: Merchant, control: Control):
    number = merchant.paid()
    merchant.ask("POST", REFUNDS, merchant.refund(number, 12000))
    merchant.refused("POST", REFUNDS, merchant.refund(number, 346), 400, "INVALID_REQUEST")
    merchant.ask("POST", REFUNDS, merchant.refund(number, 345))
    merchant.refused("POST", REFUNDS, merchant.refund(number, 1), 400, "INVALID_REQUEST")


def test_a_closed_refund_gives_its_amount_back(merchant: Merchant, control: Control):
    number = merchant.paid()
    document = merchant.refund(number, 12345)
    merchant.ask("POST", REFUNDS, document)
    control("POST", f"refunds/{document['out_refund_no']}/finish", status="closed")
    assert merchant.state(number)["trade_state"] == "SUCCESS"
    merchant.ask("POST", REFUNDS, merchant.refund(number, 12345))


def test_fifty_times_and_no_more(merchant: Merchant):
    number = merchant.paid()
    for _ in range(50):
        merchant.ask("POST", REFUNDS, merchant.refund(number, 1))
    told = merchant.refused("POST", REFUNDS, merchant.refund(number, 1), 400, "INVALID_REQUEST")
    assert "50" in told["message"]


def test_within_a_year(merchant: Merchant):
    merchant.travel(60 - YEAR)
    number = merchant.paid()
    merchant.travel(0)
    merchant.ask("POST", REFUNDS, merchant.refund(number, 1))
    merchant.travel(61)
    refusal = merchant.refused("POST", REFUNDS, merchant.refund(number, 1), 400, "INVALID_REQUEST")
    assert "期限" in refusal["message"]


def test_only_what_is_paid(merchant: Merchant):
    number, _ = merchant.make()
    for document in (merchant.refund(number, 1), merchant.refund("T99999999", 1)):
        merchant.refused("POST", REFUNDS, document, 404, "RESOURCE_NOT_EXISTS")
    merchant.refused("GET", f"{REFUNDS}/R99999999", None, 404, "RESOURCE_NOT_EXISTS")


def test_by_the_gateways_number_of_the_payment(merchant: Merchant):
    number = merchant.paid()
    document = merchant.refund(number, 5)
    del document["out_trade_no"]
    merchant.refused("POST", REFUNDS, document, 400, "PARAM_ERROR")
    document["transaction_id"] = merchant.state(number)["transaction_id"]
    assert merchant.ask("POST", REFUNDS, document).json["out_trade_no"] == number


@pytest.mark.parametrize(
    "changed",
    [
        {"out_refund_no": "R" * 65},
        {"out_refund_no": "R/1"},
        {"reason": "r" * 81},
        {"notify_url": "http://shop.example/refund"},
        {"amount": {"refund": 1, "total": 12345}},
        {"amount": {"refund": 0, "total": 12345, "currency": "CNY"}},
        {"amount": {"refund": 1, "total": 12345, "currency": "USD"}},
    ],
)
def test_a_field_that_breaks_its_rule_is_named(merchant: Merchant, changed):
    document = merchant.refund(merchant.paid(), 1, **changed)
    told = merchant.refused("POST", REFUNDS, document, 400, "PARAM_ERROR")
    assert told["detail"]["field"].lstrip("/").startswith(next(iter(changed)))


def test_the_total_must_be_what_was_paid(merchant: Merchant):
    document = merchant.refund(merchant.paid(), 1, total=12344)
    merchant.refused("POST", REFUNDS, document, 400, "INVALID_REQUEST")


def test_what_the_account_does_not_hold_is_refused(control: Control):
    poor = Merchant(control, "1900007777", balance=100)
    number = poor.paid()
    poor.refused("POST", REFUNDS, poor.refund(number, 101), 403, "NOT_ENOUGH")
    poor.ask("POST", REFUNDS, poor.refund(number, 100))
    poor.refused("POST", REFUNDS, poor.refund(number, 1), 403, "NOT_ENOUGH")


def test_a_minute_apart_where_that_is_kept(control: Control):
    hasty = Merchant(control, "1900006666", refund_interval=60)
    number = hasty.paid()
    hasty.ask("POST", REFUNDS, hasty.refund(number, 1))
    hasty.refused("POST", REFUNDS, hasty.refund(number, 1), 429, "FREQUENCY_LIMITED")
    hasty.travel(61)
    hasty.ask("POST", REFUNDS, hasty.refund(number, 1))
