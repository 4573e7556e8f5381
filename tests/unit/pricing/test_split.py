"""Energy is cut at period boundaries on the local clock, and none is lost or made."""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrel_pricing import Period, TariffVersion, boundaries, period_of, split, thin

from .strategies import SHANGHAI, curves, unit_whs, versions, zones


def tariff(*edges):
    """Return a version whose periods begin at `edges`, priced apart by their order."""
    kinds = ("sharp", "peak", "flat", "valley", "deep_valley")
    return TariffVersion(
        tuple(
            Period(start, end, kinds[i % 5], Decimal(i + 1), Decimal(0))
            for i, (start, end) in enumerate(pairwise((*edges, 1440)))
        ),
        Decimal(13),
        Decimal(13),
    )


def utc(*args):
    return datetime(*args, tzinfo=UTC)


@given(curves(), unit_whs, versions(), zones)
def test_nothing_is_lost_or_made(curve, unit_wh, version, tz):
    slices = split(curve, unit_wh, version, tz)
    assert slices[0].start_wh == curve[0][1] * unit_wh
    assert slices[-1].end_wh == curve[-1][1] * unit_wh
    assert slices[0].start == curve[0][0]
    assert slices[-1].end == curve[-1][0]
    for before, after in pairwise(slices):
        assert before.end == after.start
        assert before.end_wh == after.start_wh
    assert all(piece.wh >= 0 for piece in slices)
    assert sum(piece.wh for piece in slices) == (curve[-1][1] - curve[0][1]) * unit_wh


@given(curves(), versions(), zones, st.floats(0, 1))
def test_every_moment_is_in_the_period_of_its_local_clock(curve, version, tz, way):
    slices = split(curve, 10, version, tz)
    start, end = curve[0][0], curve[-1][0]
    moment = start + (end - start) * way
    piece = next((p for p in slices if p.start <= moment < p.end), slices[-1])
    if moment < end:
        local = moment.astimezone(tz)
        assert piece.day == local.date()
        assert piece.period.start <= local.hour * 60 + local.minute < piece.period.end
    assert all((a.day, a.period) != (b.day, b.period) for a, b in pairwise(slices))


@given(curves(), unit_whs, versions(), zones)
def test_boundary_registers_are_the_exact_line_between_readings_to_the_wh(
    curve, unit_wh, version, tz
):
    times = [moment for moment, _raw in curve]
    for piece in split(curve, unit_wh, version, tz)[:-1]:
        after = bisect_right(times, piece.end)
        (t0, low), (t1, high) = curve[after - 1], curve[after]
        way = Fraction(piece.end.timestamp()) - Fraction(t0.timestamp())
        way /= Fraction(t1.timestamp()) - Fraction(t0.timestamp())
        exact = (low + (high - low) * way) * unit_wh
        # timestamp() is a float of microseconds: allow what that costs, no more
        slack = Fraction(1, 2) + Fraction((high - low) * unit_wh, 10**5)
        assert abs(piece.end_wh - exact) <= slack


