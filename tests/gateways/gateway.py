"""What every gateway does: keep orders and refunds, tell merchants, answer."""

import collections
import secrets
import threading
from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .book import Book, Merchant, Notice, Order, OrderState, Refund, RefundState
from .clock import Clock
from .faults import Faults
from .messages import Answer, Message, Request
from .notifier import Notifier

KEPT_REQUESTS = 1000


class StateError(Exception):
    """An order or a refund is not in a state that allows what was asked."""


class Gateway(ABC):
    """One gateway; its subclasses speak the language of theirs."""

    name = ""
    title = ""
    retry_delays: tuple[float, ...] = ()
    """Seconds from each notification that was not accepted to the next."""
    delivery_timeout = 5.0
    """Seconds that a merchant has to answer a notification."""
    mutations = frozenset[str]()
    """Ways in which this gateway can make a notification wrong."""
    own_faults = frozenset[str]()
    """Ways, beside those of all, in which this gateway can make an answer wrong."""

    def __init__(self, file: Path | None = None):
        self.address = ""
        """Where it is reached, once it is served."""
        self.clock = Clock()
        self.book = Book(file)
        self.faults = Faults(self.own_faults)
        self.stopping = threading.Event()
        self.requests: collections.deque[dict[str, Any]] = collections.deque(maxlen=KEPT_REQUESTS)
        self.refunds_by_themselves = True
        self.notifier = Notifier(self)

    # What a gateway must know to do.

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """Answer a request to one of the gateway's own addresses."""

    @abstractmethod
    def register(self, values: dict[str, Any]) -> Merchant:
        """Take in a merchant, or replace its keys and settings."""

    @abstractmethod
    def merchant_view(self, merchant: Merchant) -> dict[str, Any]:
        """Tell what the gateway gives a merchant: its own public key and the like."""

    @abstractmethod
    def rotate(self, merchant: Merchant, values: dict[str, Any]) -> None:
        """Change the gateway's key towards a merchant."""

    @abstractmethod
    def notification(self, notice: Notice, mutations: frozenset[str]) -> Message:
        """Write a notification down, signed now, wrong in the ways named."""

    @abstractmethod
    def accepted(self, status: int, body: bytes) -> bool:
        """Tell whether a merchant's answer means that it need not be told again."""

    @abstractmethod
    def qr(self, order: Order) -> str:
        """Return what the QR code of an order says, "" if it has none."""

    @abstractmethod
    def new_gateway_number(self) -> str:
        """Make the gateway's own number for a payment."""

    def announce_payment(self, order: Order) -> None:
        """Tell the merchant that an order was paid."""
        self.notifier.announce("payment", order)

    def announce_refund(self, refund: Refund) -> None:
        """Tell the merchant how a refund ended."""
        self.notifier.announce("refund", self.order(refund.order, refund.merchant), refund)

    def return_address(self, order: Order) -> str:
        """Return where the payer's browser goes after paying, "" to stay."""
        return order.return_url

    def opened(self, order: Order) -> None:  # noqa: B027 - most have nothing to do
        """Do what it needs when a person sees an open order for the first time, or pays it."""

    def announce_closing(self, order: Order) -> None:  # noqa: B027 - most tell nothing
        """Tell the merchant that an order was closed, where a gateway does."""

    def place_of(self, request: Request) -> str:
        """Name what a request is about, for faults and the list of requests."""
        return request.path

    def fill_bill(self, merchant: Merchant, day: str, lines: int) -> dict[str, Any]:
        """Let a day's bill be had at once, with so many payments made up."""
        raise ValueError(f"{self.title} makes no bills.")

    def extra_control(self, request: Request, path: str, values: dict[str, Any]) -> Any:
        """Do what only this gateway is asked to do; None where it is not asked that."""
        return None

    # What all do alike.

    def order(self, name: str, merchant: str = "") -> Order:
        """Find an order, closed if its time is over."""
        order = self.book.find_order(name, merchant)
        self.expire(order)
        return order

    def expire(self, order: Order) -> None:
        """Close an order that nobody paid in time."""
        if order.state is OrderState.OPEN and order.expires <= self.clock.now():
            with self.book.changing():
                if order.state is OrderState.OPEN:
                    order.state = OrderState.CLOSED
                    self.announce_closing(order)

    def pay(
        self, order: Order, amount: int | None = None, payer: str = "", notify: bool = True
    ) -> None:
        """Pay an order, in full unless told otherwise, and tell the merchant."""
        with self.book.changing():
            self.expire(order)
            if order.state is not OrderState.OPEN:
                raise StateError(f"Order {order.number} is {order.state}, so it cannot be paid.")
            self.opened(order)
            order.state = OrderState.PAID
            order.paid_amount = order.amount if amount is None else amount
            order.paid_at = self.clock.now()
            order.payer = payer or order.payer or f"o{secrets.token_urlsafe(20)[:27]}"
            if not order.gateway_number:
                order.gateway_number = self.new_gateway_number()
            self.book.name_order(order, order.gateway_number)
            if notify:
                self.announce_payment(order)

    def close(self, order: Order) -> None:
        """Close an order that is not paid; one that is closed stays so."""
        with self.book.changing():
            self.expire(order)
            if order.state is OrderState.PAID:
                raise StateError(f"Order {order.number} is paid, so it cannot be closed.")
            if order.state is OrderState.OPEN:
                order.state = OrderState.CLOSED
                self.announce_closing(order)

    def finish_refund(self, refund: Refund, state: RefundState, notify: bool = True) -> None:
        """End a refund, well or not, and tell the merchant; an abnormal one can still be mended."""
        with self.book.changing():
            if refund.state not in (RefundState.PROCESSING, RefundState.ABNORMAL):
                raise StateError(f"Refund {refund.number} is {refund.state} already.")
            if state is RefundState.PROCESSING:
                raise StateError("A refund ends as success, abnormal or closed.")
            refund.state = state
            refund.finished_at = self.clock.now()
            if notify:
                self.announce_refund(refund)

    def finish_by_itself(self, refund: Refund) -> None:
        """End a refund well, as most do, unless somebody wants to end it by hand."""
        with self.book.lock:
            if self.refunds_by_themselves and refund.state is RefundState.PROCESSING:
                self.finish_refund(refund, RefundState.SUCCESS)

    def cashier_address(self, order: Order) -> str:
        """Return the page on which a person pays an order."""
        return f"{self.address}/cashier/{order.token}"

    def order_view(self, order: Order) -> dict[str, Any]:
        """Show an order to whoever controls the simulator."""
        self.expire(order)
        with self.book.lock:
            refunds = self.book.refunds_of(order)
            return asdict(order) | {
                "refunded": self.book.refunded(order),
                "refunds": [refund.number for refund in refunds],
                "qr": self.qr(order),
                "cashier": self.cashier_address(order),
            }
