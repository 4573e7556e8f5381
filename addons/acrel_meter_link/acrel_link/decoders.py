"""What the bytes of registers mean that are no numbers: clocks, moments, tariff tables.

Pure functions; a value that cannot be is None, never an exception, since a meter that was never
set holds anything. The `encode_` functions take what `decode_` returned and refuse anything else.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from .errors import RegisterError

# === The clock === #

_IMPLAUSIBLE = timedelta(days=730)
_BCD = bytes(
    10 * (byte >> 4) + (byte & 15) if byte >> 4 < 10 and byte & 15 < 10 else 255
    for byte in range(256)
)


@lru_cache(maxsize=8192)
def decode_clock(raw: bytes, near: date) -> datetime | None:
    """Return what the clock's six bytes say: second, minute, hour, day, month, year.

    Whether they are BCD or binary is not published, so the reading that is nearer to `near` (the
    day of receipt) is taken, and neither when both are more than two years away from it: in this
    century the two readings of a year differ by six years and more from 2010 on.
    """
    best, distance = None, _IMPLAUSIBLE
    for values in (raw, raw.translate(_BCD)):
        moment = _moment(values)
        if moment is not None and (apart := abs(moment.date() - near)) < distance:
            best, distance = moment, apart
    return best


def decode_calendar(raw: bytes, near: date) -> datetime | None:
    """Return what year, month, day, weekday, hour, minute, second and a spare byte say."""
    year, month, day, _weekday, hour, minute, second = raw[:7]
    return decode_clock(bytes((second, minute, hour, day, month, year)), near)


def clock_is_bcd(raw: bytes, near: date) -> bool | None:
    """Return the coding of a clock as it was read; None when it does not tell."""
    binary, coded = (
        moment is not None and abs(moment.date() - near) < _IMPLAUSIBLE
        for moment in (_moment(raw), _moment(raw.translate(_BCD)))
    )
    return None if binary is coded else coded


def encode_clock(moment: datetime, bcd: bool) -> bytes:
    """Return the clock's six bytes in a coding."""
    values = (moment.second, moment.minute, moment.hour)
    values += (moment.day, moment.month, moment.year % 100)
    return bytes(value // 10 << 4 | value % 10 if bcd else value for value in values)


def _moment(values: bytes) -> datetime | None:
    second, minute, hour, day, month, year = values
    try:
        return datetime(2000 + year, month, day, hour, minute, second)
    except ValueError:
        return None  # these bytes are no date


def decode_moment(raw: bytes, near: date, bcd: bool) -> datetime | None:
    """Return when a demand or an extreme occurred, of minute, hour, day and month.

    The year is not told: it is the last one in which the moment lies before the day after `near`.
    """
    minute, hour, day, month = raw.translate(_BCD) if bcd else raw
    for year in range(near.year + 1, near.year - 9, -1):  # 29 February: up to eight years ago
        try:
            moment = datetime(year, month, day, hour, minute)
        except ValueError:
            continue  # no moment of this year, or of none
        if moment.date() <= near + timedelta(days=1):
            return moment
    return None


# === Tariff tables === #

RATES = {1: "sharp", 2: "peak", 3: "flat", 4: "valley"}
PERIODS = 14
ZONES = 4


class Period(NamedTuple):
    """From a minute of the day on, a rate (1 to 4) is valid."""

    rate: int
    minute: int


class Zone(NamedTuple):
    """From a day of the year on, a day table (1 to 3) is valid."""

    table: int
    month: int
    day: int


def decode_periods(raw: bytes) -> tuple[Period, ...] | None:
    """Return the periods of a day table, 14 times rate, minute and hour in one byte each.

    Unused places behind the last period hold rate 0 or repeat the one before. None when a place
    holds what is no period, or when they do not ascend.
    """
    periods: list[Period] = []
    for at in range(0, 3 * PERIODS, 3):
        rate, minute, hour = raw[at : at + 3]
        if rate == 0:
            if any(raw[at::3]):
                return None  # a hole
            break
        period = Period(rate, 60 * hour + minute)
        if rate not in RATES or minute > 59 or hour > 23:
            return None
        if periods and period == periods[-1]:
            continue
        if periods and period.minute <= periods[-1].minute:
            return None
        periods.append(period)
    return tuple(periods)


def encode_periods(periods: Sequence[Period]) -> bytes:
    """Return a day table; places that are not used hold zeros."""
    if not 1 <= len(periods) <= PERIODS:
        raise RegisterError(f"A day table has 1 to {PERIODS} periods, not {len(periods)}.")
    raw = b"".join(bytes((rate, minute % 60, minute // 60)) for rate, minute in periods)
    raw = raw.ljust(3 * PERIODS, b"\0")
    if decode_periods(raw) != tuple(periods):
        raise RegisterError("The periods of a day have rates 1 to 4 and ascend without repeating.")
    return raw


def decode_zones(raw: bytes) -> tuple[Zone, ...] | None:
    """Return the zones of the year, 4 times table, day and month in one byte each."""
    zones = []
    for at in range(0, 3 * ZONES, 3):
        table, day, month = raw[at : at + 3]
        if table == 0:
            continue
        if table > 3 or not _is_day(month, day):
            return None
        zones.append(Zone(table, month, day))
    return tuple(zones)


def encode_zones(zones: Sequence[Zone]) -> bytes:
    """Return the zones of the year; places that are not used hold zeros."""
    if not 1 <= len(zones) <= ZONES:
        raise RegisterError(f"A year has 1 to {ZONES} zones, not {len(zones)}.")
    raw = b"".join(bytes((table, day, month)) for table, month, day in zones)
    raw = raw.ljust(3 * ZONES, b"\0")
    if decode_zones(raw) != tuple(zones):
        raise RegisterError("A zone has table 1 to 3 and begins at a day of the year.")
    return raw


def _is_day(month: int, day: int) -> bool:
    try:
        date(2000, month, day)
    except ValueError:
        return False
    return True


# === Bits === #


def bits(names: Sequence[str], word: int) -> tuple[str, ...]:
    """Return the names of the bits that are set, from bit 0 on."""
    return tuple(name for bit, name in enumerate(names) if word >> bit & 1)