@given(curves(max_size=6), unit_whs, versions(), zones, st.data())
def test_a_reading_on_the_line_between_two_changes_nothing(curve, unit_wh, version, tz, data):
    whole = split(curve, unit_wh, version, tz)
    candidates = [
        i
        for i, ((t0, low), (t1, high)) in enumerate(pairwise(curve))
        if t1 > t0 and (high - low) % 2 == 0 and (t1 - t0) % timedelta(microseconds=2) == t0 - t0
    ]
    if not candidates:
        return
    i = data.draw(st.sampled_from(candidates))
    (t0, low), (t1, high) = curve[i], curve[i + 1]
    middle = (t0 + (t1 - t0) / 2, (low + high) // 2)
    assert split([*curve[: i + 1], middle, *curve[i + 1 :]], unit_wh, version, tz) == whole


@given(curves(max_size=6), unit_whs, versions(), zones, st.data())
def test_an_extra_reading_moves_a_boundary_only_within_its_neighbours(
    curve, unit_wh, version, tz, data
):
    whole = split(curve, unit_wh, version, tz)
    if len(curve) < 2:
        return
    i = data.draw(st.integers(0, len(curve) - 2))
    (t0, low), (t1, high) = curve[i], curve[i + 1]
    extra = (t0 + (t1 - t0) * data.draw(st.floats(0, 1)), data.draw(st.integers(low, high)))
    more = split([*curve[: i + 1], extra, *curve[i + 1 :]], unit_wh, version, tz)
    assert sum(p.wh for p in more) == sum(p.wh for p in whole)
    for before, after in zip(whole, more, strict=True):
        assert before.end == after.end
        assert abs(before.end_wh - after.end_wh) <= (high - low) * unit_wh
        if not t0 <= before.end <= t1:
            assert before.end_wh == after.end_wh


@given(curves(max_size=30), unit_whs, versions(), zones)
def test_the_thinned_curve_splits_the_same(curve, unit_wh, version, tz):
    few = thin(curve, version, tz)
    assert split(few, unit_wh, version, tz) == split(curve, unit_wh, version, tz)
    assert len(few) <= 2 + 2 * len(boundaries(curve[0][0], curve[-1][0], version, tz))


def test_a_session_over_midnight_and_the_year_end():
    curve = [(utc(2025, 12, 31, 15, 0), 100), (utc(2025, 12, 31, 17, 0), 300)]
    slices = split(curve, 10, tariff(0, 60), SHANGHAI)
    assert [(p.day, p.period.start, p.wh) for p in slices] == [
        (date(2025, 12, 31), 60, 1000),
        (date(2026, 1, 1), 0, 1000),
    ]


def test_a_silence_over_several_periods_is_spread_evenly_in_time():
    curve = [(utc(2026, 1, 1, 0, 0), 0), (utc(2026, 1, 1, 8, 0), 800)]
    slices = split(curve, 10, tariff(0, 600, 660, 840), SHANGHAI)
    assert [(p.period.start, p.wh) for p in slices] == [
        (0, 2000),
        (600, 1000),
        (660, 3000),
        (840, 2000),
    ]


def test_many_days_on_one_flat_price_are_one_slice_a_day():
    curve = [(utc(2026, 1, 1, 0, 0), 0), (utc(2026, 1, 4, 0, 0), 7200)]
    slices = split(curve, 10, tariff(0), SHANGHAI)
    assert [p.wh for p in slices] == [16_000, 24_000, 24_000, 8_000]
    assert [p.day.day for p in slices] == [1, 2, 3, 4]


def test_of_readings_of_one_time_on_a_boundary_the_last_counts():
    curve = [
        (utc(2026, 1, 1, 1, 0), 0),
        (utc(2026, 1, 1, 2, 0), 10),
        (utc(2026, 1, 1, 2, 0), 15),
        (utc(2026, 1, 1, 3, 0), 20),
    ]
    assert [p.wh for p in split(curve, 10, tariff(0, 600), SHANGHAI)] == [150, 50]


def test_energy_at_one_moment_belongs_to_the_period_of_that_moment():
    at = utc(2026, 1, 1, 2, 0)
    (piece,) = split([(at, 5), (at, 9)], 10, tariff(0, 600), SHANGHAI)
    assert (piece.wh, piece.period.start, piece.start, piece.end) == (40, 600, at, at)


def test_a_session_that_ends_on_a_boundary_has_no_empty_slice():
    curve = [(utc(2026, 1, 1, 1, 0), 0), (utc(2026, 1, 1, 2, 0), 10)]
    assert [p.wh for p in split(curve, 10, tariff(0, 600), SHANGHAI)] == [100]


def test_naive_times_are_utc():
    naive = [(datetime(2026, 1, 1, 1, 0), 0), (datetime(2026, 1, 1, 3, 0), 10)]
    aware = [(moment.replace(tzinfo=UTC), raw) for moment, raw in naive]
    assert split(naive, 10, tariff(0, 600), SHANGHAI) == split(aware, 10, tariff(0, 600), SHANGHAI)


NEW_YORK = ZoneInfo("America/New_York")


def test_spring_forward_skips_the_hour_that_the_clock_skips():
    # 01:00 EST to 04:00 EDT: two real hours; the clock goes from 02:00 to 03:00
    curve = [(utc(2026, 3, 8, 6, 0), 0), (utc(2026, 3, 8, 8, 0), 120)]
    slices = split(curve, 10, tariff(0, 150, 200), NEW_YORK)
    assert [(p.period.start, p.start, p.wh) for p in slices] == [
        (0, utc(2026, 3, 8, 6, 0), 600),
        (150, utc(2026, 3, 8, 7, 0), 200),
        (200, utc(2026, 3, 8, 7, 20), 400),
    ]


def test_fall_back_repeats_the_period_that_the_clock_repeats():
    # 00:30 EDT to 02:30 EST: three real hours; 01:00 to 02:00 comes twice
    curve = [(utc(2026, 11, 1, 4, 30), 0), (utc(2026, 11, 1, 7, 30), 180)]
    slices = split(curve, 10, tariff(0, 90), NEW_YORK)
    assert [(p.period.start, p.wh) for p in slices] == [(0, 600), (90, 300), (0, 300), (90, 600)]


def test_a_clock_change_inside_a_period_makes_no_cut():
    curve = [(utc(2026, 11, 1, 4, 30), 0), (utc(2026, 11, 1, 7, 30), 180)]
    assert [p.wh for p in split(curve, 10, tariff(0, 600), NEW_YORK)] == [1800]


def test_a_midnight_that_does_not_exist_still_begins_the_day():
    # Brazil, 4 November 2018: the clock went from 24:00 to 01:00
    curve = [(utc(2018, 11, 4, 2, 0), 0), (utc(2018, 11, 4, 4, 0), 120)]
    slices = split(curve, 10, tariff(0), ZoneInfo("America/Sao_Paulo"))
    assert [(p.day.day, p.start, p.wh) for p in slices] == [
        (3, utc(2018, 11, 4, 2, 0), 600),
        (4, utc(2018, 11, 4, 3, 0), 600),
    ]


def test_the_period_of_a_moment():
    version = tariff(0, 600)
    assert period_of(utc(2026, 1, 1, 1, 59), version, SHANGHAI).start == 0
    assert period_of(datetime(2026, 1, 1, 2, 0), version, SHANGHAI).start == 600


@pytest.mark.parametrize(
    ("curve", "sentence"),
    [
        ([], "at least one reading"),
        ([(utc(2026, 1, 1), 5), (utc(2026, 1, 2), 4)], "The register goes back"),
        ([(utc(2026, 1, 2), 5), (utc(2026, 1, 1), 6)], "The curve goes back in time"),
    ],
)
def test_what_is_no_curve_is_refused(curve, sentence):
    with pytest.raises(ValueError, match=sentence):
        split(curve, 10, tariff(0), SHANGHAI)


@settings(max_examples=30)
@given(curves(max_size=3, days=20), zones)
def test_a_fully_cut_day_still_conserves(curve, tz):
    version = tariff(*range(0, 1440, 30))
    slices = split(curve, 10, version, tz)
    assert sum(p.wh for p in slices) == (curve[-1][1] - curve[0][1]) * 10
