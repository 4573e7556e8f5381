"""What a gateway remembers: merchants, orders, refunds, notices still to be delivered."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class OrderState(StrEnum):
    """What can be said of an order, in neither gateway's words."""

    OPEN = "open"
    PAID = "paid"
    CLOSED = "closed"


class RefundState(StrEnum):
    """What can be said of a refund, in neither gateway's words."""

    PROCESSING = "processing"
    SUCCESS = "success"
    ABNORMAL = "abnormal"
    CLOSED = "closed"


@dataclass
class Merchant:
    """Somebody with an account; `settings` are the gateway's own and plain JSON."""

    id: str
    name: str
    settings: dict[str, Any]


@dataclass
class Order:
    """One order. Amounts in fen, moments in seconds since the epoch."""

    merchant: str
    app: str
    number: str
    kind: str
    subject: str
    amount: int
    currency: str
    created: float
    expires: float
    notify_url: str
    token: str
    return_url: str = ""
    attach: str = ""
    gateway_number: str = ""
    state: OrderState = OrderState.OPEN
    payer: str = ""
    paid_at: float = 0.0
    paid_amount: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Refund:
    """One refund of an order. Amount in fen, moments in seconds since the epoch."""

    merchant: str
    number: str
    gateway_number: str
    order: str
    amount: int
    created: float
    reason: str = ""
    notify_url: str = ""
    state: RefundState = RefundState.PROCESSING
    finished_at: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Notice:
    """Something that a merchant must be told, and how often it was tried."""

    id: str
    event: str
    merchant: str
    order: str
    refund: str
    made_at: float
    refund_state: str = ""
    """The refund's state that is told of, whatever it became since."""
    attempts: int = 0


class NotFoundError(LookupError):
    """Nothing, or more than one thing, has that name."""


class Book:
    """Everything remembered, changed only inside `changing()`, in a file if there is one."""

    def __init__(self, file: Path | None = None):
        self.lock = threading.RLock()
        self.merchants: dict[str, Merchant] = {}
        self.orders: dict[tuple[str, str], Order] = {}
        self.refunds: dict[tuple[str, str, str], Refund] = {}
        """By merchant, order and number: at one gateway two orders may have the same one."""
        self.notices: dict[str, Notice] = {}
        self.own: dict[str, Any] = {}
        """What is the gateway's alone, such as its keys; plain JSON."""
        self._names: dict[str, list[Order]] = {}
        self._refunds_of: dict[tuple[str, str], list[Refund]] = {}
        self._refunds_named: dict[str, list[Refund]] = {}
        self._file = file
        self._depth = 0
        if file and file.exists():
            self._file = None
            self._load(json.loads(file.read_text(encoding="utf-8")))
            self._file = file

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the book alone, and write it down once the outermost change is made."""
        with self.lock:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0 and self._file:
                    self._save(self._file)

    def next_number(self) -> int:
        """Count: no two numbers of a gateway are equal."""
        with self.changing():
            self.own["sequence"] = self.own.get("sequence", 0) + 1
            return self.own["sequence"]

    def add_order(self, order: Order) -> None:
        """Remember a new order."""
        with self.changing():
            self.orders[order.merchant, order.number] = order
            self.name_order(order, order.number)
            self.name_order(order, order.token)

    def name_order(self, order: Order, name: str) -> None:
        """Let an order be found by a further name."""
        with self.lock:
            named = self._names.setdefault(name, [])
            if order not in named:
                named.append(order)

    def add_refund(self, refund: Refund) -> None:
        """Remember a new refund."""
        with self.changing():
            self.refunds[refund.merchant, refund.order, refund.number] = refund
            self._refunds_of.setdefault((refund.merchant, refund.order), []).append(refund)
            self._refunds_named.setdefault(refund.number, []).append(refund)

    def find_order(self, name: str, merchant: str = "") -> Order:
        """Find an order by the merchant's number, the gateway's number or its token."""
        found = [order for order in self.orders_named(name) if merchant in ("", order.merchant)]
        return _only(found, f"order {name}")

    def orders_named(self, name: str) -> list[Order]:
        """List the orders that have that name, of any merchant."""
        with self.lock:
            return list(self._names.get(name, []))

    def find_refund(self, number: str, merchant: str = "", order: str = "") -> Refund:
        """Find a refund by the merchant's number."""
        with self.lock:
            found = [
                refund
                for refund in self._refunds_named.get(number, [])
                if merchant in ("", refund.merchant) and order in ("", refund.order)
            ]
        return _only(found, f"refund {number}")

    def find_merchant(self, merchant: str) -> Merchant:
        """Find a merchant by its number."""
        with self.lock:
            found = self.merchants.get(merchant)
        if found is None:
            raise NotFoundError(f"There is no merchant {merchant}.")
        return found

    def refunds_of(self, order: Order) -> list[Refund]:
        """List an order's refunds, oldest first."""
        with self.lock:
            return list(self._refunds_of.get((order.merchant, order.number), []))

    def refunded(self, order: Order) -> int:
        """Add up what was refunded or is being refunded of an order, in fen."""
        return sum(
            refund.amount
            for refund in self.refunds_of(order)
            if refund.state is not RefundState.CLOSED
        )

    def _save(self, file: Path) -> None:
        text = json.dumps(
            {
                "own": self.own,
                "merchants": [asdict(merchant) for merchant in self.merchants.values()],
                "orders": [asdict(order) for order in self.orders.values()],
                "refunds": [asdict(refund) for refund in self.refunds.values()],
                "notices": [asdict(notice) for notice in self.notices.values()],
            },
            ensure_ascii=False,
        )
        aside = file.with_name(file.name + ".new")
        # The gateway's and merchants' keys are inside.
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(file)

    def _load(self, kept: dict[str, Any]) -> None:
        self.own = kept["own"]
        self.merchants = {values["id"]: Merchant(**values) for values in kept["merchants"]}
        for values in kept["orders"]:
            order = Order(**{**values, "state": OrderState(values["state"])})
            self.orders[order.merchant, order.number] = order
            for name in (order.number, order.token, order.gateway_number):
                if name:
                    self.name_order(order, name)
        for values in kept["refunds"]:
            refund = Refund(**{**values, "state": RefundState(values["state"])})
            self.add_refund(refund)
        self.notices = {values["id"]: Notice(**values) for values in kept["notices"]}


def _only(found: list, what: str):
    if not found:
        raise NotFoundError(f"There is no {what}.")
    if len(found) > 1:
        owners = ", ".join(sorted(one.merchant for one in found))
        raise NotFoundError(f"There is more than one {what}, of {owners}: add ?merchant=, ?order=.")
    return found[0]
