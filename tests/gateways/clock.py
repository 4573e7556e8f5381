"""The gateway's clock, which can be made wrong."""

import time
from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))


class Clock:
    """Tell the time, off by as many seconds as was asked for."""

    def __init__(self):
        self.offset = 0.0

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + self.offset

    def today(self) -> str:
        """Return the day in Beijing, as 2026-11-22."""
        return beijing(self.now()).date().isoformat()


def beijing(seconds: float) -> datetime:
    """Return a moment in Beijing's time."""
    return datetime.fromtimestamp(seconds, BEIJING)
