"""What one process knows of the polls of all its meters: their places, their rhythms, their plan.

Odoo is told by acrel_meter_poll: how often each meter is polled, when it is polled next and in
which rhythm it was heard. A row is written when one of them becomes another, not at each poll: a
time that has passed is repeated every interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .clock import Clock
from .database import Database
from .rhythm import Rhythm
from .rota import Rota

if TYPE_CHECKING:
    from .unit import Unit

LOAD = "SELECT meter_id, learned_seconds FROM acrel_meter_poll WHERE learned_seconds IS NOT NULL"
# A meter that is archived or deleted meanwhile keeps no row.
WRITE = """
INSERT INTO acrel_meter_poll AS p (meter_id, every_seconds, due_at, learned_seconds)
SELECT n.* FROM unnest(%s::integer[], %s::real[], %s::timestamp[], %s::real[])
       AS n (meter_id, every_seconds, due_at, learned_seconds)
  JOIN acrel_meter m ON m.id = n.meter_id
    ON CONFLICT (meter_id) DO UPDATE
   SET every_seconds = excluded.every_seconds, due_at = excluded.due_at,
       learned_seconds = excluded.learned_seconds
"""


@dataclass(slots=True)
class _Plan:
    """What is told of one meter."""

    every: float | None = None
    due_at: datetime | None = None


class Polls:
    """The polls of one process."""

    def __init__(self, clock: Clock, now: Callable[[], float]):
        self.rota = Rota()
        self._clock, self._now = clock, now
        self.units: dict[int, Unit] = {}
        """The meters that are connected now, by id."""
        self._plans: dict[int, _Plan] = {}
        self._rhythms: dict[int, Rhythm] = {}
        self._news: set[int] = set()

    async def load(self, database: Database) -> None:
        """Read what earlier processes learned."""
        for meter_id, seconds in await database.fetch(LOAD):
            self._rhythms[meter_id] = Rhythm(seconds)

    def planned(self, meter_id: int, interval: float, wait: float) -> None:
        """Take notice of the next poll of a meter."""
        plan = self._plans.setdefault(meter_id, _Plan())
        if plan.every == interval and plan.due_at is not None:
            return
        plan.every = interval
        plan.due_at = self._clock.now() + timedelta(seconds=wait)
        self._rhythm(meter_id).expect(interval)
        self._news.add(meter_id)

    def heard(self, meter_id: int) -> None:
        """Take notice of a reading of a meter."""
        rhythm = self._rhythms.get(meter_id) or self._rhythm(meter_id)
        rhythm.heard(self._now())
        if rhythm.news():
            self._news.add(meter_id)

    def connected(self, unit: Unit) -> None:
        """Take notice of a meter that is connected."""
        self.units[unit.spec.id] = unit

    def gone(self, unit: Unit) -> None:
        """Take notice that a meter is not connected any more: no poll is planned."""
        meter_id = unit.spec.id
        if self.units.get(meter_id) is not unit:
            return
        del self.units[meter_id]
        self.rota.forget(meter_id)
        plan = self._plans.get(meter_id)
        if plan is not None and plan.due_at is not None:
            plan.due_at = None
            self._news.add(meter_id)

    async def write(self, database: Database) -> None:
        """Write what is new; what cannot be written is kept."""
        news = sorted(self._news)
        if not news:
            return
        plans = [self._plans.get(meter_id) or _Plan() for meter_id in news]
        rows = (
            news,
            [plan.every for plan in plans],
            [plan.due_at for plan in plans],
            [self._rhythm(meter_id).seconds for meter_id in news],
        )
        self._news.difference_update(news)
        try:
            await database.fetch(WRITE, rows)
        except BaseException:
            self._news.update(news)
            raise

    def _rhythm(self, meter_id: int) -> Rhythm:
        return self._rhythms.setdefault(meter_id, Rhythm())
