"""Bill files hold what happened on a day, and their last line adds it up."""

import gzip
import hashlib
import itertools
from urllib.parse import urlsplit

import pytest

from gateways.clock import beijing

from ..running import Answered, Control, send
from .merchant import Merchant

DAY = 24 * 3600
REFUNDS = "/v3/refund/domestic/refunds"


@pytest.fixture(scope="module", name="account")
def _account(control: Control):
    return Merchant(control, "1901000000", fee_rate="1.00%")


_days_ago = itertools.count(2)


@pytest.fixture
def day(account: Merchant, control: Control):
    """A day of the test alone, so that its bill holds nothing of another's."""
    account.travel(-DAY * next(_days_ago))
    return beijing(control("GET", "clock")["now"]).date().isoformat()


def _ask(account: Merchant, kind: str, query: str) -> dict:
    return account.ask("GET", f"/v3/bill/{kind}?{query}").json


def _fetch(account: Merchant, url: str) -> Answered:
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}"
    headers = account.headers(account.authorization("GET", target, b""))
    return send(account.control.address, "GET", target, b"", headers)


def _lines(account: Merchant, kind: str, query: str) -> list[list[str]]:
    told = _ask(account, kind, query)
    answer = _fetch(account, told["download_url"])
    assert answer.status == 200
    assert "Wechatpay-Signature" not in answer.headers
    assert told["hash_type"] == "SHA1"
    assert told["hash_value"] == hashlib.sha1(answer.body).hexdigest()
    text = answer.body.decode("utf-8")
    assert text.startswith("\ufeff")
    assert text.endswith("\r\n")
    lines = text.removeprefix("\ufeff").split("\r\n")[:-1]
    return [line[1:].split(",`") if line.startswith("`") else line.split(",") for line in lines]


def _next_day(account: Merchant) -> None:
    account.travel(account.skew + DAY)


def _business(account: Merchant) -> tuple[str, str]:
    """Let two orders be paid and one be refunded in part, and return their numbers."""
    first = account.paid(description="充电, 一号桩", attach="p1")
    second = account.paid(amount={"total": 200})
    document = account.refund(first, 345)
    account.ask("POST", REFUNDS, document)
    return first, second


def test_a_trade_bill_and_its_sums(account: Merchant, day: str):
    first, second = _business(account)
    _next_day(account)
    headings, *rows, sum_headings, sums = _lines(account, "tradebill", f"bill_date={day}")
    assert len(headings) == 27
    assert all(len(row) == 27 for row in rows)
    entries = [dict(zip(headings, row, strict=True)) for row in rows]
    paid = {entry["商户订单号"]: entry for entry in entries if entry["交易状态"] == "SUCCESS"}
    assert set(paid) == {first, second}
    assert paid[first]["订单金额"] == paid[first]["应结订单金额"] == "123.45"
    assert paid[first]["手续费"] == "1.23000"
    assert paid[first]["费率"] == "1.00%"
    assert paid[first]["商品名称"] == "充电, 一号桩"
    assert paid[first]["商户数据包"] == "p1"
    assert paid[first]["微信订单号"] == account.state(first)["transaction_id"]
    (refund,) = [entry for entry in entries if entry["交易状态"] == "REFUND"]
    assert (refund["退款金额"], refund["申请退款金额"], refund["手续费"]) == (
        "3.45",
        "3.45",
        "-0.03000",
    )
    assert dict(zip(sum_headings, sums, strict=True)) == {
        "总交易单数": "3",
        "应结订单总金额": "125.45",
        "退款总金额": "3.45",
        "充值券退款总金额": "0.00",
        "手续费总金额": "1.22000",
        "订单总金额": "125.45",
        "申请退款总金额": "3.45",
    }


def test_only_payments_or_only_refunds(account: Merchant, day: str):
    first, _ = _business(account)
    _next_day(account)
    query = f"bill_date={day}&bill_type="
    headings, *rows, _, sums = _lines(account, "tradebill", query + "SUCCESS")
    assert (len(headings), len(rows), sums[0]) == (20, 2, "2")
    assert all(len(row) == 20 for row in rows)
    headings, *rows, _, sums = _lines(account, "tradebill", query + "REFUND")
    assert (len(headings), len(rows), sums[0]) == (29, 1, "1")
    assert dict(zip(headings, rows[0], strict=True))["商户订单号"] == first


