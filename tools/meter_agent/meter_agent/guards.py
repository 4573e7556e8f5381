"""Guards that the server entrusted to the agent: kept on disk, enforced with the line or without.

A guard that is reached is written down as tripped first and then opened, so that a power cut in
between does not make the agent forget. It goes on until the relay reads open. What `hold` says is
never opened.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from acrel_link.errors import ProtocolError
from acrel_link.guard_order import GuardOrder, GuardReport, Outcome

from . import durable
from .clock import Clock
from .errors import BusError, StateError

log = logging.getLogger(__name__)

LOOK = 1.0  # s between looks at the time
RETRY_FIRST, RETRY_LAST = 0.5, 10.0  # s between tries of an opening


@dataclass(slots=True)
class Kept:
    """One guard as it stands on the disk."""

    order: GuardOrder
    tripped: Outcome | None = None
    register: int | None = None  # at which it tripped
    time: int = 0  # unix s at which it tripped
    opened: bool = False

    @property
    def report(self) -> GuardReport:
        """What the server is told about it."""
        order = self.order
        outcome = Outcome.KEPT if self.tripped is None else self.tripped
        return GuardReport(
            order.slave, order.output, order.revision, outcome, self.register, self.time
        )


class Guards:
    """All guards of this box.

    `opening(slave, output)` opens a relay and returns when it reads open; `told(report)` is
    called when a guard has opened its output.
    """

    def __init__(
        self,
        file: Path,
        clock: Clock,
        slaves: set[int],
        opening: Callable[[int, int], Awaitable[None]],
        told: Callable[[GuardReport], None],
    ):
        self._file, self._clock, self._slaves = file, clock, slaves
        self._opening, self._told = opening, told
        self._kept: dict[tuple[int, int], Kept] = {}
        self._wake = asyncio.Event()
        self._load()

    # === The file === #

    def _load(self) -> None:
        data = durable.read(self._file)
        if data is None:
            return
        try:
            for row in json.loads(data):
                order = GuardOrder(**row.pop("order"))
                tripped = row.pop("tripped")
                kept = Kept(order, tripped=None if tripped is None else Outcome(tripped), **row)
                self._kept[order.slave, order.output] = kept
        except (ValueError, TypeError, KeyError) as error:
            raise StateError(
                f"{self._file} is damaged: open the contactors by hand if the line is away, then "
                "remove the file; the server tells its guards again."
            ) from error

    def _save(self) -> None:
        rows = [{**asdict(kept), "order": kept.order._asdict()} for kept in self._kept.values()]
        durable.write(self._file, json.dumps(rows).encode())

    def _save_if_it_can(self) -> None:
        """Save what must be done anyway: an output opens also when the disk takes nothing."""
        try:
            self._save()
        except StateError as error:
            log.error("%s", error)

    # === The server's side === #

    def take(self, order: GuardOrder) -> GuardReport:
        """Take over, move or take away a guard; return what to answer."""
        place = (order.slave, order.output)
        refused = GuardReport(*place, order.revision, Outcome.REFUSED, None, int(self._clock.now()))
        if order.slave not in self._slaves:
            return refused
        before = self._kept.get(place)
        if order.empty:
            # a later revision's guard is not taken away by an order that speaks of an earlier one
            if before is not None and before.order.revision <= order.revision:
                del self._kept[place]
                self._save_if_it_can()
            return GuardReport(*place, order.revision, Outcome.KEPT, None, int(self._clock.now()))
        over = before is not None and before.tripped is not None
        if over and before.order.revision == order.revision:
            return before.report  # what has tripped is over, also where the limit moved
        if before is None or before.order != order:
            self._kept[place] = Kept(order)
            try:
                self._save()
            except StateError as error:
                # it is watched as long as this process lives, which is no promise
                log.error("%s", error)
                return refused
            log.info("Output %d of meter %d is guarded: %s.", order.output, order.slave,
                     _words(order))  # fmt: skip
        self._wake.set()
        return self._kept[place].report

    def reports(self) -> list[GuardReport]:
        """Return what the server must be told first on a new connection."""
        return [kept.report for kept in self._kept.values() if kept.tripped is not None]

    def closed_for_good(self, slave: int, output: int) -> bool:
        """Tell whether a guard has tripped here: then only a new one may close again."""
        kept = self._kept.get((slave, output))
        return kept is not None and kept.tripped is not None

    def watches(self, slave: int) -> bool:
        """Tell whether a meter is to be polled often because of a guard."""
        return any(kept.order.slave == slave and not kept.opened for kept in self._kept.values())

    # === Enforcing === #

    def measured(self, slave: int, register: int) -> None:
        """Take a billing register that was just read."""
        for kept in self._kept.values():
            order = kept.order
            due = order.register is not None and register >= order.register
            if order.slave == slave and due and kept.tripped is None:
                self._trip(kept, Outcome.ENERGY, register)

    def look(self) -> None:
        """Look at the time."""
        now, doubt = self._clock.now(), self._clock.doubtful
        for kept in self._kept.values():
            order = kept.order
            if order.time is None or kept.tripped is not None:
                continue
            if doubt or (self._clock.trusted and now >= order.time):
                self._trip(kept, Outcome.TIME, None)

    def _trip(self, kept: Kept, outcome: Outcome, register: int | None) -> None:
        order = kept.order
        if order.hold:
            return  # only a person opens this one; the server calls that person
        kept.tripped, kept.register, kept.time = outcome, register, int(self._clock.now())
        self._save_if_it_can()
        log.warning("Output %d of meter %d has reached its guard (%s): it is opened.",
                    order.output, order.slave, _words(order))  # fmt: skip
        self._wake.set()

    async def run(self) -> None:
        """Watch the time and open what has tripped, until cancelled."""
        tasks: dict[tuple[int, int], asyncio.Task] = {}
        try:
            while True:
                self._wake.clear()
                self.look()
                for place, kept in self._kept.items():
                    running = tasks.get(place)
                    if running is not None and running.done():
                        running.result()
                        running = None
                    if running is None and kept.tripped is not None and not kept.opened:
                        tasks[place] = asyncio.create_task(self._open(place, kept))
                try:
                    async with asyncio.timeout(LOOK):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _open(self, place: tuple[int, int], kept: Kept) -> None:
        delay = RETRY_FIRST
        while self._kept.get(place) is kept:
            try:
                await self._opening(*place)
            except (BusError, ProtocolError) as error:
                log.error("Output %d of meter %d is not open yet: %s", place[1], place[0], error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_LAST)
                continue
            if self._kept.get(place) is kept:
                kept.opened = True
                self._save_if_it_can()
                log.warning("Output %d of meter %d is open.", place[1], place[0])
                self._told(kept.report)
            return


def _words(order: GuardOrder) -> str:
    words = []
    if order.register is not None:
        words.append(f"register {order.register}")
    if order.time is not None:
        words.append(f"unix time {order.time}")
    return " or ".join(words) + (", on doubt it holds" if order.hold else "")
