"""Bill files: typed rows, at speed, and a sentence for each damage."""

import io
import tracemalloc
import zipfile
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alipay_gateway import BillError, fen, read_bill, yuan

TRADE_HEAD = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,"
    "商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
PAYMENT = (
    "2026112222001\t,INV_1\t,交易\t,充电, 1 号桩\t,"
    "2026-11-22 00:10:00,2026-11-22 00:10:05,\t,,\t,\t,"
    "张*(138****0000)\t,88.88,88.88,0.00,0.00,0.00,0.00,0.00,\t,0.00,0.00,\t,-0.53,0.00,"
).replace("充电, 1 号桩\t", '"充电, 1 号桩"')
REFUND = (
    "2026112222001\t,INV_1\t,退款\t,充电\t,2026-11-22 00:10:00,2026-11-22 09:00:00,\t,,\t,\t,"
    "张*(138****0000)\t,-8.88,-8.88,0.00,0.00,0.00,0.00,0.00,\t,0.00,0.00,R_INV_1\t,0.05,0.00,"
)
FUND_HEAD = (
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,账户余额（元）,"
    "交易渠道,业务类型,备注"
)
FUND = (
    "900\t,2026112222001\t,INV_1\t,充电\t,2026-11-22 00:10:05,张*\t,"
    "88.88,0.00,188.88,支付宝\t,在线支付\t,"
)


def archive(text, title="#支付宝业务明细查询", encoding="gbk"):
    """Return a bill as Alipay packs it: the lines, and another table that sums them up."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("汇总.csv", "#支付宝业务汇总查询\r\n".encode(encoding))
        body = f"{title}\r\n#账号：[2088]\r\n#-----列表-----\r\n{text}#-----结束-----\r\n"
        packed.writestr("明细.csv", body.encode(encoding))
    file.seek(0)
    return file


def test_trade_rows():
    rows = list(read_bill(archive(f"{TRADE_HEAD}\r\n{PAYMENT}\r\n{REFUND}\r\n"), "trade"))
    payment, refund = rows
    assert payment.subject == "充电, 1 号桩"
    assert (payment.amount, payment.received, payment.fee) == (8888, 8888, -53)
    assert payment.created_at == datetime(2026, 11, 21, 16, 10), "UTC"
    assert not payment.is_refund and refund.is_refund
    assert (refund.amount, refund.refund_request_no, refund.fee) == (-888, "R_INV_1", 5)


def test_fund_rows_also_without_the_columns_that_newer_files_lack():
    title = "#支付宝账务明细查询"
    [row] = read_bill(archive(f"{FUND_HEAD}\r\n{FUND}\r\n", title), "signcustomer")
    assert (row.income, row.expense, row.balance, row.channel) == (8888, 0, 18888, "支付宝")
    head, cells = FUND_HEAD.split(","), FUND.split(",")
    at = head.index("交易渠道")
    newer = ",".join([*head[:at], *head[at + 1 :], "业务描述"])
    line = ",".join([*cells[:at], *cells[at + 1 :], "x"])
    [row] = read_bill(archive(f"{newer}\r\n{line}\r\n", title), "signcustomer")
    assert (row.income, row.channel) == (8888, "")


def test_empty_bill_and_wrong_kind():
    assert list(read_bill(archive(f"{TRADE_HEAD}\r\n"), "trade")) == []
    with pytest.raises(BillError, match="no_table"):
        list(read_bill(archive(f"{TRADE_HEAD}\r\n"), "signcustomer"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_heading"),
        ("a,b\r\n1,2\r\n", "missing_columns"),
        (f"{TRADE_HEAD}\r\n1,2\r\n", "other_width"),
        (f"{TRADE_HEAD}\r\n{PAYMENT.replace('88.88', '88.8x')}\r\n", "cell"),
        (f"{TRADE_HEAD}\r\n{PAYMENT.replace('2026-11-22', '22.11.2026')}\r\n", "cell"),
    ],
)
def test_damage_is_named_with_its_line(text, reason):
    with pytest.raises(BillError) as refused:
        list(read_bill(archive(text), "trade"))
    assert refused.value.reason == reason
    if reason in ("other_width", "cell"):
        assert refused.value.values["line"] == 5


def test_no_archive_and_a_torn_one():
    with pytest.raises(BillError, match="not_a_zip"):
        list(read_bill(io.BytesIO(b"<html>"), "trade"))
    whole = archive(f"{TRADE_HEAD}\r\n" + f"{PAYMENT}\r\n" * 2000).getvalue()
    torn = bytearray(whole)
    torn[len(whole) // 2] ^= 255
    with pytest.raises(BillError):
        list(read_bill(io.BytesIO(bytes(torn)), "trade"))


def test_hundred_thousand_lines_hold_little_memory():
    file = archive(f"{TRADE_HEAD}\r\n" + f"{PAYMENT}\r\n" * 20_000)
    tracemalloc.start()
    assert sum(row.amount for row in read_bill(file, "trade")) == 20_000 * 8888
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000, "a line at a time, not the file"


@given(st.integers(-(10**13), 10**13))
def test_fen_and_yuan_are_each_others(amount):
    assert fen(yuan(amount)) == amount


@pytest.mark.parametrize("text", ["", "1.234", "1,00", "NaN", "１", "1e2", " 1", "1.", ".5", "--1"])
def test_what_is_no_amount(text):
    with pytest.raises(ValueError):
        fen(text)


def test_amounts_of_one_decimal_or_none():
    assert (fen("1"), fen("1.5"), fen("+0.01"), fen("-0.01")) == (100, 150, 1, -1)