def test_a_fund_bill_and_its_sums(account: Merchant, day: str):
    first, _ = _business(account)
    _next_day(account)
    headings, *rows, sum_headings, sums = _lines(account, "fundflowbill", f"bill_date={day}")
    entries = [dict(zip(headings, row, strict=True)) for row in rows]
    moved = [(entry["业务类型"], entry["收支类型"], entry["收支金额(元)"]) for entry in entries]
    assert moved == [
        ("交易", "收入", "123.45"),
        ("扣除交易手续费", "支出", "1.23"),
        ("交易", "收入", "2.00"),
        ("扣除交易手续费", "支出", "0.02"),
        ("退款", "支出", "3.42"),
    ]
    balances = [entry["账户结余(元)"] for entry in entries]
    assert balances == ["100123.45", "100122.22", "100124.22", "100124.20", "100120.78"]
    assert entries[0]["业务凭证号"] == first
    assert dict(zip(sum_headings, sums, strict=True)) == {
        "资金流水总笔数": "5",
        "收入笔数": "2",
        "收入金额": "125.45",
        "支出笔数": "3",
        "支出金额": "4.67",
    }


def test_packed_the_digest_is_of_what_is_inside(account: Merchant, day: str):
    _business(account)
    _next_day(account)
    told = _ask(account, "tradebill", f"bill_date={day}&tar_type=GZIP")
    assert told["download_url"].endswith("&tartype=gzip")
    answer = _fetch(account, told["download_url"])
    assert answer.body[:2] == b"\x1f\x8b"
    unpacked = gzip.decompress(answer.body)
    assert hashlib.sha1(unpacked).hexdigest() == told["hash_value"]


def test_a_bill_comes_the_day_after(account: Merchant, control: Control, day: str):
    _business(account)
    target = f"/v3/bill/tradebill?bill_date={day}"
    account.refused("GET", target, None, 400, "STATEMENT_CREATING")
    control("POST", "bills", merchant=account.mchid, day=day)
    assert account.ask("GET", target)


def test_no_bill_of_a_day_without_business(account: Merchant, day: str):
    _next_day(account)
    for target in ("tradebill", "fundflowbill"):
        target = f"/v3/bill/{target}?bill_date={day}"
        account.refused("GET", target, None, 400, "NO_STATEMENT_EXIST")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "bill_date=20261101",
        "bill_date=2026-13-01",
        "bill_date=2019-06-11",
        "bill_date=2026-11-01&bill_type=RECHARGE",
        "bill_date=2026-11-01&tar_type=ZIP",
    ],
)
def test_a_question_that_breaks_a_rule(account: Merchant, query):
    account.travel(0)
    account.refused("GET", f"/v3/bill/tradebill?{query}", None, 400, "PARAM_ERROR")


def test_a_token_is_the_merchants_own_and_runs_out(
    account: Merchant, merchant: Merchant, control: Control, day: str
):
    _business(account)
    merchant.skew = account.skew
    control("POST", "bills", merchant=account.mchid, day=day)
    url = _ask(account, "tradebill", f"bill_date={day}")["download_url"]
    assert _fetch(merchant, url).status == 400
    assert _fetch(account, url).status == 200
    account.travel(account.skew + 301)
    assert _fetch(account, url).status == 400


def test_many_lines(account: Merchant, control: Control, day: str):
    control("POST", "bills", merchant=account.mchid, day=day, lines=2000)
    headings, *rows, _, sums = _lines(account, "tradebill", f"bill_date={day}")
    assert len(rows) == 2000
    assert len({row[headings.index("商户订单号")] for row in rows}) == 2000
    fen = sum(int(row[headings.index("订单金额")].replace(".", "")) for row in rows)
    assert sums[1] == f"{fen // 100}.{fen % 100:02d}"
    _, *rows, _, sums = _lines(account, "fundflowbill", f"bill_date={day}")
    assert sums[0] == str(len(rows))
    refusal = control("POST", "bills", 400, merchant=account.mchid, day=day, lines=-1)
    assert "whole number" in refusal["error"]
