"""Which month-ends of the meters are stored, and when to look for the next."""

from datetime import datetime, timedelta

from .database import Database

SHORTEST = timedelta(days=28)
"""Between two freezes of a meter."""

AT_ONCE, A_SECOND = 50, 5
"""Meters whose months are read: a year of them is about forty requests."""

LOAD = "SELECT meter_id, max(frozen_at) FROM acrel_meter_month GROUP BY meter_id"


class Newest:
    """The newest freeze that is stored of each meter, and when to look for the next.

    After a restart all meters may have to be looked into: so many at once, then so many a second.
    """

    def __init__(self):
        self.freezes: dict[int, datetime] = {}
        self._looks: dict[int, datetime] = {}
        self._allowed, self._allowed_at = float(AT_ONCE), 0.0

    async def load(self, database: Database) -> None:
        """Read what is stored."""
        self.freezes = dict(await database.fetch(LOAD))

    def due(self, meter_id: int, now: datetime) -> bool:
        """Tell whether a meter may hold a month that is not stored."""
        look = self._looks.get(meter_id)
        if look is None:
            newest = self.freezes.get(meter_id)
            look = self._looks[meter_id] = now if newest is None else newest + SHORTEST
        # a clock that was set back far does not keep it from being looked for
        return now >= look or look - now > SHORTEST

    def may_begin(self, now: float) -> bool:
        """Tell whether one more meter may be read now, by the loop's clock, and count it."""
        self._allowed = min(AT_ONCE, self._allowed + (now - self._allowed_at) * A_SECOND)
        self._allowed_at = now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True

    def look_again(self, meter_id: int, at: datetime) -> None:
        """Set when to look again."""
        self._looks[meter_id] = at

    def stored(self, meter_id: int, frozen_at: datetime) -> None:
        """Take notice of a stored row."""
        known = self.freezes.get(meter_id)
        if known is None or frozen_at > known:
            self.freezes[meter_id] = frozen_at
