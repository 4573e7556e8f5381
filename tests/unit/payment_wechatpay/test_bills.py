"""Bill files: the documents' own lines, damaged ones, a large one in time and memory."""

import tracemalloc
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from wechatpay_v3 import bills

BEIJING = timezone(timedelta(hours=8))
TRADE_HEAD = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
TRADE_TOTALS = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
PAYMENT = (
    "`2021-01-28 17:07:11,`wx81be3101902f7cb2,`1601959334,`0,`,`4200000925202101284997714292,"
    "`S20210128170702357723,`ofyak5qR_1wYsC99CsWA6R9MJazA,`NATIVE,`SUCCESS,`OTHERS,`CNY,`0.01,"
    "`0.00,`0,`0,`0.00,`0.00,`,`,`for testing,`cipher code,`0.00000,`1.00%,`0.01,`0.00,`"
)
REFUND = (
    "`2021-01-28 18:07:11,`wx81be3101902f7cb2,`1601959334,`0,`,`4200000925202101284997714293,"
    "`S2,`ofyak,`NATIVE,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`50300806962021020105978994968,`R-S2,"
    "`1.30,`0.00,`ORIGINAL,`PROCESSING,`a, b {c} ,`,`-0.00780,`0.60%,`0.00,`1.30,`"
)
TRADE_SUM = "`2,`0.01,`1.30,`0.00,`-0.00780,`0.01,`1.30"
FUND_HEAD = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,"
    "资金变更提交申请人,备注,业务凭证号"
)
FUND_TOTALS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
FUND_ROWS = [
    "`2021-02-01 13:54:01,`50300806962021020105978994968,`4200000920202101197964319284,`退款,`退款,"
    "`支出,`0.01,`0.22,`1601959334API,`退款总金额0.01元;含手续费0.00元,`S20210201135356381941",
    "`2021-02-01 14:00:45,`4200000846,`19000,`交易,`交易,`收入,`1500.00,`1500.21,`system,`,`S3",
]
FUND_SUM = "`2.0,`1.0,`1500.00,`1.0,`0.01"


def rows(kind, *lines):
    return list(bills.parse(kind, lines))


def test_a_trade_bill():
    payment, refund = rows(
        "trade", "\ufeff" + TRADE_HEAD + "\r\n", PAYMENT + "\r\n", REFUND, TRADE_TOTALS, TRADE_SUM
    )
    assert payment == bills.TradeRow(
        time=datetime(2021, 1, 28, 17, 7, 11, tzinfo=BEIJING),
        app_id="wx81be3101902f7cb2",
        merchant_id="1601959334",
        transaction_id="4200000925202101284997714292",
        order_number="S20210128170702357723",
        payer="ofyak5qR_1wYsC99CsWA6R9MJazA",
        trade_type="NATIVE",
        trade_state="SUCCESS",
        currency="CNY",
        order_amount=1,
        settled_amount=1,
        refund_id="0",
        refund_number="0",
        refund_amount=0,
        refund_status="",
        description="for testing",
        fee=Decimal("0.00000"),
        rate="1.00%",
    )
    assert (refund.refund_number, refund.refund_amount, refund.fee) == (
        "R-S2",
        130,
        Decimal("-0.00780"),
    )
    assert refund.description == "a, b {c} "  # a comma in a name ends no field


def test_a_fund_bill():
    out, income = rows("fund", FUND_HEAD, *FUND_ROWS, FUND_TOTALS, FUND_SUM)
    assert out.amount == -1 and out.balance == 22
    assert out.note == "退款总金额0.01元;含手续费0.00元"
    assert income.amount == 150000 and income.voucher == "S3"
    assert income.time.utcoffset() == timedelta(hours=8)


def test_a_bill_of_payments_only_lacks_the_refund_columns():
    head = [name for name in TRADE_HEAD.split(",") if "退款" not in name]
    fields = dict(zip(TRADE_HEAD.split(","), PAYMENT[1:].split(",`"), strict=True))
    line = ",".join("`" + fields[name] for name in head)
    totals = "总交易单数,应结订单总金额,手续费总金额,订单总金额"
    (row,) = rows("trade", ",".join(head), line, totals, "`1,`0.01,`0.00000,`0.01")
    assert (row.order_amount, row.refund_amount, row.refund_number) == (1, 0, "")


def test_an_empty_day():
    assert rows("trade", TRADE_HEAD, TRADE_TOTALS, "`0,`0.00,`0.00,`0.00,`0.00,`0.00,`0.00") == []


DAMAGED = {
    "empty": ([], "no column"),
    "an error page": (["<html>"], "no column"),
    "cut": ([TRADE_HEAD, PAYMENT], "without its totals"),
    "a line lost": ([TRADE_HEAD, PAYMENT, TRADE_TOTALS, TRADE_SUM], "its totals say 2"),
    "another sum": (
        [TRADE_HEAD, PAYMENT, REFUND, TRADE_TOTALS, TRADE_SUM.replace("1.30", "1.31")],
        "does not agree",
    ),
    "totals lost": ([TRADE_HEAD, PAYMENT, TRADE_TOTALS], "cannot be read"),
    "a field lost": ([TRADE_HEAD, PAYMENT.replace(",`0,`0,", ",`0,"), TRADE_TOTALS], "data line 1"),
    "no amount": ([TRADE_HEAD, PAYMENT.replace("`0.01", "`x"), TRADE_TOTALS], "data line 1"),
    "a tenth of a fen": (
        [TRADE_HEAD, PAYMENT.replace("`0.01", "`0.001"), TRADE_TOTALS],
        "data line 1",
    ),
    "no time": ([TRADE_HEAD, PAYMENT.replace("-01-28", "-13-28"), TRADE_TOTALS], "data line 1"),
}


@pytest.mark.parametrize("case", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_bill_is_refused(case):
    lines, words = case
    with pytest.raises(bills.BillError, match=words):
        rows("trade", *lines)


def test_an_unknown_direction_is_refused():
    with pytest.raises(bills.BillError, match="data line 1"):
        rows("fund", FUND_HEAD, FUND_ROWS[0].replace("支出", "其他"), FUND_TOTALS, FUND_SUM)


def test_a_large_bill_is_read_line_by_line():
    """Rows are handed out one by one: memory does not grow with the bill."""
    count = 5_000

    def lines():
        yield TRADE_HEAD
        for _ in range(count):
            yield PAYMENT
        yield TRADE_TOTALS
        yield f"`{count},`50.00,`0.00,`0.00,`0.00000,`50.00,`0.00"

    tracemalloc.start()
    try:
        total = sum(row.order_amount for row in bills.parse("trade", lines()))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == count
    assert peak < 500_000
