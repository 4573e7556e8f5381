"""The database's time, kept by the link, so that rows of several link hosts are in one order.

A stamp is a whole number of microseconds since 2000-01-01 UTC, PostgreSQL's own form.
"""

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(2000, 1, 1)
_DAY = 86_400_000_000
_UNIX = 946_684_800_000_000  # 2000-01-01 in Unix microseconds


def to_datetime(stamp: int) -> datetime:
    """Return a stamp as UTC without zone, as the database's columns hold it."""
    return EPOCH + timedelta(microseconds=stamp)


def to_date(stamp: int) -> date:
    """Return the UTC day of a stamp."""
    return _day(stamp // _DAY)


@lru_cache(maxsize=16)
def _day(number: int) -> date:
    return EPOCH.date() + timedelta(days=number)


def to_stamp(moment: datetime) -> int:
    """Return a UTC moment without zone as a stamp."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def to_unix_ms(moment: datetime) -> int:
    """Return a UTC moment without zone as Unix milliseconds."""
    return (to_stamp(moment) + _UNIX) // 1000


class Clock:
    """The database's time, measured from its answers and kept by this machine's monotonic clock.

    So a step of this machine's wall clock changes nothing; one of the database's is followed.
    """

    BACK = 60_000_000  # a step back beyond this is followed, a smaller one is waited out
    STEP = 5_000_000  # from this on `on_step` is told

    def __init__(self):
        self._offset = time.time_ns() // 1000 - _UNIX - _ticks()
        self._last = 0
        self._followed = False
        self.on_step: Callable[[float], None] = lambda seconds: None

    def follow(self, database_unix_microseconds: int) -> None:
        """Take over the database's time; `on_step` is told seconds when it was set."""
        offset = database_unix_microseconds - _UNIX - _ticks()
        step, self._offset = offset - self._offset, offset
        if self._followed and abs(step) >= self.STEP:
            self.on_step(step / 1e6)
        self._followed = True

    def stamp(self) -> int:
        """Return now; two readings of a process never bear the same stamp."""
        stamp = _ticks() + self._offset
        if self._last - self.BACK < stamp <= self._last:
            stamp = self._last + 1
        self._last = stamp
        return stamp

    def unix_ms(self) -> int:
        """Return now as Unix milliseconds."""
        return (_ticks() + self._offset + _UNIX) // 1000

    def now(self) -> datetime:
        """Return now as UTC without zone."""
        return to_datetime(_ticks() + self._offset)


def _ticks() -> int:
    return time.monotonic_ns() // 1000
