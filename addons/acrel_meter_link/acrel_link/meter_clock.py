"""A meter's clock against the database's: set when it is off, told when it stays wrong."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .clock import to_datetime
from .context import Context
from .decoders import clock_is_bcd, encode_clock
from .errors import ProtocolError
from .incidents import Subject
from .register_map import Layout
from .transparent import GoneError, NoAnswerError
from .writes import Write

if TYPE_CHECKING:
    from .unit import Unit

log = logging.getLogger(__name__)

OFF = timedelta(seconds=5)
"""A clock that is off by more is set."""
WRONG = timedelta(seconds=180)
"""A clock that is off by more is an event as long as it is."""
PAUSE = 3600.0  # s between two settings of one clock


class MeterClock:
    """The clock of one meter on its present connection.

    Command 93 is the way that the protocol has; the meter asks it when it likes. The clock's own
    registers are written where the map allows it and what was read tells its coding.
    """

    def __init__(self, unit: Unit, context: Context):
        self._unit, self._context = unit, context
        self._subject = Subject(meter=unit.spec.id)
        self._register = next(
            (each for each in unit.profile.map.registers if each.write == "clock"), None
        )
        self._set_at: float | None = None
        self._task: asyncio.Task | None = None
        self.bcd: bool | None = None

    def seen(self, plan: Layout, data: bytes, shown: datetime | None, stamp: int) -> None:
        """Compare the clock in a polled reading with the time it was read at."""
        raw = plan.clock_bytes(data)
        if raw is None:
            return
        incidents, now = self._context.incidents, self._now(to_datetime(stamp))
        if shown is not None:
            off = abs(shown - now)
            if off <= OFF:
                if self.bcd is None:
                    self.bcd = clock_is_bcd(raw, now.date())
                incidents.end("clock_off", self._subject)
                return
            self.bcd = clock_is_bcd(raw, now.date())
            if off > WRONG:
                seconds = round((shown - now).total_seconds())
                incidents.begin(
                    "clock_off",
                    self._subject,
                    f"The clock is off by {seconds} s: it reads {shown}.",
                )
            else:
                incidents.end("clock_off", self._subject)
            self._set()

    def _now(self, moment: datetime) -> datetime:
        return moment + self._context.settings.meter_time.utcoffset(None)

    def _set(self) -> None:
        loop = asyncio.get_running_loop()
        if self._register is None or self.bcd is None or self._unit.epoch is None:
            return
        if self._set_at is not None and loop.time() < self._set_at + PAUSE:
            return
        self._set_at = loop.time()
        self._task = loop.create_task(self._write())

    async def _write(self) -> None:
        now = self._now(self._context.clock.now())
        data = encode_clock(now, self.bcd)
        words = tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, 6, 2))
        try:
            await self._unit.write(Write(self._register.address, words), check=False)
        except (NoAnswerError, GoneError, ProtocolError) as error:
            log.info("The clock of %s is not set: %s", self._unit, error)
