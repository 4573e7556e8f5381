"""The live rows of meters: moved to their newest readings, under load not with each of them."""

import asyncio
from collections.abc import Callable, Sequence

import psycopg

from .arrays import integers
from .clock import to_datetime
from .reading import Reading
from .store_sql import MOVE

AT_ONCE = 100
SECONDS = 1.0
"""Live rows of up to `AT_ONCE` meters move with their readings, of more so often at most."""


class LiveMeters:
    """Which live rows are behind the readings that are stored, and since when."""

    def __init__(self, wake: Callable[[], None]):
        self._wake = wake  # asks for a transaction, when no reading brings one
        self.behind: set[int] = set()
        self._span = (0, 0)  # first and last stamp of their readings
        self._moved_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def heard(self, readings: Sequence[Reading]) -> None:
        """Note whose readings are stored now."""
        stamps = [reading.stamp for reading in readings]
        if self.behind:
            stamps += self._span
        self._span = min(stamps), max(stamps)
        self.behind.update([reading.meter_id for reading in readings])

    def due(self, hurry: bool) -> bool:
        """Tell whether rows are to be moved in this transaction; else ask for a later one."""
        if not self.behind:
            return False
        left = self._moved_at + SECONDS - asyncio.get_running_loop().time()
        if hurry or left <= 0 or len(self.behind) <= AT_ONCE:
            return True
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(left, self._ring)
        return False

    def _ring(self) -> None:
        self._timer = None
        if self.behind:
            self._wake()

    async def move(self, cursor: psycopg.AsyncCursor) -> None:
        """Move the rows that are behind, and wake the engine."""
        await cursor.execute(MOVE, (integers(self.behind), *map(to_datetime, self._span)))

    def moved(self) -> None:
        """Take notice that the transaction of `move` is committed."""
        self.behind.clear()
        self._moved_at = asyncio.get_running_loop().time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
