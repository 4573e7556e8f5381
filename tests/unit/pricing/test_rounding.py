"""Half-up to the fen and largest remainder, against the definition."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrel_pricing import gross_fen, half_up, largest_remainder, share_tax

from .strategies import prices, rates


@given(st.integers(0, 10**9), prices)
def test_line_gross_is_decimal_half_up(wh, unit_price):
    exact = Decimal(wh) / 1000 * unit_price
    assert gross_fen(wh, unit_price) == int(exact.quantize(Decimal("0.01"), ROUND_HALF_UP) * 100)


@pytest.mark.parametrize(
    ("wh", "unit_price", "fen"),
    [
        (5, "1.0000", 1),  # 0.5 fen goes up
        (4, "1.0000", 0),
        (15, "1.0000", 2),  # 1.5 fen too: this is not half-even
        (25, "1.0000", 3),
        (12_340, "1.2050", 1487),  # 14.8697
        (1_000, "0.6888", 69),
    ],
)
def test_known_lines(wh, unit_price, fen):
    assert gross_fen(wh, Decimal(unit_price)) == fen


def test_half_up_of_a_negative_goes_away_from_zero():
    assert [half_up(Fraction(n, 2)) for n in (-3, -1, 1, 3)] == [-2, -1, 1, 2]


@given(st.lists(st.tuples(st.integers(0, 10**6), rates), max_size=20))
def test_tax_is_that_of_the_whole_and_each_line_has_its_share(lines):
    taxes = share_tax(lines)
    for rate in {rate for _gross, rate in lines}:
        gross = sum(g for g, r in lines if r == rate)
        exact = Decimal(gross) * rate / (100 + rate)
        assert sum(t for t, (_g, r) in zip(taxes, lines, strict=True) if r == rate) == int(
            exact.quantize(Decimal(1), ROUND_HALF_UP)
        )
    for (gross, rate), tax in zip(lines, taxes, strict=True):
        assert abs(tax - Fraction(gross) * Fraction(rate) / (100 + Fraction(rate))) < 1
        assert 0 <= tax <= gross


def test_ties_go_to_the_earlier_line():
    third = Fraction(1, 3)
    assert largest_remainder(1, [third, third, third]) == [1, 0, 0]
    assert largest_remainder(2, [third * 2, third * 2, third * 2]) == [1, 1, 0]
    # 113 gross at 13 % holds 13 of tax: 4 lines of 28.25 hold 3.25 each
    assert share_tax([(1, Decimal(13))] * 4 + [(5, Decimal(13))]) == [0, 0, 0, 0, 1]


def test_a_total_that_is_not_the_shares_total_is_refused():
    with pytest.raises(ValueError, match="cannot be split"):
        largest_remainder(5, [Fraction(1), Fraction(1)])
