"""How much energy an amount still pays for, on the safe side."""

from datetime import datetime, tzinfo
from decimal import Decimal
from fractions import Fraction

from .split import boundaries
from .tariff import FEES, TariffVersion


def max_price(version: TariffVersion) -> Decimal:
    """Return the day's highest price of a kWh, all fees, in CNY."""
    return max(period.total for period in version.periods)


def energy_for(amount_fen: int, unit_price: Decimal) -> int | None:
    """Return the whole Wh that an amount pays for at a price in CNY/kWh; None = no end to it."""
    if not unit_price:
        return None
    return max(0, int(Fraction(amount_fen) * 10 / Fraction(unit_price)))


def guard_energy(
    left_fen: int, now: datetime, until: datetime, version: TariffVersion, tz: tzinfo
) -> int | None:
    """Return the Wh that may still flow from `now` to `until` without the bill passing the hold.

    `left_fen` is the hold less the cost so far, as rounded on its lines. Every kWh is taken at the
    day's highest price, and a reserve is kept for rounding: a line that goes on may round up by
    less than one fen more than its energy costs, a line yet to begin by half a fen.
    """
    to_come = len(boundaries(now, until, version, tz))
    reserve = len(FEES) + (len(FEES) * to_come + 1) // 2
    return energy_for(left_fen - reserve, max_price(version))
