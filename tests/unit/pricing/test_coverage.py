"""The day is covered exactly once, or the sentence says where it is not."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrel_pricing import Period, TariffError, TariffVersion, faults

spans = st.lists(
    st.tuples(st.integers(0, 1440), st.integers(0, 1440)).filter(lambda s: s[0] < s[1]),
    max_size=8,
)


@given(spans)
def test_no_fault_means_each_minute_once_and_faults_name_every_other_minute(drawn):
    count = [0] * 1440
    for start, end in drawn:
        for minute in range(start, end):
            count[minute] += 1
    named = {"gap": set(), "overlap": set()}
    for fault in faults(drawn):
        named[fault.kind] |= set(range(fault.start, fault.end))
    assert named["gap"] == {m for m in range(1440) if count[m] == 0}
    assert named["overlap"] == {m for m in range(1440) if count[m] > 1}


@pytest.mark.parametrize(
    ("drawn", "sentence"),
    [
        ([], "No period covers 00:00 to 24:00: add one or stretch a neighbour."),
        (
            [(0, 420), (480, 1440)],
            "No period covers 07:00 to 08:00: add one or stretch a neighbour.",
        ),
        ([(0, 500), (480, 1440)], "Two periods cover 08:00 to 08:20: shorten one of them."),
        (
            [(0, 1440), (600, 600)],
            "A period runs from 10:00 to 10:00: it must end after its start, "
            "within 00:00 to 24:00.",
        ),
    ],
)
def test_each_fault_is_a_sentence(drawn, sentence):
    assert [str(fault) for fault in faults(drawn)] == [sentence]


def test_a_version_with_a_gap_cannot_be_made():
    half = Period(0, 720, "flat", Decimal(1), Decimal(0))
    with pytest.raises(TariffError, match="No period covers 12:00 to 24:00"):
        TariffVersion((half,), Decimal(13), Decimal(13))


def test_overlap_within_a_longer_period_is_found():
    assert [str(f) for f in faults([(0, 1440), (60, 120), (600, 700)])] == [
        "Two periods cover 01:00 to 02:00: shorten one of them.",
        "Two periods cover 10:00 to 11:40: shorten one of them.",
    ]


@pytest.mark.parametrize("bad", [Decimal("-0.0001"), Decimal("0.00001"), Decimal("NaN"), 0.5])
def test_a_price_is_a_decimal_of_four_places_not_below_zero(bad):
    with pytest.raises(TariffError):
        Period(0, 1440, "flat", bad, Decimal(0))
    with pytest.raises(TariffError):
        Period(0, 1440, "flat", Decimal(0), bad)


@pytest.mark.parametrize("bad", [Decimal(-1), Decimal(100), Decimal("Infinity"), 13.0])
def test_a_tax_rate_is_a_percent_under_a_hundred(bad):
    day = Period(0, 1440, "flat", Decimal(1), Decimal(0))
    with pytest.raises(TariffError):
        TariffVersion((day,), bad, Decimal(13))


def test_a_kind_is_one_of_the_five():
    with pytest.raises(TariffError, match="“noon”"):
        Period(0, 1440, "noon", Decimal(1), Decimal(0))
