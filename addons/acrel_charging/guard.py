"""The limit of a session that the link enforces by itself."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Guard(NamedTuple):
    """How far a session may go: Wh since its start, and a time (UTC); None means no limit."""

    energy_wh: int | None = None
    until: datetime | None = None

    def counts(self, unit_wh: int) -> int | None:
        """Energy limit in whole register counts, rounded down: never more than what is allowed."""
        if self.energy_wh is None:
            return None
        return max(0, self.energy_wh) // unit_wh

    def tighten(self, other: Guard) -> Guard:
        """Return the stricter of two guards in each of both limits."""
        return Guard(
            _least(self.energy_wh, other.energy_wh),
            _least(self.until, other.until),
        )


def _least(left, right):
    """Return the smaller of two limits, where None is no limit."""
    if left is None:
        return right
    if right is None:
        return left
    return min(left, right)
