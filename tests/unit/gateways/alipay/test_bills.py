"""Bill files: packed, encoded and added up as documented."""

import csv
import io
import time
import zipfile
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from .app import App
from .test_refunds import give_back

METHOD = "alipay.data.dataservice.bill.downloadurl.query"
DAY = 86_400


def day(offset: int = 0) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + 8 * 3600 + offset * DAY))


def fetch(app: App, kind: str, date: str) -> dict[str, str]:
    answer = app.call(METHOD, {"bill_type": kind, "bill_date": date})
    assert answer["code"] == "10000", answer
    url = urlsplit(answer["bill_download_url"])
    status, content = app.http("GET", f"{url.path}?{url.query}")
    assert status.status == 200
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        assert not any(one.flag_bits & 0x800 for one in bundle.infolist())
        return {
            one.filename.encode("cp437").decode("gbk"): bundle.read(one).decode("gbk")
            for one in bundle.infolist()
        }


def table(text: str) -> list[dict[str, str]]:
    lines = text.split("\r\n")
    begins = next(n for n, line in enumerate(lines) if line.endswith("列表" + "-" * 40))
    ends = next(n for n, line in enumerate(lines) if "列表结束" in line)
    rows = csv.DictReader(io.StringIO("\n".join(lines[begins + 1 : ends])))
    return [{name: value.strip("\t") for name, value in row.items()} for row in rows]


@pytest.fixture(scope="module")
def seller(server):
    seller = App(server.gateway.address, "2021000000000008", seller_id="2088000000000088")
    no = seller.paid("100.00", subject='充电, "快" } {')
    give_back(seller, no, "0.30", "r1")
    seller.paid("0.90")
    seller.precreate("5.00")
    seller.day = day()  # midnight may come
    seller.control("POST", "bills", merchant=seller.app_id, day=seller.day, lines=0)
    seller.orders = [no]
    return seller


def test_business_lines_and_their_sums(seller):
    files = fetch(seller, "trade", seller.day)
    compact = seller.day.replace("-", "")
    lines, summary = (
        files[f"20880000000000880156_{compact}_{ending}.csv"]
        for ending in ("业务明细", "业务明细(汇总)")
    )
    paid, given_back, small = sorted(
        table(lines), key=lambda row: int(row["商户订单号"].removeprefix("T_"))
    )[:3]
    assert paid["商户订单号"] == seller.orders[0]
    assert paid["商品名称"] == '充电, "快" } {'
    assert (paid["业务类型"], paid["订单金额（元）"], paid["服务费（元）"]) == (
        "交易",
        "100.00",
        "-0.60",
    )
    assert (given_back["业务类型"], given_back["商家实收（元）"]) == ("退款", "-0.30")
    assert given_back["退款批次号/请求号"] == "r1"
    assert (small["订单金额（元）"], small["服务费（元）"]) == ("0.90", "-0.01")
    assert "#交易合计：2笔，商家实收共100.90元，商家优惠共0.00元\r\n" in lines
    assert "#退款合计：1笔，商家实收退款共-0.30元，商家优惠退款共0.00元\r\n" in lines
    total = table(summary)[-1]
    assert (total["门店编号"], total["实收净额（元）"]) == ("合计", "99.99")
    assert (total["交易订单总笔数"], total["退款订单总笔数"]) == ("2", "1")


def test_account_lines_add_up_to_the_balance(seller):
    files = fetch(seller, "signcustomer", seller.day)
    lines = next(text for name, text in files.items() if name.endswith("_账务明细.csv"))
    rows = table(lines)
    moved = sum(Decimal(row["收入金额（+元）"]) + Decimal(row["支出金额（-元）"]) for row in rows)
    assert moved == Decimal(rows[-1]["账户余额（元）"]) == Decimal("99.99")
    assert [row["业务类型"] for row in rows] == ["在线支付", "收费", "交易退款", "在线支付", "收费"]
    assert "#收入合计：2笔，共100.90元\r\n" in lines
    assert "#支出合计：3笔，共-0.91元\r\n" in lines


def test_a_bill_of_many_lines(seller):
    seller.control("POST", "bills", merchant=seller.app_id, day=day(-3), lines=5000)
    files = fetch(seller, "trade", day(-3))
    lines, summary = files.values()
    rows = table(lines)
    assert len(rows) == 5000
    total = sum(Decimal(row["订单金额（元）"]) for row in rows)
    assert f"#交易合计：5000笔，商家实收共{total}元" in lines
    assert table(summary)[-1]["订单金额（元）"] == str(total)
    assert len({row["支付宝交易号"] for row in rows}) == 5000


@pytest.mark.parametrize(
    ("kind", "date", "sub_code"),
    [
        ("trade", -9, "isp.bill_not_exist"),
        ("trade", 1, "isv.invalid_arguments"),
        ("trade", "2026-13-01", "isv.invalid_arguments"),
        ("trade", "20261101", "isv.invalid_arguments"),
        ("trade", "", "isv.invalid_arguments"),
        ("Trade", -9, "isv.invalid_arguments"),
        ("trade", "2026-01", "isp.bill_not_exist"),
    ],
)
def test_bills_that_there_are_not(seller, kind, date, sub_code):
    """A number is a day from today."""
    date = day(date) if isinstance(date, int) else date
    refused = seller.call(METHOD, {"bill_type": kind, "bill_date": date})
    assert (refused["code"], refused["sub_code"]) == ("40004", sub_code)


def test_todays_bill_comes_tomorrow(app):
    refused = app.call(METHOD, {"bill_type": "trade", "bill_date": day()})
    assert refused["sub_code"] == "isv.invalid_arguments"


def test_an_address_is_good_for_thirty_seconds(seller, app):
    answer = seller.call(METHOD, {"bill_type": "trade", "bill_date": seller.day})
    url = urlsplit(answer["bill_download_url"])
    seller.control("POST", "clock", offset_seconds=31)
    status, _ = seller.http("GET", f"{url.path}?{url.query}")
    assert status.status == 403
    assert seller.http("GET", f"{url.path}?fileId=x")[0].status == 403
