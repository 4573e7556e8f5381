"""Alipay's bill files: a ZIP of GBK tables, read line by line into typed rows.

Two kinds (documented at `alipay.data.dataservice.bill.downloadurl.query`): `trade`, one row a
payment or refund, and `signcustomer`, one row a movement of the account's balance. Money is whole
fen, times are UTC without zone as Odoo keeps them. Columns are found by their headings: Alipay adds
some now and then.
"""

import csv
import io
import zipfile
from datetime import datetime, timedelta
from typing import NamedTuple

from .errors import BillError
from .money import fen

_BEIJING_AHEAD = timedelta(hours=8)  # China keeps no summer time since 1991
_FIRST_LINE = {"trade": "#支付宝业务明细查询", "signcustomer": "#支付宝账务明细查询"}


class TradeRow(NamedTuple):
    """One payment or refund of the trade bill; a refund's amounts are negative."""

    trade_no: str
    out_trade_no: str
    kind: str  # 交易 a payment, 退款 a refund
    subject: str
    created_at: datetime
    finished_at: datetime | None
    counterparty: str
    amount: int
    received: int
    refund_request_no: str
    fee: int
    note: str

    @property
    def is_refund(self):
        """Whether the row takes money back."""
        return self.kind == "退款"


class FundRow(NamedTuple):
    """One movement of the account's balance; `income` is positive, `expense` zero or negative."""

    entry_no: str
    trade_no: str
    out_trade_no: str
    subject: str
    happened_at: datetime
    counterparty: str
    income: int
    expense: int
    balance: int
    channel: str
    kind: str
    note: str


# heading in the file, how it is read; in the order of the row's fields. With a question mark: empty
# cells, or for texts the whole column, may be missing
_TRADE_COLUMNS = (
    ("支付宝交易号", "text"),
    ("商户订单号", "text"),
    ("业务类型", "text"),
    ("商品名称", "text"),
    ("创建时间", "time"),
    ("完成时间", "time?"),
    ("对方账户", "text"),
    ("订单金额（元）", "fen"),
    ("商家实收（元）", "fen"),
    ("退款批次号/请求号", "text"),
    ("服务费（元）", "fen"),
    ("备注", "text"),
)
_FUND_COLUMNS = (
    ("账务流水号", "text"),
    ("业务流水号", "text"),
    ("商户订单号", "text"),
    ("商品名称", "text?"),
    ("发生时间", "time"),
    ("对方账号", "text?"),
    ("收入金额（+元）", "fen"),
    ("支出金额（-元）", "fen"),
    ("账户余额（元）", "fen"),
    ("交易渠道", "text?"),
    ("业务类型", "text"),
    ("备注", "text"),
)
_SHAPES = {"trade": (TradeRow, _TRADE_COLUMNS), "signcustomer": (FundRow, _FUND_COLUMNS)}


def read_bill(file, kind):
    """Yield the typed rows of a bill.

    :param file: the ZIP, as a seekable binary file.
    :param str kind: `trade` or `signcustomer`.
    :return: an iterator of TradeRow or FundRow; at most one line is held at a time.
    :raise BillError: at the first line that cannot be read, or when there is no such table.
    """
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        raise BillError("not_a_zip") from None
    with archive:
        table = _table(archive, kind)
        if table is None:
            raise BillError("no_table", kind=kind)
        try:
            with archive.open(table) as raw:
                yield from _rows(io.TextIOWrapper(raw, "gb18030", newline=""), kind)
        except (zipfile.BadZipFile, EOFError):
            raise BillError("damaged") from None
        except UnicodeDecodeError:
            raise BillError("not_gbk") from None


def _table(archive, kind):
    """Return the archive's member with the lines (another one sums them up), or None."""
    for member in archive.infolist():
        with archive.open(member) as raw:
            start = raw.read(64).decode("gb18030", "replace")
        if start.lstrip("\ufeff").startswith(_FIRST_LINE[kind]):
            return member
    return None


def _rows(lines, kind):
    shape, columns = _SHAPES[kind]
    reader = csv.reader(lines)
    readers = None
    for cells in reader:
        if not cells or cells[0].startswith("#"):
            continue
        if readers is None:
            readers = _readers(cells, columns)
            width = len(cells)
            continue
        if len(cells) != width:
            raise BillError("other_width", line=reader.line_num, cells=len(cells), columns=width)
        try:
            yield shape._make([read(cells[at]) for read, at in readers])
        except ValueError as problem:
            raise BillError("cell", line=reader.line_num, problem=str(problem)) from None
    if readers is None:
        raise BillError("no_heading")


def _readers(headings, columns):
    places = {heading.strip(): at for at, heading in enumerate(headings)}
    missing = [heading for heading, kind in columns if heading not in places and kind != "text?"]
    if missing:
        raise BillError("missing_columns", columns="、".join(missing))
    return [
        (_READERS[kind], places[heading]) if heading in places else (_nothing, 0)
        for heading, kind in columns
    ]


def _nothing(_cell):
    return ""


def _time(cell):
    return datetime.fromisoformat(cell.strip()) - _BEIJING_AHEAD


def _time_or_none(cell):
    return _time(cell) if cell.strip() else None


def _fen(cell):
    return fen(cell.strip() or "0")


_READERS = {
    "text": str.strip,
    "text?": str.strip,
    "time": _time,
    "time?": _time_or_none,
    "fen": _fen,
}
