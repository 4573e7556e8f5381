"""A session's register curve, split at the boundaries of the tariff's periods.

Times are UTC, naive or aware; a boundary's register is interpolated linearly in time between the
readings around it, once, to whole Wh, half-up. Where the meter was silent over several periods its
energy is so spread evenly over the silence. One slice's end is the next one's start, so the
slices' energy sums to the register difference exactly.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from fractions import Fraction
from itertools import pairwise
from operator import itemgetter

from .rounding import half_up
from .tariff import Period, TariffVersion

#: (time, raw register), first = start, last = end, neither ever going back
Curve = list[tuple[datetime, int]]

_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One stretch of time in one period of one local day."""

    day: date
    period: Period
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Slice(Occurrence):
    """An occurrence with the energy register at its start and end, in Wh."""

    start_wh: int
    end_wh: int

    @property
    def wh(self) -> int:
        """Return the energy of the slice."""
        return self.end_wh - self.start_wh


def as_utc(moment: datetime) -> datetime:
    """Return `moment` aware, in UTC; a naive one is UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _checked(curve: Curve) -> Curve:
    """Return the curve with aware times, or say what no pricing can be based on."""
    if not curve:
        raise ValueError("A curve needs at least one reading.")
    aware = [(as_utc(moment), raw) for moment, raw in curve]
    for (earlier, low), (later, high) in pairwise(aware):
        if later < earlier:
            raise ValueError(f"The curve goes back in time: {later} follows {earlier}.")
        if high < low:
            raise ValueError(f"The register goes back at {later}: {high} follows {low}.")
    return aware


def _label(moment: datetime, version: TariffVersion, tz: tzinfo) -> tuple[date, Period]:
    local = moment.astimezone(tz)
    return local.date(), version.period_at(local.hour * 60 + local.minute)


def period_of(moment: datetime, version: TariffVersion, tz: tzinfo) -> Period:
    """Return the period that the local clock is in at `moment`."""
    return _label(as_utc(moment), version, tz)[1]


def _clock_change(before: datetime, after: datetime, tz: tzinfo) -> datetime:
    """Return the first second in (before, after] at which the zone's offset has changed."""
    offset = before.astimezone(tz).utcoffset()
    low, high = 0, -((before - after) // _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        if (before + middle * _SECOND).astimezone(tz).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return before.replace(microsecond=0) + high * _SECOND


def _next_change(moment: datetime, period: Period, tz: tzinfo) -> datetime:
    """Return when the local clock next leaves the period, or jumps, whichever is first."""
    local = moment.astimezone(tz)
    into_day = timedelta(
        hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond
    )
    leaves = moment + period.end * _MINUTE - into_day
    if leaves.astimezone(tz).utcoffset() == local.utcoffset():
        return leaves
    return _clock_change(moment, leaves, tz)


def occurrences(
    start: datetime, end: datetime, version: TariffVersion, tz: tzinfo
) -> Iterator[Occurrence]:
    """Yield the stretches of [start, end] by local day and period; a moment yields one.

    The local clock decides, so a day on which it jumps has a shorter, longer or repeated period.
    """
    start, end = as_utc(start), as_utc(end)
    label, since, moment = _label(start, version, tz), start, start
    while True:
        moment = _next_change(moment, _label(moment, version, tz)[1], tz)
        if moment >= end:
            yield Occurrence(*label, since, end)
            return
        following = _label(moment, version, tz)
        if following != label:
            yield Occurrence(*label, since, moment)
            label, since = following, moment


def boundaries(
    start: datetime, end: datetime, version: TariffVersion, tz: tzinfo
) -> list[datetime]:
    """Return the moments strictly within (start, end) at which a price may change."""
    return [stretch.end for stretch in occurrences(start, end, version, tz)][:-1]


def _register_wh(curve: Curve, moment: datetime, unit_wh: int) -> int:
    """Return the register at `moment`, in whole Wh; of readings of one time the last counts."""
    after = bisect_right(curve, moment, key=itemgetter(0))
    earlier, low = curve[after - 1]
    later, high = curve[after]
    way = Fraction((moment - earlier) // timedelta(microseconds=1))
    way /= (later - earlier) // timedelta(microseconds=1)
    return half_up((low + (high - low) * way) * unit_wh)


def split(curve: Curve, unit_wh: int, version: TariffVersion, tz: tzinfo) -> list[Slice]:
    """Return the slices of the curve by local day and period; their energy sums to the curve's.

    `unit_wh` is the energy of one count of the register.
    """
    curve = _checked(curve)
    (first_at, first), (last_at, last) = curve[0], curve[-1]
    stretches = list(occurrences(first_at, last_at, version, tz))
    marks = [first * unit_wh]
    marks += [_register_wh(curve, stretch.end, unit_wh) for stretch in stretches[:-1]]
    marks.append(last * unit_wh)
    return [
        Slice(stretch.day, stretch.period, stretch.start, stretch.end, low, high)
        for stretch, (low, high) in zip(stretches, pairwise(marks), strict=True)
    ]


def thin(curve: Curve, version: TariffVersion, tz: tzinfo) -> Curve:
    """Return the few readings that decide the price: the ends, and those around each boundary."""
    aware = _checked(curve)
    times = [moment for moment, _raw in aware]
    kept = {0, len(curve) - 1}
    for moment in boundaries(times[0], times[-1], version, tz):
        after = bisect_right(times, moment)
        kept |= {after - 1, after}
    return [curve[index] for index in sorted(kept)]
