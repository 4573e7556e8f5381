"""Which bills there are, and where they are downloaded."""

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..book import Merchant, Order, OrderState, RefundState
from ..messages import Answer, Request
from . import bills, fields
from .envelope import Call
from .errors import Refusal
from .values import BEIJING, beijing

if TYPE_CHECKING:
    from .gateway import AlipayGateway

PATH = "/downloadBillFile.resource"
ADDRESS_LASTS = 30.0
KINDS = {"trade": bills.trade_bill, "signcustomer": bills.fund_bill}
FORMATS = {10: "%Y-%m-%d", 7: "%Y-%m"}


@dataclass(frozen=True)
class Contents:
    """What is on a bill: real entries, and by day how many were made up."""

    real: tuple[bills.Entry, ...]
    made_up: tuple[tuple[float, int], ...]
    rate: int  # of the fee, in millionths

    def entries(self) -> list[bills.Entry]:
        """List them all."""
        return [
            *self.real,
            *(entry for day, lines in self.made_up for entry in _made_up(day, lines, self.rate)),
        ]


class Bills:
    """Bills that can be asked for: of real payments, and of payments that were only made up."""

    def __init__(self):
        self._lock = threading.Lock()
        self._made_up: dict[tuple[str, str], int] = {}
        self._archives: dict[tuple[str, str, str], tuple[Contents, bytes]] = {}
        self._addresses: dict[str, tuple[float, str, bytes]] = {}

    def fill(self, merchant: Merchant, day: str, lines: int) -> None:
        """Put so many payments that never were on a day's bill, and publish it."""
        with self._lock:
            self._made_up[merchant.id, day] = lines

    def published(self, merchant: Merchant, date: str) -> bool:
        """Tell whether a bill was published before its time."""
        with self._lock:
            return (merchant.id, date) in self._made_up

    def made_up(self, merchant: Merchant, day: str) -> int:
        """Tell how many payments of a day were made up."""
        with self._lock:
            return self._made_up.get((merchant.id, day), 0)

    def archive(self, gateway: "AlipayGateway", merchant: Merchant, kind: str, date: str) -> bytes:
        """Write a bill, or give the one that was written of the same contents; b"": no bill."""
        contents = _contents(gateway, merchant, date)
        if not contents.real and not any(lines for _, lines in contents.made_up):
            return b""
        with self._lock:
            known, archive = self._archives.get((merchant.id, kind, date), (None, b""))
        if known != contents:
            begins, ends = _span(date)
            whose = _account(merchant)
            times = begins.timestamp(), ends.timestamp(), gateway.clock.now()
            files = KINDS[kind](bills.Period(whose, *times), contents.entries())
            archive = bills.archive(f"{whose}_{date.replace('-', '')}", files)
            with self._lock:
                self._archives[merchant.id, kind, date] = (contents, archive)
        return archive

    def offer(self, content: bytes, name: str, now: float) -> str:
        """Keep a file for as long as its address is good, and return its name there."""
        file_id = secrets.token_hex(16)
        with self._lock:
            self._addresses = {one: kept for one, kept in self._addresses.items() if kept[0] >= now}
            self._addresses[file_id] = (now + ADDRESS_LASTS, name, content)
        return file_id

    def answer(self, gateway: "AlipayGateway", request: Request) -> Answer:
        """Let a bill be downloaded."""
        with self._lock:
            kept = self._addresses.get(request.params.get("fileId", ""))
        if kept is None or kept[0] < gateway.clock.now():
            return Answer.page("<h1>403 Forbidden</h1>", 403)
        disposition = f"attachment; filename={kept[1]}"
        headers = {"Content-Type": "application/zip", "Content-Disposition": disposition}
        return Answer(200, kept[2], headers)


