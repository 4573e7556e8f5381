"""Alipay's open platform gateway: what it knows to do beyond what every gateway does."""

import secrets
from collections.abc import Callable
from typing import Any

from ..book import Merchant, Notice, Order, OrderState, Refund, RefundState
from ..gateway import Gateway
from ..messages import Answer, Message, Request
from . import billing, envelope, merchants, notices, people, refunding, trading, values
from .errors import Refusal

PATH = "/gateway.do"
MINUTE, HOUR = 60.0, 3600.0
Handler = Callable[["AlipayGateway", envelope.Call], dict[str, Any] | Answer]
METHODS: dict[str, Handler] = {
    "alipay.trade.page.pay": trading.page,
    "alipay.trade.wap.pay": trading.wap,
    "alipay.trade.precreate": trading.precreate,
    "alipay.trade.create": trading.create,
    "alipay.trade.query": trading.query,
    "alipay.trade.close": trading.close,
    "alipay.trade.cancel": refunding.cancel,
    "alipay.trade.refund": refunding.refund,
    "alipay.trade.fastpay.refund.query": refunding.refund_query,
    "alipay.data.dataservice.bill.downloadurl.query": billing.download_url,
    "alipay.system.oauth.token": people.token,
}
FOR_A_BROWSER = {"alipay.trade.page.pay", "alipay.trade.wap.pay"}


