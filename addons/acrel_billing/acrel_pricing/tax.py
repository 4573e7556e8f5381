"""The tax that a gross amount includes, by line and by rate."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from .rounding import half_up, largest_remainder


def share_tax(lines: Sequence[tuple[int, Decimal]]) -> list[int]:
    """Return the tax in fen of each line (gross in fen, included rate in percent).

    Per rate the tax is that of the rate's whole gross, half-up, and its lines share it by largest
    remainder, ties to the earlier line.
    """
    taxes = [0] * len(lines)
    for rate in dict.fromkeys(rate for _gross, rate in lines):
        of_rate = [index for index, line in enumerate(lines) if line[1] == rate]
        included = Fraction(rate) / (100 + Fraction(rate))
        shares = [lines[index][0] * included for index in of_rate]
        parts = largest_remainder(half_up(sum(shares)), shares)
        for index, part in zip(of_rate, parts, strict=True):
            taxes[index] = part
    return taxes