def download_url(gateway: "AlipayGateway", call: Call) -> dict[str, Any]:
    """alipay.data.dataservice.bill.downloadurl.query: say where a bill is, for 30 seconds."""
    kind, date = fields.text(call, "bill_type", 20), fields.text(call, "bill_date", 15)
    if kind not in KINDS:
        raise Refusal("isv.invalid_arguments", "bill_type")
    now = gateway.clock.now()
    _, ends = _span(date)
    if ends.timestamp() > now and not gateway.bills.published(call.merchant, date):
        raise Refusal("isv.invalid_arguments", "bill_date")
    content = gateway.bills.archive(gateway, call.merchant, kind, date)
    if not content:
        raise Refusal("isp.bill_not_exist")
    compact, whose = date.replace("-", ""), _account(call.merchant)
    name = f"{whose}_{compact}.csv.zip"
    file_id = gateway.bills.offer(content, name, now)
    return {
        "code": "10000",
        "msg": "Success",
        "bill_download_url": f"{gateway.address}{PATH}?bizType={kind}&userId={whose}"
        f"&fileType=csv.zip&bizDates={compact}&downloadFileName={name}&fileId={file_id}",
    }


def _account(merchant: Merchant) -> str:
    return f"{merchant.settings['seller_id']}0156"  # as bills name it


def _span(date: str) -> tuple[datetime, datetime]:
    layout = FORMATS.get(len(date), "no such length")
    try:
        begins = datetime.strptime(date, layout).replace(tzinfo=BEIJING)
    except ValueError:
        raise Refusal("isv.invalid_arguments", "bill_date") from None
    if layout == FORMATS[10]:
        return begins, begins + timedelta(days=1)
    return begins, (begins + timedelta(days=31)).replace(day=1)


def _contents(gateway: "AlipayGateway", merchant: Merchant, date: str) -> Contents:
    begins, ends = _span(date)
    first, last = begins.timestamp(), ends.timestamp()
    rate = _rate(merchant.settings["fee_rate"])
    with gateway.book.lock:
        orders = [one for one in gateway.book.orders.values() if one.merchant == merchant.id]
        real = [
            entry
            for order in orders
            if order.state is OrderState.PAID
            for entry in _entries_of(gateway, order, rate)
            if first <= entry.finished < last
        ]
    days = [begins + timedelta(days=number) for number in range((ends - begins).days)]
    made_up = [
        (day.timestamp(), gateway.bills.made_up(merchant, f"{day:%Y-%m-%d}")) for day in days
    ]
    real.sort(key=lambda entry: entry.finished)
    return Contents(tuple(real), tuple(made_up), rate)


def _entries_of(gateway: "AlipayGateway", order: Order, rate: int) -> Iterator[bills.Entry]:
    common = {
        "trade_no": order.gateway_number,
        "out_trade_no": order.number,
        "subject": order.subject,
        "buyer": "*宝(pay***@sandbox.com)",
    }
    yield bills.Entry(
        **common,
        created=order.extra["trade_made_at"],
        finished=order.paid_at,
        amount=order.paid_amount,
        fee=_fee(order.paid_amount, rate),
    )
    for refund in gateway.book.refunds_of(order):
        if refund.state is RefundState.SUCCESS:
            yield bills.Entry(
                **common,
                created=refund.created,
                finished=refund.finished_at,
                amount=-refund.amount,
                fee=0,
                out_request_no=refund.number,
            )


def _made_up(start: float, lines: int, rate: int) -> Iterator[bills.Entry]:
    day = f"{beijing(start):%Y%m%d}"
    for number in range(lines):
        amount = 100 + number * 7 % 9900
        time = start + number * 86_000 / lines
        yield bills.Entry(
            trade_no=f"{day}22001{number:015d}",
            out_trade_no=f"MADE_UP_{day}_{number:07d}",
            subject="充电",
            created=time,
            finished=time + 9,
            buyer="*宝(pay***@sandbox.com)",
            amount=amount,
            fee=_fee(amount, rate),
        )


def _rate(percent: str) -> int:
    """Read a rate such as 0.60% as millionths."""
    return int(Decimal(percent.removesuffix("%")) * 10_000)


def _fee(amount: int, rate: int) -> int:
    return (amount * rate + 500_000) // 1_000_000
