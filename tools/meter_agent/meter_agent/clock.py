"""The time: the server's once it has told it, this box's clock until then.

A box without a battery clock may wake up in the past. Its clock is believed only when it is not
behind the newest file of the state folder.
"""

import os
import time
from pathlib import Path

_BEHIND = 60.0  # s that file times may be ahead of the clock
GRACE = 60.0  # s after the start in which the server may still tell the time


class Clock:
    """Unix time in seconds that no setting of the wall clock moves after the server's answer."""

    def __init__(self, state: Path):
        newest = max((entry.stat().st_mtime for entry in os.scandir(state)), default=0.0)
        self._plausible = time.time() >= newest - _BEHIND
        self._started = elapsed()
        self._offset: float | None = None

    def now(self) -> float:
        """Return the Unix time."""
        return time.time() if self._offset is None else elapsed() + self._offset

    @property
    def trusted(self) -> bool:
        """Whether `now` can be relied on."""
        return self._plausible or self._offset is not None

    @property
    def doubtful(self) -> bool:
        """Whether the time is unknown for longer than a reconnection takes."""
        return not self.trusted and elapsed() - self._started > GRACE

    def follow(self, unix: float) -> None:
        """Take over the server's time."""
        self._offset = unix - elapsed()


def elapsed() -> float:
    """Return seconds that go on while the box sleeps and never jump."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
