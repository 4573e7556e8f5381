"""Whether periods of the day cover it, each minute exactly once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

DAY_MINUTES = 24 * 60


def clock(minute: int) -> str:
    """Return a minute of the day as 07:30; the day's end is 24:00."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Minutes [start, end) of the day that no period covers, or two, or that are no minutes."""

    kind: Literal["gap", "overlap", "range"]
    start: int
    end: int

    def __str__(self) -> str:
        """Say what is wrong and what to do."""
        span = f"{clock(self.start)} to {clock(self.end)}"
        if self.kind == "gap":
            return f"No period covers {span}: add one or stretch a neighbour."
        if self.kind == "overlap":
            return f"Two periods cover {span}: shorten one of them."
        return f"A period runs from {span}: it must end after its start, within 00:00 to 24:00."


def faults(spans: Iterable[tuple[int, int]]) -> list[Fault]:
    """Return what keeps `spans` of minutes [start, end) from covering the day exactly once."""
    ordered = sorted(spans)
    impossible = [
        Fault("range", start, end) for start, end in ordered if not 0 <= start < end <= DAY_MINUTES
    ]
    if impossible:
        return impossible
    found = []
    covered = 0
    for start, end in ordered:
        if start > covered:
            found.append(Fault("gap", covered, start))
        elif start < covered:
            found.append(Fault("overlap", start, min(end, covered)))
        covered = max(covered, end)
    if covered < DAY_MINUTES:
        found.append(Fault("gap", covered, DAY_MINUTES))
    return found