class AlipayGateway(Gateway):
    """Alipay on loopback."""

    name = "alipay"
    title = "支付宝 Alipay"
    retry_delays = (
        4 * MINUTE,
        10 * MINUTE,
        10 * MINUTE,
        1 * HOUR,
        2 * HOUR,
        6 * HOUR,
        15 * HOUR,
    )
    mutations = notices.MUTATIONS
    own_faults = frozenset({"pretty"})

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.bills = billing.Bills()
        self.codes = people.Codes()

    # What merchants ask.

    def place_of(self, request: Request) -> str:
        """Name where a request goes: all methods share one path, so its method too."""
        if request.path != PATH:
            return request.path
        try:
            charset = envelope.charset_of(request)
            return f"{PATH}/{envelope.parameters_of(request, charset).get('method', '')}"
        except Refusal:
            return f"{PATH}/"

    def answer(self, request: Request) -> Answer:
        """Answer the gateway's one address, and that of bill files."""
        if request.path == billing.PATH:
            return self.bills.answer(self, request)
        if request.path != PATH:
            return Answer.page("<h1>404 Not Found</h1>", 404)
        if request.method not in ("GET", "POST"):
            return Answer.page("<h1>405 Method Not Allowed</h1>", 405)
        charset = "utf-8"
        try:
            charset = envelope.charset_of(request)
            call = self._call(request, charset)
        except Refusal as refusal:
            return envelope.unsigned(refusal, charset)
        try:
            envelope.check(call, self.clock)
            if request.fault and request.wants("error"):
                raise Refusal(request.fault.values.get("sub_code", "aop.unknow-error"))
            made = METHODS[call.method](self, call)
        except Refusal as refusal:
            if call.method in FOR_A_BROWSER:
                return envelope.error_page(refusal)
            return envelope.signed(call, refusal.node(), refused=True)
        return made if isinstance(made, Answer) else envelope.signed(call, made)

    def _call(self, request: Request, charset: str) -> envelope.Call:
        parameters = envelope.parameters_of(request, charset)
        method, app_id = parameters.get("method", ""), parameters.get("app_id", "")
        if not method:
            raise Refusal("isv.missing-method")
        if method not in METHODS:
            raise Refusal("isv.invalid-method")
        if not app_id:
            raise Refusal("isv.missing-app-id")
        merchant = self.book.merchants.get(app_id)
        if merchant is None:
            raise Refusal("isv.invalid-app-id")
        return envelope.Call(request, parameters, charset, method, merchant)

    # What whoever controls the simulator asks.

    def register(self, values: dict[str, Any]) -> Merchant:
        """Take in an app, or replace its key and settings; Alipay's own key stays."""
        known = self.book.merchants.get(str(values.get("app_id", "")))
        return merchants.make(values, self.clock.now(), known.settings["key"] if known else None)

    def merchant_view(self, merchant: Merchant) -> dict[str, Any]:
        """Tell what Alipay's console shows."""
        return merchants.view(merchant)

    def rotate(self, merchant: Merchant, values: dict[str, Any]) -> None:
        """Change Alipay's key, or only its certificate."""
        merchants.rotate(merchant, bool(values.get("certificate_only")), self.clock.now())

    def fill_bill(self, merchant: Merchant, day: str, lines: int) -> dict[str, Any]:
        """Put so many payments that never were on a day's bill, which can be had at once."""
        self.bills.fill(merchant, day, lines)
        for kind in billing.KINDS:
            self.bills.archive(self, merchant, kind, day)  # now, so that nobody waits for it later
        return {"merchant": merchant.id, "day": day, "lines": lines}

    def extra_control(self, request: Request, path: str, values: dict[str, Any]) -> Any:
        """Scan a QR code, log a person in."""
        if request.method != "POST":
            return None
        if path == "codes":
            return self.codes.make(self, values)
        name, _, action = path.removeprefix("orders/").rpartition("/")
        if path.startswith("orders/") and action == "scan":
            order = self.order(name, values.get("merchant", ""))
            self.opened(order)
            return self.order_view(order)
        return None

    # Orders and what merchants are told of them.

    def opened(self, order: Order) -> None:
        """Make the trade, since a person has come to the cashier."""
        with self.book.changing():
            self.expire(order)
            if order.state is OrderState.OPEN and not order.extra["trade_made_at"]:
                trading.open_trade(self, order)
                if order.kind == "precreate":
                    self._announce(notices.SCAN, order)

    def pay(
        self, order: Order, amount: int | None = None, payer: str = "", notify: bool = True
    ) -> None:
        """Pay an order, which makes it a trade if it was none."""
        with self.book.changing():
            self.expire(order)
            if order.state is OrderState.OPEN:
                trading.open_trade(self, order)
            super().pay(order, amount, payer, notify)

    def announce_payment(self, order: Order) -> None:
        """Tell the merchant that an order was paid."""
        self._announce(notices.PAYMENT, order)

    def announce_refund(self, refund: Refund) -> None:
        """Tell the merchant of a refund; Alipay says nothing of one that failed."""
        if refund.state is RefundState.SUCCESS:
            order = self.book.find_order(refund.order, refund.merchant)
            self._announce(notices.REFUND, order, refund)

    def announce_closing(self, order: Order) -> None:
        """Tell the merchant that a trade was closed; of an order that is none, nothing."""
        if order.extra["trade_made_at"]:
            self._announce(notices.CLOSING, order)

    def _announce(self, event: str, order: Order, refund: Refund | None = None) -> None:
        if order.notify_url:
            self.notifier.announce(event, order, refund)

    def notification(self, notice: Notice, mutations: frozenset[str]) -> Message:
        """Write a notification down."""
        return notices.notification(self, notice, mutations)

    def accepted(self, status: int, body: bytes) -> bool:
        """Take these seven characters and nothing else."""
        return status == 200 and body == b"success"

    def return_address(self, order: Order) -> str:
        """Return to the merchant's page, with what was paid."""
        return notices.return_address(self, order)

    def qr(self, order: Order) -> str:
        """Say what the QR code of a precreated order holds."""
        return f"https://qr.alipay.com/bax{order.token}" if order.kind == "precreate" else ""

    def new_gateway_number(self) -> str:
        """Make a number of 28 digits, as Alipay numbers trades."""
        day = values.beijing(self.clock.now())
        return f"{day:%Y%m%d}22001{secrets.randbelow(10**7):07d}{self.book.next_number():08d}"

    # What the methods need to know of the book.

    def refund_of(self, order: Order, number: str) -> Refund | None:
        """Find a refund of an order by its out_request_no."""
        return next((one for one in self.book.refunds_of(order) if one.number == number), None)

    def refunded_well(self, order: Order) -> int:
        """Add up what the payer got back, in fen."""
        refunds = self.book.refunds_of(order)
        return sum(one.amount for one in refunds if one.state is RefundState.SUCCESS)

    def balance(self, merchant: str) -> int | None:
        """Reckon what a merchant can give back, in fen; None: no matter how much."""
        balance = self.book.find_merchant(merchant).settings["balance"]
        if balance is None:
            return None
        orders = [one for one in self.book.orders.values() if one.merchant == merchant]
        return balance + sum(one.paid_amount - self.refunded_well(one) for one in orders)
