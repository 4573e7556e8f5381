"""Readings wanted at certain moments, such as where a price changes: rows of acrel_read_at.

Why somebody wants them is not known here. Moments are of the database's clock. When that is set
forward, what was passed is read at once; set back, a moment that comes again is read again.
"""

import asyncio
from datetime import datetime, timedelta

from .clock import Clock
from .database import Database
from .polls import Polls
from .rota import own_place

AHEAD = timedelta(hours=1)
"""So far ahead they are known, and thus read also while PostgreSQL is away."""
BEHIND = timedelta(seconds=10)
SPREAD = 1.0  # s over which the meters that are wanted at one moment are read
STEP = 1.0  # s between looks at the clock, which may be set
REMEMBERED = 60.0  # s for which a moment that was read is not taken up again

LOAD = "SELECT at, meter_id FROM acrel_read_at WHERE at > %s AND at <= %s"

Moment = tuple[datetime, int]
"""When, and the meter's id."""


class Moments:
    """Reads the meters of this process when they are wanted."""

    def __init__(self, clock: Clock, polls: Polls):
        self._clock, self._polls = clock, polls
        self._loop = asyncio.get_running_loop()
        self._wanted: set[Moment] = set()
        self._done: dict[Moment, float] = {}

    async def refresh(self, database: Database) -> None:
        """Read what is wanted within the next hour."""
        now = self._clock.now()
        rows = set(await database.fetch(LOAD, (now - BEHIND, now + AHEAD)))
        limit = self._loop.time() - REMEMBERED
        self._done = {moment: at for moment, at in self._done.items() if at > limit}
        jumped_over = {moment for moment in self._wanted if moment[0] <= now}
        self._wanted = (rows | jumped_over) - self._done.keys()

    async def run(self) -> None:
        """Read what is due, for as long as the process runs."""
        while True:
            self._due(self._clock.now())
            left = STEP
            if self._wanted:
                left = (min(self._wanted)[0] - self._clock.now()).total_seconds()
            await asyncio.sleep(min(max(left, 0.01), STEP))

    def _due(self, now: datetime) -> None:
        due = {moment for moment in self._wanted if moment[0] <= now}
        if not due:
            return
        self._wanted -= due
        self._done.update(dict.fromkeys(due, self._loop.time()))
        for meter_id in {meter_id for _, meter_id in due}:
            unit = self._polls.units.get(meter_id)
            if unit is not None:
                self._loop.call_later(own_place(meter_id) * SPREAD, unit.read_now)
