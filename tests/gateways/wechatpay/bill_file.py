"""Bill files as WeChat Pay writes them (docs/merchant/products/bill-download/format-trade.html).

UTF-8 with a byte order mark, lines ended by CR LF: a line of headings, a line for each entry whose
every value begins with a backtick, a line of headings of sums, a line of sums. Values are not
quoted, so that one may hold a comma: the separator is a comma and a backtick.
"""

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

from ..cashier import yuan

TRADE = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额"
)
PRODUCT = "商品名称,商户数据包,手续费,费率,订单金额"
REFUND_COLUMNS = "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态"
HEADINGS = {
    "ALL": f"{TRADE},{REFUND_COLUMNS},{PRODUCT},申请退款金额,费率备注",
    "SUCCESS": f"{TRADE},{PRODUCT},费率备注",
    "REFUND": f"{TRADE},退款申请时间,退款成功时间,{REFUND_COLUMNS},{PRODUCT},申请退款金额,费率备注",
    "FUNDS": (
        "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
        "资金变更提交申请人,备注,业务凭证号"
    ),
}
TRADE_SUMS = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
FUND_SUMS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
OPENING_BALANCE = 10_000_000
"""Fen on every account at every day's begin."""
BULK_SUBJECT = "充电服务"


class Entry(NamedTuple):
    """A payment, or a refund where `refund_id` is given. Amounts and fee in fen."""

    moment: str
    app: str
    merchant: str
    transaction: str
    number: str
    payer: str
    kind: str
    subject: str
    attach: str
    amount: int
    fee: int
    rate: str
    refund_id: str = ""
    refund_number: str = ""
    refund_state: str = ""
    refunded_at: str = ""


def fee_of(amount: int, rate: str) -> int:
    """Compute the fee in fen, half a fen rounded up; the rate is written as 0.60%."""
    hundredths = int(rate.rstrip("%").replace(".", ""))
    return (amount * hundredths + 5000) // 10000


class Bulk(NamedTuple):
    """Many payments that are made up, always the same ones."""

    merchant: str
    app: str
    day: str
    rate: str
    lines: int

    def entries(self) -> Iterator[Entry]:
        """Make them up, spread over the day."""
        compact = self.day.replace("-", "")
        for index in range(self.lines):
            second = index * 86400 // self.lines
            amount = 1 + index * 7919 % 99999
            time = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
            yield Entry(
                moment=f"{self.day} {time}",
                app=self.app,
                merchant=self.merchant,
                transaction=f"4200{index:016d}{compact}",
                number=f"B{compact}{index:08d}",
                payer=f"o{index:027d}",
                kind="NATIVE",
                subject=BULK_SUBJECT,
                attach="",
                amount=amount,
                fee=fee_of(amount, self.rate),
                rate=self.rate,
            )


@functools.lru_cache(maxsize=4)
def trade(variant: str, entries: tuple[Entry, ...], bulk: Bulk) -> bytes:
    """Write a trade bill: ALL, SUCCESS or REFUND."""
    rows: list[str] = []
    paid = refunded = fees = 0
    for entry in itertools.chain(entries, bulk.entries()):
        if (variant == "SUCCESS" and entry.refund_id) or (
            variant == "REFUND" and not entry.refund_id
        ):
            continue
        rows.append(_line(_trade_row(variant, entry)))
        fees += -entry.fee if entry.refund_id else entry.fee
        if entry.refund_id:
            refunded += entry.amount
        else:
            paid += entry.amount
    sums = [
        str(len(rows)),
        yuan(paid),
        yuan(refunded),
        "0.00",
        _fee(fees),
        yuan(paid),
        yuan(refunded),
    ]
    return _file(HEADINGS[variant], rows, TRADE_SUMS, sums)


@functools.lru_cache(maxsize=4)
def funds(entries: tuple[Entry, ...], bulk: Bulk) -> bytes:
    """Write a fund bill: what came into the account and what left it."""
    rows: list[str] = []
    balance = OPENING_BALANCE
    count = {"收入": 0, "支出": 0}
    total = {"收入": 0, "支出": 0}
    for entry in itertools.chain(entries, bulk.entries()):
        for name, way, amount, remark in _movements(entry):
            balance += amount if way == "收入" else -amount
            count[way] += 1
            total[way] += amount
            business = entry.refund_id or entry.transaction
            rows.append(
                _line(
                    (
                        entry.moment,
                        business,
                        f"{len(rows):010d}{business[-18:]}",
                        "退款" if entry.refund_id else "交易",
                        name,
                        way,
                        yuan(amount),
                        _signed(balance),
                        f"{entry.merchant}API" if entry.refund_id else "system",
                        remark,
                        entry.refund_number or entry.number,
                    )
                )
            )
    sums = [
        str(len(rows)),
        str(count["收入"]),
        yuan(total["收入"]),
        str(count["支出"]),
        yuan(total["支出"]),
    ]
    return _file(HEADINGS["FUNDS"], rows, FUND_SUMS, sums)


def _movements(entry: Entry) -> Iterator[tuple[str, str, int, str]]:
    """Tell what a payment or refund moves: its kind, the way, fen, and a remark."""
    if entry.refund_id:
        remark = f"退款总金额{yuan(entry.amount)}元;含手续费{yuan(entry.fee)}元"
        yield "退款", "支出", entry.amount - entry.fee, remark
        return
    remark = f"结算总金额{yuan(entry.amount)}元;含手续费{yuan(entry.fee)}元"
    yield "交易", "收入", entry.amount, remark
    if entry.fee:
        yield "扣除交易手续费", "支出", entry.fee, remark


def _trade_row(variant: str, entry: Entry) -> tuple[str, ...]:
    refund = bool(entry.refund_id)
    amount = yuan(entry.amount)
    paid, refunded = ("0.00", amount) if refund else (amount, "0.00")
    row = [
        entry.moment,
        entry.app,
        entry.merchant,
        "0",
        "",
        entry.transaction,
        entry.number,
        entry.payer,
        entry.kind,
        "REFUND" if refund else "SUCCESS",
        "OTHERS",
        "CNY",
        paid,
        "0.00",
    ]
    if variant == "REFUND":
        row += [entry.moment, entry.refunded_at]
    if variant != "SUCCESS":
        row += [
            entry.refund_id or "0",
            entry.refund_number or "0",
            refunded,
            "0.00",
            "ORIGINAL" if refund else "",
            entry.refund_state,
        ]
    row += [
        _plain(entry.subject),
        _plain(entry.attach),
        _fee(-entry.fee if refund else entry.fee),
        entry.rate,
        paid,
    ]
    if variant != "SUCCESS":
        row.append(refunded)
    return (*row, "")


def _line(row: tuple[str, ...] | list[str]) -> str:
    return "`" + ",`".join(row)


def _file(headings: str, rows: list[str], sum_headings: str, sums: list[str]) -> bytes:
    return "\r\n".join(["\ufeff" + headings, *rows, sum_headings, _line(sums), ""]).encode("utf-8")


def _plain(text: str) -> str:
    """Keep a line one line."""
    return " ".join(text.split())


def _fee(fen: int) -> str:
    """Write a fee in yuan to five places."""
    return f"{_signed(fen)}000"


def _signed(fen: int) -> str:
    return f"-{yuan(-fen)}" if fen < 0 else yuan(fen)
