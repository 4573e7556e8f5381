"""Refunds: in parts, once each, never above what was paid."""

import threading

import pytest

from .app import App

REFUND, FOUND = "alipay.trade.refund", "alipay.trade.fastpay.refund.query"


def give_back(app: App, no: str, amount: str, request: str | None, **biz) -> dict:
    named = {"out_request_no": request} if request else {}
    return app.call(REFUND, {"out_trade_no": no, "refund_amount": amount} | named | biz)


def test_a_request_number_counts_once(app):
    no = app.paid()
    first = give_back(app, no, "30.00", "r1", refund_reason="没用完")
    assert (first["fund_change"], first["refund_fee"]) == ("Y", "30.00")
    again = give_back(app, no, "30.00", "r1")
    assert (again["code"], again["fund_change"]) == ("10000", "N")
    assert again["refund_fee"] == "30.00"
    other = give_back(app, no, "30.01", "r1")
    assert other["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"
    assert app.control("GET", f"orders/{no}")["refunded"] == 3000


def test_parts_add_up_and_never_go_above(app):
    no = app.paid()
    assert give_back(app, no, "30.00", "a")["refund_fee"] == "30.00"
    assert give_back(app, no, "58.89", "b")["sub_code"] == "ACQ.REASON_TRADE_REFUND_FEE_ERR"
    last = give_back(app, no, "58.88", "b")
    assert (last["fund_change"], last["refund_fee"]) == ("Y", "88.88")
    assert app.call("alipay.trade.query", {"out_trade_no": no})["trade_status"] == "TRADE_CLOSED"
    assert give_back(app, no, "0.01", "c")["sub_code"] == "ACQ.REASON_TRADE_REFUND_FEE_ERR"


def test_a_part_needs_a_request_number(app):
    no = app.paid()
    refused = give_back(app, no, "1.00", None)
    assert refused["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    assert give_back(app, no, "88.88", None)["fund_change"] == "Y"
    found = app.call(FOUND, {"out_trade_no": no, "out_request_no": no})
    assert found["refund_status"] == "REFUND_SUCCESS"


def test_request_numbers_are_a_trades_own(app):
    for _ in range(2):
        assert give_back(app, app.paid(), "1.00", "same")["refund_fee"] == "1.00"


def test_what_is_not_paid_gives_nothing_back(app):
    no = app.precreate()
    assert give_back(app, no, "1.00", "r")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    app.control("POST", f"orders/{no}/scan")
    assert give_back(app, no, "1.00", "r")["sub_code"] == "ACQ.TRADE_STATUS_ERROR"


def test_the_51st_part_is_refused(app):
    no = app.paid()
    for part in range(50):
        assert give_back(app, no, "0.01", f"r{part}")["fund_change"] == "Y"
    assert give_back(app, no, "0.01", "r50")["sub_code"] == "ACQ.TRADE_NOT_ALLOW_REFUND"
    assert give_back(app, no, "0.01", "r49")["fund_change"] == "N"


def test_a_query_without_data_means_nothing_was_given_back(app):
    no = app.paid()
    unknown = app.call(FOUND, {"out_trade_no": no, "out_request_no": "r"})
    assert unknown == {"code": "10000", "msg": "Success"}
    give_back(app, no, "1.00", "r", refund_reason="早停")
    found = app.call(FOUND, {"out_trade_no": no, "out_request_no": "r"})
    assert (found["refund_amount"], found["total_amount"]) == ("1.00", "88.88")
    assert found["refund_reason"] == "早停"


def test_a_refund_that_takes_its_time(app):
    app.control("POST", "refunds/policy", automatic=False)
    no = app.paid()
    slow = give_back(app, no, "88.88", "slow")
    assert (slow["code"], slow["fund_change"], slow["refund_fee"]) == ("10000", "N", "0.00")
    asked = {"out_trade_no": no, "out_request_no": "slow"}
    assert "refund_status" not in app.call(FOUND, asked)
    assert give_back(app, no, "0.01", "more")["sub_code"] == "ACQ.REASON_TRADE_REFUND_FEE_ERR"
    app.control("POST", "refunds/slow/finish", order=no)
    assert app.call(FOUND, asked)["refund_status"] == "REFUND_SUCCESS"
    assert give_back(app, no, "88.88", "slow")["refund_fee"] == "88.88"


def test_a_refund_that_failed_may_be_asked_for_again(app):
    app.control("POST", "refunds/policy", automatic=False)
    no = app.paid()
    give_back(app, no, "88.88", "r")
    app.control("POST", "refunds/r/finish", order=no, status="closed")
    app.control("POST", "refunds/policy", automatic=True)
    assert give_back(app, no, "88.88", "r")["fund_change"] == "Y"


def test_a_seller_without_money_gives_none_back(app, server):
    poor = App(server.gateway.address, "2021000000000007", balance=0)
    no = poor.paid()
    poor.control("POST", f"merchants/{poor.app_id}/keys")
    poor.console = poor.control("GET", f"merchants/{poor.app_id}")
    assert give_back(poor, no, "88.88", "r")["fund_change"] == "Y"
    poorer = App(server.gateway.address, "2021000000000007", balance=-8888)
    no = poorer.paid()
    refused = give_back(poorer, no, "88.88", "r")
    assert refused["sub_code"] == "ACQ.SELLER_BALANCE_NOT_ENOUGH"


@pytest.mark.parametrize("same", [True, False])
def test_refunds_at_one_instant_never_go_above(app, same):
    no = app.paid()
    gate, answers = threading.Barrier(4), []

    def ask(part: int) -> None:
        gate.wait(10)
        answers.append(give_back(app, no, "50.00", "r" if same else f"r{part}"))

    threads = [threading.Thread(target=ask, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.get("fund_change") for answer in answers].count("Y") == 1
    assert app.control("GET", f"orders/{no}")["refunded"] == 5000
