"""Tariff tables of a meter as people read and write them.

A day: `00:00 3, 08:00 2, 19:00 1, 23:00 4`, the rates 1 sharp, 2 peak, 3 flat, 4 valley from a time
on. A year: `01-01 1, 07-01 2`, the day table from a day on.
"""

import re

from .acrel_link.decoders import (
    Period,
    Zone,
    decode_periods,
    decode_zones,
    encode_periods,
    encode_zones,
)
from .acrel_link.errors import RegisterError

_PERIOD = re.compile(r"(\d\d?):(\d\d) ([1-4])")
_ZONE = re.compile(r"(\d\d?)-(\d\d?) ([1-3])")


def day_text(raw):
    """Return a day table's bytes (hexadecimal) as text; None when they are no table."""
    periods = decode_periods(bytes.fromhex(raw))
    if periods is None:
        return None
    return ", ".join(f"{minute // 60:02}:{minute % 60:02} {rate}" for rate, minute in periods)


def year_text(raw):
    """Return the zones of the year (hexadecimal) as text; None when they are none."""
    zones = decode_zones(bytes.fromhex(raw))
    return None if zones is None else ", ".join(f"{m:02}-{d:02} {table}" for table, m, d in zones)


def day_bytes(text):
    """Return a day table of text as hexadecimal; raise `RegisterError` when it is none."""
    periods = []
    for part in text.split(","):
        found = _PERIOD.fullmatch(part.strip())
        if found is None:
            raise RegisterError(f"“{part.strip()}” is no period: write for example 08:00 2.")
        hour, minute, rate = map(int, found.groups())
        if hour > 23 or minute > 59:
            raise RegisterError(f"“{part.strip()}” is no time of the day.")
        periods.append(Period(rate, 60 * hour + minute))
    return encode_periods(periods).hex()


def year_bytes(text):
    """Return the zones of the year of text as hexadecimal; raise `RegisterError` on none."""
    zones = []
    for part in text.split(","):
        found = _ZONE.fullmatch(part.strip())
        if found is None:
            raise RegisterError(f"“{part.strip()}” is no zone: write for example 07-01 2.")
        month, day, table = map(int, found.groups())
        zones.append(Zone(table, month, day))
    return encode_zones(zones).hex()
