"""The two roundings of money: half-up of one figure, largest remainder of a split total."""

from decimal import Decimal
from fractions import Fraction


def half_up(value: Decimal | Fraction | int) -> int:
    """Return the nearest whole number; exactly a half goes away from zero."""
    exact = abs(Fraction(value))
    whole = (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    return whole if value >= 0 else -whole


def largest_remainder(total: int, shares: list[Fraction]) -> list[int]:
    """Split `total` into whole parts as close to `shares` as whole numbers can be.

    `shares` are not negative and sum to within one of `total` for every share. Each part is its
    share's floor; what is left goes, one each, to the largest remainders, ties to the earlier one.
    """
    parts = [share.numerator // share.denominator for share in shares]
    left = total - sum(parts)
    if not 0 <= left <= len(parts):
        raise ValueError(f"{total} cannot be split in shares that sum to {sum(shares)}.")
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - shares[i], i))
    for index in by_remainder[:left]:
        parts[index] += 1
    return parts
