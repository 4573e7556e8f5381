"""Parse the gateway's bill files to typed rows, line by line.

Document: pay.weixin.qq.com/doc/v3/merchant/4013071238. A bill is UTF-8 text: a head line, data
lines whose every field begins with a grave accent, a head line of the totals, and the totals.
Columns are found by their names: their order differs between kinds of bills and ages of merchants.
"""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from .numbers import fen_from_yuan

BEIJING = "+08:00"


class BillError(ValueError):
    """A bill file is not whole, or not a bill."""


class TradeRow(NamedTuple):
    """One payment or refund of a trade bill; amounts in fen, the fee in yuan of five places."""

    time: datetime
    app_id: str
    merchant_id: str
    transaction_id: str
    order_number: str
    payer: str
    trade_type: str
    trade_state: str
    currency: str
    order_amount: int
    settled_amount: int
    refund_id: str
    refund_number: str
    refund_amount: int
    refund_status: str
    description: str
    fee: Decimal
    rate: str


class FundRow(NamedTuple):
    """One movement of the merchant's account; amounts in fen, income positive."""

    time: datetime
    business_number: str
    flow_number: str
    business_name: str
    business_type: str
    amount: int
    balance: int
    applicant: str
    note: str
    voucher: str


TRADE_COLUMNS = {
    "time": "交易时间",
    "app_id": "公众账号ID",
    "merchant_id": "商户号",
    "transaction_id": "微信订单号",
    "order_number": "商户订单号",
    "payer": "用户标识",
    "trade_type": "交易类型",
    "trade_state": "交易状态",
    "currency": "货币种类",
    "order_amount": "订单金额",
    "settled_amount": "应结订单金额",
    "refund_id": "微信退款单号",
    "refund_number": "商户退款单号",
    "refund_amount": "申请退款金额",
    "refund_status": "退款状态",
    "description": "商品名称",
    "fee": "手续费",
    "rate": "费率",
}
FUND_COLUMNS = {
    "time": "记账时间",
    "business_number": "微信支付业务单号",
    "flow_number": "资金流水单号",
    "business_name": "业务名称",
    "business_type": "业务类型",
    "direction": "收支类型",
    "amount": "收支金额(元)",
    "balance": "账户结余(元)",
    "applicant": "资金变更提交申请人",
    "note": "备注",
    "voucher": "业务凭证号",
}
# Bills of one side only (SUCCESS, REFUND) lack the other side's columns.
OPTIONAL = {
    "refund_id",
    "refund_number",
    "refund_amount",
    "refund_status",
    "order_amount",
    "settled_amount",
}
COUNT_COLUMN = {"trade": "总交易单数", "fund": "资金流水总笔数"}
TOTAL_COLUMNS = {
    "trade": {"order_amount": "订单总金额", "refund_amount": "申请退款总金额"},
    "fund": {"income": "收入金额", "expense": "支出金额"},
}


def parse(kind, lines):
    """Yield TradeRow or FundRow of a bill's text lines; BillError if its totals do not agree.

    :param str kind: "trade" or "fund"
    :param lines: iterable of str, one line each
    """
    lines = iter(lines)
    head = _names(next(lines, ""))
    read = _trade_reader(head) if kind == "trade" else _fund_reader(head)
    count = 0
    sums = dict.fromkeys(TOTAL_COLUMNS[kind], 0)
    for line in lines:
        line = line.rstrip("\r\n")
        if not line.startswith("`"):
            if line.strip():
                _check_totals(kind, _names(line), next(lines, ""), count, sums)
                return
            continue
        count += 1
        try:
            row = read(line[1:].split(",`"))
        except (ValueError, IndexError, InvalidOperation) as error:
            raise BillError(f"data line {count} of the bill cannot be read: {error}") from error
        if kind == "trade":
            sums["order_amount"] += row.order_amount
            sums["refund_amount"] += row.refund_amount
        else:
            sums["income" if row.amount > 0 else "expense"] += abs(row.amount)
        yield row
    raise BillError(f"the bill ends after {count} data lines without its totals")


def _names(line):
    """Return the column names of a head line, with full-width brackets made plain."""
    plain = line.lstrip("\ufeff").strip().replace("（", "(").replace("）", ")")
    return plain.split(",")


def _positions(head, columns):
    """Return {field: position}; -1 for a column that this kind of bill may lack."""
    positions = {}
    for field, name in columns.items():
        if name in head:
            positions[field] = head.index(name)
        elif field in OPTIONAL:
            positions[field] = -1
        else:
            raise BillError(f"the bill has no column {name}")
    return positions


def _moment(text):
    """Return the aware time of a bill's Beijing time."""
    return datetime.fromisoformat(text.strip() + BEIJING)


def _fen(text):
    """Return the fen of `12.30`; the plain form is read without Decimal, for speed."""
    if text[-3:-2] == "." and text.isascii():
        whole, cents = text[:-3], text[-2:]
        if whole.isdigit() and cents.isdigit():
            return int(whole) * 100 + int(cents)
    return fen_from_yuan(text or "0")


def _trade_reader(head):
    """Return the function that makes a TradeRow of a line's fields."""
    at = _positions(head, TRADE_COLUMNS)
    width = len(head)

    def read(fields):
        if len(fields) != width:
            raise ValueError(f"{len(fields)} fields instead of {width}")
        values = {name: fields[place] if place >= 0 else "" for name, place in at.items()}
        values["time"] = _moment(values["time"])
        for name in ("order_amount", "settled_amount", "refund_amount"):
            values[name] = _fen(values[name])
        values["fee"] = Decimal(values["fee"] or "0")
        return TradeRow(**values)

    return read


def _fund_reader(head):
    """Return the function that makes a FundRow of a line's fields."""
    at = _positions(head, FUND_COLUMNS)
    width = len(head)

    def read(fields):
        if len(fields) != width:
            raise ValueError(f"{len(fields)} fields instead of {width}")
        values = {name: fields[place] for name, place in at.items()}
        direction = values.pop("direction")
        if direction not in ("收入", "支出"):
            raise ValueError(f"unknown direction {direction!r}")
        values["time"] = _moment(values["time"])
        amount = _fen(values["amount"])
        values["amount"] = amount if direction == "收入" else -amount
        values["balance"] = _fen(values["balance"])
        return FundRow(**values)

    return read


def _check_totals(kind, names, line, count, sums):
    """Raise BillError unless count and sums are those of the totals line."""
    values = [value.strip().lstrip("`") for value in line.strip().split(",")]
    if len(values) != len(names) or COUNT_COLUMN[kind] not in names:
        raise BillError("the totals of the bill cannot be read")
    totals = dict(zip(names, values, strict=True))
    expected = Decimal(totals[COUNT_COLUMN[kind]])
    if expected != count:
        raise BillError(f"the bill has {count} data lines, its totals say {expected}")
    for field, name in TOTAL_COLUMNS[kind].items():
        if name in totals and fen_from_yuan(totals[name]) != sums[field]:
            raise BillError(f"{name} of the bill does not agree with its lines")
