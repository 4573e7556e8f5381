"""Meters that the server does not want: it closes the line at their uploads."""

import logging
import time

from .spool import Spooled

log = logging.getLogger(__name__)

TRIES = 3  # lines that end at the same upload, before its meter is left out
HELD_SECONDS = 600.0
AT_ONCE = 3.0  # s in which a server that does not want an upload closes the line


class Refusals:
    """Leaves out, for a while, a meter at whose upload line after line ends."""

    def __init__(self):
        self._frame = self._lines = 0
        self._until: dict[int, float] = {}

    def held(self) -> set[int]:
        """Return the slaves whose uploads wait for now."""
        now = time.monotonic()
        return {slave for slave, until in self._until.items() if now < until}

    def ended(self, frame: Spooled | None, waited: float) -> None:
        """Take note of the upload that was on its way when a line ended, and for how long."""
        if frame is None or waited > AT_ONCE:
            self._lines = 0
            return
        self._lines = self._lines + 1 if frame.id == self._frame else 1
        self._frame = frame.id
        if self._lines >= TRIES:
            self._lines = 0
            self._until[frame.slave] = time.monotonic() + HELD_SECONDS
            log.error(
                "The server closes the line at the uploads of slave %d. They wait for %g min and "
                "the others go on: is a meter with this slave address behind this link there?",
                frame.slave,
                HELD_SECONDS / 60,
            )
