"""How often a meter is heard, learned from its own readings, so that its silence is known."""

FASTER = 8  # readings; a rhythm that becomes faster is believed that slowly
SLOWER = 2.0  # times; one gap makes a rhythm slower by no more, since it may be an outage
TOLD = 0.2  # a change by this part of what was told is told again


class Rhythm:
    """The learned seconds between two readings of one meter, on the loop's clock.

    A longer gap is believed at once, up to twice what was known; shorter ones are believed
    gradually, since uploads and polls come irregularly between one another.
    """

    __slots__ = ("_heard", "_told", "seconds")

    def __init__(self, seconds: float | None = None):
        self.seconds = seconds
        self._told = seconds
        self._heard: float | None = None

    def heard(self, now: float) -> None:
        """Take notice of a reading."""
        before, self._heard = self._heard, now
        if before is None or now <= before:
            return
        gap, known = now - before, self.seconds
        if known is None:
            self.seconds = gap
        elif gap > known:
            self.seconds = min(gap, known * SLOWER)
        else:
            self.seconds = known - (known - gap) / FASTER

    def expect(self, seconds: float) -> None:
        """Know that from now on a reading comes every so many seconds at the latest."""
        if self.seconds is None or self.seconds < seconds:
            self.seconds = seconds

    def news(self) -> bool:
        """Tell, once, whether the rhythm is another than was told last."""
        if self.seconds is None or (
            self._told is not None and abs(self.seconds - self._told) <= TOLD * self._told
        ):
            return False
        self._told = self.seconds
        return True
