"""Whether a month's frozen register fits our own readings around the freeze."""

TOLERANCE = 10
"""Counts of 0.01 kWh that a frozen register may differ."""


def disagreement(frozen: int, before: int | None, after: int | None) -> str | None:
    """Return what our readings around a freeze say against its register; None when nothing."""
    if before is not None and frozen < before - TOLERANCE:
        return f"it had read {before} before"
    if after is not None and frozen > after + TOLERANCE:
        return f"it read {after} afterwards"
    return None
