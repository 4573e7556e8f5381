"""Which bills there are, and where they are downloaded."""

import secrets
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from ..book import Merchant, OrderState, RefundState
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


class Bills:
    """Bills that can be asked for: of real payments, and of payments that were only made up."""

    def __init__(self):
        self._lock = threading.Lock()
        self._made_up: dict[tuple[str, str], int] = {}
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
    begins, ends = _span(date)
    if ends.timestamp() > now and not gateway.bills.published(call.merchant, date):
        raise Refusal("isv.invalid_arguments", "bill_date")
    entries = list(_entries(gateway, call.merchant, begins, ends))
    if not entries:
        raise Refusal("isp.bill_not_exist")
    seller = call.merchant.settings["seller_id"]
    account = f"{seller}0156"
    period = bills.Period(account, begins.timestamp(), ends.timestamp(), now)
    compact = date.replace("-", "")
    content = bills.archive(f"{account}_{compact}", KINDS[kind](period, entries))
    name = f"{account}_{compact}.csv.zip"
    file_id = gateway.bills.offer(content, name, now)
    return {
        "code": "10000",
        "msg": "Success",
        "bill_download_url": f"{gateway.address}{PATH}?bizType={kind}&userId={account}"
        f"&fileType=csv.zip&bizDates={compact}&downloadFileName={name}&fileId={file_id}",
    }


def _span(date: str) -> tuple[datetime, datetime]:
    layout = FORMATS.get(len(date))
    try:
        begins = datetime.strptime(date, layout or "").replace(tzinfo=BEIJING)
    except ValueError:
        raise Refusal("isv.invalid_arguments", "bill_date") from None
    if layout == FORMATS[10]:
        return begins, begins + timedelta(days=1)
    return begins, (begins + timedelta(days=31)).replace(day=1)


def _entries(
    gateway: "AlipayGateway", merchant: Merchant, begins: datetime, ends: datetime
) -> Iterator[bills.Entry]:
    rate = Decimal(merchant.settings["fee_rate"].removesuffix("%")) / 100
    first, last = begins.timestamp(), ends.timestamp()
    with gateway.book.lock:
        orders = [one for one in gateway.book.orders.values() if one.merchant == merchant.id]
        real = [
            entry
            for order in orders
            if order.state is OrderState.PAID
            for entry in _entries_of(gateway, order, rate)
            if first <= entry.finished < last
        ]
    yield from sorted(real, key=lambda entry: entry.finished)
    day = begins
    while day < ends:
        yield from _made_up(day, gateway.bills.made_up(merchant, f"{day:%Y-%m-%d}"), rate)
        day += timedelta(days=1)


def _entries_of(gateway: "AlipayGateway", order, rate: Decimal) -> Iterator[bills.Entry]:
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


def _made_up(day: datetime, lines: int, rate: Decimal) -> Iterator[bills.Entry]:
    start = day.timestamp()
    for number in range(lines):
        amount = 100 + number * 7 % 9900
        time = start + number * 86_000 / lines
        yield bills.Entry(
            trade_no=f"{beijing(start):%Y%m%d}22001{number:015d}",
            out_trade_no=f"MADE_UP_{day:%Y%m%d}_{number:07d}",
            subject="充电",
            created=time,
            finished=time + 9,
            buyer="*宝(pay***@sandbox.com)",
            amount=amount,
            fee=_fee(amount, rate),
        )


def _fee(amount: int, rate: Decimal) -> int:
    return int((amount * rate).quantize(Decimal(1), ROUND_HALF_UP))
