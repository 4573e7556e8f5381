"""WeChat Pay: which address does what, and how its answers are signed."""

import re
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from .. import cashier
from ..book import Merchant, NotFoundError, Notice, Order, OrderState, Refund
from ..clock import beijing
from ..gateway import Gateway
from ..messages import Answer, Message, Request
from . import bills, client, merchants, notices, orders, platform, refunds
from .authorization import Guard, check_headers
from .refusal import RefusalError

CREATE = re.compile(r"/v3/pay/transactions/(native|h5|jsapi|app)")
BY_NUMBER = re.compile(r"/v3/pay/transactions/out-trade-no/([^/]+)")
BY_TRANSACTION = re.compile(r"/v3/pay/transactions/id/([^/]+)")
CLOSE = re.compile(r"/v3/pay/transactions/out-trade-no/([^/]+)/close")
REFUND = re.compile(r"/v3/refund/domestic/refunds/([^/]+)")
REFUNDS = "/v3/refund/domestic/refunds"


class WeChatPay(Gateway):
    """WeChat Pay, API v3."""

    name = "wechatpay"
    title = "WeChat Pay 微信支付"
    retry_delays = notices.RETRIES
    mutations = notices.MUTATIONS
    own_faults = frozenset({"probe"})

    def __init__(self, file: Path | None = None):
        super().__init__(file)
        self._guard = Guard(self.book)
        self._bills = bills.Bills(self)

    def answer(self, request: Request) -> Answer:
        """Answer a merchant's request, or a browser that follows an H5 address."""
        if request.path == orders.H5_PATH:
            return self._h5(request)
        if not request.path.startswith("/v3/"):
            return Answer.page("<h1>404 Not Found</h1>", 404)
        try:
            check_headers(request)
            merchant = self._guard.check(request, self.clock.now())
            key = platform.signer(merchant, request.headers.get("Wechatpay-Serial", ""))
        except RefusalError as refusal:
            # Nobody proved who he is, so there is no key to sign the answer for him by.
            return refusal.answer()
        try:
            answer = self._do(merchant, request)
        except RefusalError as refusal:
            answer = refusal.answer()
        if request.path == bills.DOWNLOAD_PATH and answer.status == 200:
            return answer
        return self._sign(answer, key, request)

    def register(self, values: dict[str, Any]) -> Merchant:
        """Take in a merchant, or replace its keys and settings."""
        return merchants.register(self.book, values, self.clock.now())

    def merchant_view(self, merchant: Merchant) -> dict[str, Any]:
        """Tell what the merchant platform shows a merchant."""
        return merchants.view(merchant)

    def rotate(self, merchant: Merchant, values: dict[str, Any]) -> None:
        """Sign by a new key."""
        merchants.rotate(self.book, merchant, values, self.clock.now())

    def notification(self, notice: Notice, mutations: frozenset[str]) -> Message:
        """Write a notification down."""
        with self.book.lock:
            return notices.write(self, notice, mutations)

    def accepted(self, status: int, body: bytes) -> bool:
        """200 and 204 are an acknowledgement, whatever the body says."""
        return status in (200, 204)

    def announce_refund(self, refund: Refund) -> None:
        """Tell how a refund ended, if the merchant named an address for that."""
        if refund.notify_url:
            super().announce_refund(refund)

    def qr(self, order: Order) -> str:
        """Return what the QR code of a native order says."""
        return f"weixin://wxpay/bizpayurl?pr={order.token}" if order.kind == "NATIVE" else ""

    def new_gateway_number(self) -> str:
        """Make a transaction_id: 28 digits with the day in it."""
        day = beijing(self.clock.now()).strftime("%Y%m%d")
        return f"4200{self.book.next_number():06d}{day}{secrets.randbelow(10**10):010d}"

    def new_request_id(self) -> str:
        """Make the id by which WeChat Pay's support finds a request."""
        return f"{secrets.token_hex(25).upper()}-0"

    def fill_bill(self, merchant: Merchant, day: str, lines: int) -> dict[str, Any]:
        """Let a day's bill be had at once, with so many payments made up."""
        return self._bills.publish(merchant, day, lines)

    def extra_control(self, request: Request, path: str, values: dict[str, Any]) -> Any:
        """Pay as the wallet does with a page's parameters."""
        if (request.method, path) == ("POST", "client/pay"):
            return self.order_view(client.pay(self, values))
        return None

    def _do(self, merchant: Merchant, request: Request) -> Answer:
        if request.wants("error") and request.fault:
            values = request.fault.values
            raise RefusalError(
                values.get("status", 500),
                values.get("code", "SYSTEM_ERROR"),
                values.get("message", "系统异常，请稍后重试"),
            )
        handler = self._post if request.method == "POST" else self._get
        answer = handler(merchant, request) if request.method in ("POST", "GET") else None
        if answer is None:
            raise RefusalError(404, "RESOURCE_NOT_EXISTS", "请求的资源不存在")
        return answer

    def _post(self, merchant: Merchant, request: Request) -> Answer | None:
        if found := CREATE.fullmatch(request.path):
            return self._told(request, orders.create(self, merchant, found[1], request.body))
        if found := CLOSE.fullmatch(request.path):
            orders.close(self, merchant, unquote(found[1]), request.body)
            return Answer(204)
        if request.path == REFUNDS:
            refund, new = refunds.create(self, merchant, request.body)
            answer = self._told(request, refunds.view(self, refund))
            if new:
                answer.then = lambda: self.finish_by_itself(refund)
            return answer
        return None

    def _get(self, merchant: Merchant, request: Request) -> Answer | None:
        for pattern, find in (
            (BY_NUMBER, orders.by_number),
            (BY_TRANSACTION, orders.by_transaction),
        ):
            if found := pattern.fullmatch(request.path):
                orders.check_merchant(merchant, request.params.get("mchid", ""), "query")
                order = find(self, merchant, unquote(found[1]))
                return self._told(request, orders.query(self, order))
        if found := REFUND.fullmatch(request.path):
            refund = refunds.find(self, merchant, unquote(found[1]))
            return self._told(request, refunds.view(self, refund))
        if request.path in bills.VARIANTS:
            return Answer.json(self._bills.ask(merchant, request))
        if request.path == bills.DOWNLOAD_PATH:
            return self._bills.fetch(merchant, request)
        if request.path == "/v3/certificates":
            return Answer.json(platform.certificates(merchant))
        return None

    def _told(self, request: Request, document: dict[str, Any]) -> Answer:
        return Answer.json(platform.mutate(document, _wrong(request)))

    def _sign(self, answer: Answer, key: dict[str, str], request: Request) -> Answer:
        wrong = _wrong(request)
        answer.headers |= platform.sign(key, answer.body, self.clock.now(), wrong)
        answer.headers["Request-ID"] = self.new_request_id()
        if "changed_body" in wrong:
            answer.body += b" "
        return answer

    def _h5(self, request: Request) -> Answer:
        """Lead a phone's browser to the cashier, and remember where it wants to go after."""
        language = cashier.language_of(request)
        try:
            order = self.order(request.params.get("prepay_id", ""))
        except NotFoundError:
            return cashier.message(self, language, "unknown", 404)
        made_at = order.extra.get("prepaid_at", 0.0)
        stale = (
            order.kind != "MWEB"
            or request.params.get("prepay_id") != order.extra["prepay_id"]
            or self.clock.now() - made_at > orders.H5_LASTS
        )
        if stale and order.state is OrderState.OPEN:
            return cashier.message(self, language, "stale", 400)
        target = request.params.get("redirect_url", "")
        if target.startswith(("http://", "https://")):
            with self.book.changing():
                order.return_url = target
        return Answer.redirect(f"{self.cashier_address(order)}?lang={language}")


def _wrong(request: Request) -> frozenset[str]:
    return frozenset({request.fault.kind}) if request.fault else frozenset()
