"""Guards in the hands of a meter agent at the site, which opens while its line is away.

The link goes on enforcing every guard itself. Behind an agent it also hands each guard over
before the output closes, again whenever it moves, and at each registration; it takes a guard away
only when the output is known to be open. What is told to an agent whose line breaks just then is
told again with the next one.
"""

from __future__ import annotations

import asyncio
import calendar
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .clock import EPOCH, Clock
from .contactor import StepError
from .context import Context
from .decision import carried_out, guard_register
from .guard_order import GUARD, GuardOrder, GuardReport, Outcome, build_order
from .incidents import Subject
from .master import Wanted
from .reading import Reading
from .transparent import GoneError

if TYPE_CHECKING:
    from .output import Output
    from .unit import Unit

_MOST_REGISTER = 2**32 - 1
_UNIX_EPOCH = calendar.timegm(EPOCH.timetuple())
_LATE = timedelta(seconds=3)  # behind the link's time: it waited for the line

Place = tuple[int, int]
"""Slave address and number of an output."""


class Entrusted:
    """What the agent behind one connection was told, and what it has taken over."""

    def __init__(self, send: Callable[[int, bytes], None], timeout: float, clock: Clock):
        self._send, self._timeout, self._clock = send, timeout, clock
        self._loop = asyncio.get_running_loop()
        self._told: dict[Place, tuple[GuardOrder, float]] = {}
        self._taken: dict[Place, GuardOrder] = {}
        self._waiting: dict[Place, asyncio.Future[Outcome]] = {}

    def tell(self, order: GuardOrder) -> None:
        """Send an order, unless the agent knows it or may still be answering it."""
        place = order[:2]
        if self._taken.get(place) == order:
            return
        told, at = self._told.get(place, (None, 0.0))
        now = self._loop.time()
        if told != order or now - at > self._timeout:
            self._told[place] = (order, now)
            self._send(GUARD, build_order(order, self._clock.unix_ms() // 1000))

    async def hand_over(self, order: GuardOrder) -> None:
        """Wait until the agent has taken a guard over; raise `StepError` when it does not."""
        place = order[:2]
        waiting = self._waiting[place] = self._loop.create_future()
        self._taken.pop(place, None)
        self._told.pop(place, None)
        self.tell(order)
        try:
            async with asyncio.timeout(self._timeout):
                outcome = await waiting
        except TimeoutError as error:
            raise StepError("the meter agent did not take its guard over") from error
        finally:
            del self._waiting[place]
        if outcome is Outcome.REFUSED:
            raise StepError("the meter agent has no meter with this slave address")
        if outcome is not Outcome.KEPT:
            raise StepError("the meter agent says that its guard is reached")

    def replied(self, report: GuardReport) -> None:
        """Take an agent's answer, or what it tells by itself."""
        place = report[:2]
        order, _ = self._told.get(place, (None, 0.0))
        if order is None or order.revision != report.revision:
            return
        if report.outcome is not Outcome.REFUSED:
            self._taken[place] = order
        waiting = self._waiting.get(place)
        if waiting is not None and not waiting.done():
            waiting.set_result(report.outcome)

    def close(self) -> None:
        """Give up what is waited for: the connection is closed."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(GoneError("The connection was closed."))

    @staticmethod
    def is_late(reading: Reading, local: datetime, known: int | None) -> bool:
        """Tell whether an agent's upload waited, while its meter was read by polls meanwhile.

        Such a reading is stored, but it is no news: no register fell, and no guard goes by it.

        :param local: now, in the meters' local time
        :param known: the meter's highest billing register
        """
        register = reading.get("e_forward")
        if register is not None and known is not None and register < known:
            return True
        return reading.clock is not None and local - reading.clock > _LATE


class Custody:
    """The guard of one output, as far as an agent watches it too."""

    def __init__(
        self,
        output: Output,
        context: Context,
        tripped: Callable[[Wanted, str, datetime], None],
    ):
        self._output, self._context, self._tripped = output, context, tripped
        self._closing: GuardOrder | None = None

    def tell(self) -> None:
        """Let the agent know the guard as it stands."""
        unit = self._output.unit
        if unit is None or unit.entrusted is None:
            return
        order = self._order(unit)
        if order is not None:
            unit.entrusted.tell(order)

    async def begin_close(self, unit: Unit, wanted: Wanted, started: Reading) -> None:
        """Hand the guard over before an output closes; only a person's may go without."""
        if unit.entrusted is None or (wanted.guard_energy is None and wanted.guard_until is None):
            return
        register = started.get("e_forward")
        limit = None if wanted.guard_energy is None else register + wanted.guard_energy
        self._closing = self._guard(unit, wanted, limit)
        if not self._closing.hold:
            await unit.entrusted.hand_over(self._closing)

    def told(self, report: GuardReport) -> None:
        """Take what an agent did at its guard: the same as if it were done from here."""
        output, done = self._output, reached(report)
        wanted = output.wanted
        if (
            done is not None
            and carried_out(wanted, output.live)
            and report.revision == wanted.revision
            and wanted.on_doubt != "hold"
            and not output.live.guard_tripped
        ):
            self._context.incidents.note(
                "guard_tripped",
                Subject(meter=output.meter_id, output=output.spec.id),
                f"The meter agent opened at the guard ({done[0]}) of revision {wanted.revision}.",
            )
            self._tripped(wanted, *done)

    def end_close(self) -> None:
        """Go by what the output is again."""
        self._closing = None

    def _order(self, unit: Unit) -> GuardOrder | None:
        output = self._output
        wanted, live = output.wanted, output.live
        if self._closing is not None:
            return self._closing
        if carried_out(wanted, live):
            return self._guard(unit, wanted, guard_register(wanted, live))
        if live.state != "open" or live.relay is not False:
            return None  # what the agent watches stays, until the output is open
        revision = 0 if wanted is None else wanted.revision
        return GuardOrder(unit.spec.slave, output.spec.number, revision, None, None, False)

    def _guard(self, unit: Unit, wanted: Wanted, register: int | None) -> GuardOrder:
        until = wanted.guard_until
        return GuardOrder(
            unit.spec.slave,
            self._output.spec.number,
            wanted.revision,
            None if register is None else min(register, _MOST_REGISTER),
            None if until is None else _UNIX_EPOCH + int((until - EPOCH).total_seconds()),
            wanted.on_doubt == "hold",
        )


def reached(report: GuardReport) -> tuple[str, datetime] | None:
    """Return which guard an agent has opened at and when (UTC); None where it did not."""
    due = {Outcome.ENERGY: "energy", Outcome.TIME: "time"}.get(report.outcome)
    return None if due is None else (due, EPOCH + timedelta(seconds=report.time - _UNIX_EPOCH))
