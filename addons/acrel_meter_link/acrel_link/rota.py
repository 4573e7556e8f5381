"""At what time of its interval each meter is polled, so that polls never bunch.

An interval is cut into cells of a tenth of a second. A meter wants the cell that its id gives it
(multiples of the golden ratio lie evenly, however many there are), and takes the next one behind
it that is no fuller than the average. So no cell ever holds more than the average and one, however
many meters connect at once and whatever their ids are, and after a restart each finds its own
place again. All times are those of the event loop's clock, which nobody sets.
"""

from dataclasses import dataclass, field

CELL = 0.1  # s
GOLDEN = 0.6180339887498949
SOONEST = 0.25
"""Of an interval: a meter that was polled a moment ago is not polled again before."""


def own_place(meter_id: int) -> float:
    """Return where in an interval a meter wants to be, from 0 to 1."""
    return meter_id * GOLDEN % 1.0


@dataclass
class _Places:
    """Who is polled when in one interval."""

    loads: list[int]
    cells: dict[int, int] = field(default_factory=dict)  # by meter id

    def take(self, meter_id: int) -> int:
        cell = self.cells.get(meter_id)
        if cell is None:
            count, average = len(self.loads), len(self.cells) // len(self.loads)
            cell = int(own_place(meter_id) * count)
            while self.loads[cell] > average:
                cell = (cell + 1) % count
            self.loads[cell] += 1
            self.cells[meter_id] = cell
        return cell

    def leave(self, meter_id: int) -> None:
        self.loads[self.cells.pop(meter_id)] -= 1


class Rota:
    """The places of all meters of one process; each has one at a time."""

    def __init__(self):
        self._places: dict[float, _Places] = {}  # by interval
        self._intervals: dict[int, float] = {}  # by meter id

    def next(self, meter_id: int, interval: float, now: float) -> float:
        """Return the loop's time at which a meter is polled next.

        A meter that keeps to an interval is polled every interval; one that comes to it waits
        between a quarter and five quarters of it.
        """
        if self._intervals.get(meter_id) != interval:
            self.forget(meter_id)
            self._intervals[meter_id] = interval
        places = self._places.get(interval)
        if places is None:
            places = self._places[interval] = _Places([0] * max(1, round(interval / CELL)))
        cell = places.take(meter_id)
        place = (cell + own_place(meter_id)) / len(places.loads) * interval
        wait = (place - now) % interval
        return now + (wait if wait >= SOONEST * interval else wait + interval)

    def first(self, meter_id: int, interval: float, now: float) -> float:
        """Return when a meter that has just connected is polled first: within an interval."""
        at = self.next(meter_id, interval, now)
        return at if at - now <= interval else at - interval

    def forget(self, meter_id: int) -> None:
        """Free the place of a meter that is gone."""
        interval = self._intervals.pop(meter_id, None)
        if interval is None:
            return
        places = self._places[interval]
        places.leave(meter_id)
        if not places.cells:
            del self._places[interval]
