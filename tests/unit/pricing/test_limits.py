"""A guard lets no bill pass its hold."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from acrel_pricing import (
    Period,
    TariffVersion,
    cost_so_far,
    energy_for,
    gross_fen,
    guard_energy,
    max_price,
)

from .strategies import curves, prices, unit_whs, versions, zones

dear = st.integers(1, 30_000).map(lambda n: Decimal(n).scaleb(-4))


@given(st.integers(0, 10**6), dear)
def test_energy_for_is_the_floor(fen, unit_price):
    wh = energy_for(fen, unit_price)
    assert Decimal(wh) * unit_price / 10 <= fen
    assert Decimal(wh + 1) * unit_price / 10 > fen


def test_energy_for_nothing_and_for_free():
    assert energy_for(-5, Decimal(1)) == 0
    assert energy_for(100, Decimal(0)) is None
    assert energy_for(1000, Decimal("1.0888")) == 9184


@given(versions())
def test_max_price_is_one_of_the_day_and_none_is_above_it(version):
    totals = [period.electricity + period.service for period in version.periods]
    assert max_price(version) in totals
    assert all(total <= max_price(version) for total in totals)


@given(curves(max_size=6), unit_whs, versions(dear), zones, st.integers(0, 20_000), st.data())
def test_a_bill_never_passes_the_hold(curve, unit_wh, version, tz, spare, data):
    """However the load goes on within the guard and its time, in however many steps."""
    spent = cost_so_far(curve, unit_wh, version, tz)
    hold = spent + spare
    now, raw = curve[-1]
    until = now + timedelta(hours=data.draw(st.integers(1, 48)))
    allowed = guard_energy(hold - spent, now, until, version, tz) // unit_wh
    further = list(curve)
    for _ in range(data.draw(st.integers(1, 6))):
        step = data.draw(st.integers(0, max(1, int((until - now).total_seconds()))))
        now = min(until, now + timedelta(seconds=step))
        used = data.draw(st.one_of(st.integers(0, allowed), st.just(allowed)))
        allowed -= used
        raw += used
        further.append((now, raw))
    assert cost_so_far(further, unit_wh, version, tz) <= hold


@given(curves(max_size=4), unit_whs, versions(dear), zones, st.integers(0, 20_000))
def test_a_guard_renewed_at_every_reading_still_keeps_the_hold(curve, unit_wh, version, tz, hold):
    """Each pass gives a new guard from what is left; energy is taken to the last Wh of each."""
    until = curve[0][0] + timedelta(days=2)
    curve = curve[:1]
    for _ in range(12):
        now, raw = curve[-1]
        left = hold - cost_so_far(curve, unit_wh, version, tz)
        allowed = guard_energy(left, now, until, version, tz) // unit_wh
        curve = [*curve, (now + timedelta(minutes=137), raw + allowed)]
        assert cost_so_far(curve, unit_wh, version, tz) <= hold


@given(versions(prices), st.integers(0, 100))
def test_no_time_and_no_money_is_no_energy(version, fen):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    wh = guard_energy(fen, now, now, version, UTC)
    if wh is None:
        assert max_price(version) == 0
    else:
        assert gross_fen(wh, max_price(version)) <= fen


@given(st.integers(0, 40), st.integers(0, 60))
def test_the_guard_keeps_a_reserve_for_both_fees_rounding_up(hold, spent_wh):
    """At 0.05 fen a Wh and fee, both lines stand at a half fen together."""
    halves = Decimal("0.5000")
    version = TariffVersion((Period(0, 1440, "flat", halves, halves),), Decimal(13), Decimal(13))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    now, end = start + timedelta(hours=1), start + timedelta(hours=2)
    curve = [(start, 0), (now, spent_wh)]
    left = hold - cost_so_far(curve, 1, version, UTC)
    allowed = guard_energy(left, now, end, version, UTC)
    if left >= 0:
        assert cost_so_far([*curve, (end, spent_wh + allowed)], 1, version, UTC) <= hold
