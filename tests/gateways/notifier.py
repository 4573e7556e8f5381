"""Notifications: when they are sent, how often again, and what became of each."""

import base64
import heapq
import http.client
import itertools
import threading
import time
import urllib.parse
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .book import Notice, Order, Refund
from .messages import Message

if TYPE_CHECKING:
    from .gateway import Gateway

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
KEPT_DELIVERIES = 5000
MODES = ("automatic", "held")


@dataclass
class Delivery:
    """One sending of a notification and its answer; `status` 0: there was none."""

    id: str
    event: str
    order: str
    refund: str
    attempt: int
    url: str
    headers: dict[str, str]
    body: str
    status: int = 0
    answer: str = ""
    error: str = ""
    seconds: float = 0.0
    accepted: bool = False


class Notifier:
    """Send notices on the gateway's schedule, or hold them until told."""

    def __init__(self, gateway: "Gateway"):
        self._gateway = gateway
        self._wake = threading.Condition()
        self._due: list[tuple[float, int, str]] = []
        self._order = itertools.count()
        self._ids = itertools.count(1)
        self.mode = "automatic"
        self.speed = 1.0
        self.delay = 0.0
        self.repeat = 1
        self.headers: dict[str, str] = {}
        self.deliveries: list[Delivery] = []

    def start(self) -> None:
        """Begin to send; what a former process still had to send is sent now."""
        threading.Thread(target=self._run, name="notifier", daemon=True).start()
        with self._gateway.book.lock:
            left = list(self._gateway.book.notices.values())
        for notice in left:
            self._schedule(notice, self.delay)

    def announce(self, event: str, order: Order, refund: Refund | None = None) -> Notice:
        """Take in something that the merchant must be told."""
        notice = self.notice(event, order, refund)
        with self._gateway.book.changing():
            self._gateway.book.notices[notice.id] = notice
        self._schedule(notice, self.delay)
        return notice

    def notice(self, event: str, order: Order, refund: Refund | None = None) -> Notice:
        """Make a notice that nobody is told of yet."""
        now = self._gateway.clock.now()
        return Notice(
            id=f"EV-{int(now * 1000)}{self._gateway.book.next_number():08d}",
            event=event,
            merchant=order.merchant,
            order=order.number,
            refund=refund.number if refund else "",
            made_at=now,
            refund_state=refund.state if refund else "",
        )

    def set_mode(self, mode: str) -> None:
        """Send by itself, or hold; what was held is sent once it is automatic again."""
        if mode not in MODES:
            raise ValueError(f"There is no mode {mode!r}; there are {', '.join(MODES)}.")
        with self._wake:
            self.mode = mode
            self._wake.notify()

    def forget(self, order: str = "", refund: str = "") -> int:
        """Forget what was to be told of an order or a refund."""
        with self._gateway.book.changing():
            notices = self._gateway.book.notices
            gone = [one.id for one in self.pending(order, refund)]
            for id_ in gone:
                del notices[id_]
        return len(gone)

    def pending(self, order: str = "", refund: str = "") -> list[Notice]:
        """List what was not accepted yet, oldest first."""
        with self._gateway.book.lock:
            return [
                notice
                for notice in self._gateway.book.notices.values()
                if order in ("", notice.order) and refund in ("", notice.refund)
            ]

    def view(self, order: str = "", refund: str = "") -> dict[str, Any]:
        """Show what is held, what waits for its time, and what was sent."""
        pending = self.pending(order, refund)
        with self._wake:
            due = {id_: when - time.monotonic() for when, _, id_ in self._due}
            deliveries = list(self.deliveries)
        entries = [
            {"id": one.id, "event": one.event, "order": one.order, "refund": one.refund}
            | {"attempts": one.attempts, "due_in": due.get(one.id)}
            for one in pending
        ]
        return {
            "mode": self.mode,
            "held": entries if self.mode == "held" else [],
            "waiting": entries if self.mode == "automatic" else [],
            "deliveries": [
                asdict(one)
                for one in deliveries
                if order in ("", one.order) and refund in ("", one.refund)
            ],
        }

    def deliver(
        self,
        notices: list[Notice],
        mutations: frozenset[str] = frozenset(),
        times: int = 1,
        connections: int = 1,
        headers: dict[str, str] | None = None,
    ) -> list[Delivery]:
        """Send notices now, in this order, and wait for the answers.

        Each of the `times` rounds sends each notice on `connections` connections at one instant.
        """
        made: list[Delivery] = []
        for _ in range(times):
            for notice in notices:
                message = self._gateway.notification(notice, mutations)
                message.headers.update(headers or {})
                made.extend(self._send_at_once(notice, message, connections))
        return made

    # The worker.

    def _schedule(self, notice: Notice, seconds: float) -> None:
        with self._wake:
            when = time.monotonic() + seconds / self.speed
            heapq.heappush(self._due, (when, next(self._order), notice.id))
            self._wake.notify()

    def _run(self) -> None:
        while not self._gateway.stopping.is_set():
            with self._wake:
                now = time.monotonic()
                if self.mode == "held" or not self._due:
                    self._wake.wait(0.5)
                    continue
                if self._due[0][0] > now:
                    self._wake.wait(min(self._due[0][0] - now, 0.5))
                    continue
                _, _, id_ = heapq.heappop(self._due)
            with self._gateway.book.lock:
                notice = self._gateway.book.notices.get(id_)
            if notice:
                # A merchant that hangs must not hold up the others.
                threading.Thread(target=self._try, args=(notice,), daemon=True).start()

    def _try(self, notice: Notice) -> None:
        message = self._gateway.notification(notice, frozenset())
        delivery = self._send_at_once(notice, message, 1)[0]
        if delivery.accepted:
            for _ in range(self.repeat - 1):
                self.deliver([notice])
            return
        if notice.attempts <= len(self._gateway.retry_delays):
            self._schedule(notice, self._gateway.retry_delays[notice.attempts - 1])
        else:
            with self._gateway.book.changing():
                self._gateway.book.notices.pop(notice.id, None)

    def _send_at_once(self, notice: Notice, message: Message, connections: int) -> list[Delivery]:
        with self._gateway.book.changing():
            notice.attempts += 1
        message.headers.update(self.headers)
        made = [
            Delivery(
                id=notice.id,
                event=notice.event,
                order=notice.order,
                refund=notice.refund,
                attempt=notice.attempts,
                url=message.url,
                headers=message.headers,
                body=_text(message.body),
            )
            for _ in range(connections)
        ]
        gate = threading.Barrier(connections)
        threads = [
            threading.Thread(target=self._send, args=(message, one, gate), daemon=True)
            for one in made
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with self._wake:
            self.deliveries.extend(made)
            del self.deliveries[:-KEPT_DELIVERIES]
        if any(one.accepted for one in made):
            with self._gateway.book.changing():
                self._gateway.book.notices.pop(notice.id, None)
        return made

    def _send(self, message: Message, delivery: Delivery, gate: threading.Barrier) -> None:
        began = time.monotonic()
        url = urllib.parse.urlsplit(message.url)
        target = url.path + (f"?{url.query}" if url.query else "")
        try:
            if url.scheme != "http" or url.hostname not in LOOPBACK:
                raise OSError(f"not sent: {message.url} is not an http address of this machine")
            connection = http.client.HTTPConnection(
                url.hostname, url.port, timeout=self._gateway.delivery_timeout
            )
            try:
                connection.connect()
                gate.wait(self._gateway.delivery_timeout)
                connection.request("POST", target, message.body, message.headers)
                answer = connection.getresponse()
                body = answer.read()
                delivery.status = answer.status
                delivery.answer = _text(body)
                delivery.accepted = self._gateway.accepted(answer.status, body)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, threading.BrokenBarrierError) as error:
            # The others must not wait for one that never reached the gate.
            gate.abort()
            delivery.error = str(error) or type(error).__name__
        delivery.seconds = time.monotonic() - began


def _text(data: bytes) -> str:
    """Show bytes as text; those that are none, as base64."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(data).decode("ascii")
