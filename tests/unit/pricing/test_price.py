"""The lines of a bill, what they sum to, and what can never be."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from acrel_pricing import (
    ELECTRICITY,
    SERVICE,
    Period,
    TariffVersion,
    cost_so_far,
    gross_fen,
    price,
    split,
)

from .strategies import SHANGHAI, curves, unit_whs, versions, zones

DAY = TariffVersion(
    (
        Period(0, 420, "valley", Decimal("0.3526"), Decimal("0.4000")),
        Period(420, 600, "flat", Decimal("0.6888"), Decimal("0.4000")),
        Period(600, 720, "sharp", Decimal("1.2050"), Decimal("0.4000")),
        Period(720, 1080, "peak", Decimal("1.0180"), Decimal("0.4000")),
        Period(1080, 1440, "flat", Decimal("0.6888"), Decimal("0.4000")),
    ),
    Decimal(13),
    Decimal(6),
)


def test_a_bill_by_hand():
    # 09:30 to 10:30 Shanghai, 20 kWh evenly: half in flat, half in sharp
    curve = [
        (datetime(2026, 11, 20, 1, 30), 100_000),
        (datetime(2026, 11, 20, 2, 30), 102_000),
    ]
    lines = price(curve, 10, DAY, SHANGHAI)
    assert [(x.kind, x.fee, x.wh, x.price, x.gross) for x in lines] == [
        ("flat", ELECTRICITY, 10_000, Decimal("0.6888"), 689),
        ("flat", SERVICE, 10_000, Decimal("0.4000"), 400),
        ("sharp", ELECTRICITY, 10_000, Decimal("1.2050"), 1205),
        ("sharp", SERVICE, 10_000, Decimal("0.4000"), 400),
    ]
    # 18.94 at 13 % holds 2.1789 (218 fen), split 79.27 : 138.63; 8.00 at 6 % holds 0.4528 (45 fen)
    assert [x.tax for x in lines] == [79, 23, 139, 22]
    assert [x.net for x in lines] == [610, 377, 1066, 378]
    assert [(x.start_wh, x.end_wh) for x in lines[::2]] == [
        (1_000_000, 1_010_000),
        (1_010_000, 1_020_000),
    ]


@given(curves(), unit_whs, versions(), zones)
def test_the_lines_tell_all_energy_and_tie_to_the_fen(curve, unit_wh, version, tz):
    lines = price(curve, unit_wh, version, tz)
    energy = (curve[-1][1] - curve[0][1]) * unit_wh
    assert sum(x.wh for x in lines if x.fee == ELECTRICITY) == energy
    assert sum(x.net + x.tax for x in lines) == sum(x.gross for x in lines)
    for line in lines:
        assert line.wh > 0
        assert 0 <= line.tax <= line.gross
        assert line.gross == gross_fen(line.wh, line.price)


@given(curves(), unit_whs, versions(), zones)
def test_cost_so_far_is_what_the_bill_would_be_and_a_replay_is_the_same(
    curve, unit_wh, version, tz
):
    lines = price(curve, unit_wh, version, tz)
    assert cost_so_far(curve, unit_wh, version, tz) == sum(x.gross for x in lines)
    assert price(list(curve), unit_wh, version, tz) == lines


@given(curves(), unit_whs, versions(), zones)
def test_cost_never_falls_as_the_session_goes_on(curve, unit_wh, version, tz):
    costs = [cost_so_far(curve[:n], unit_wh, version, tz) for n in range(1, len(curve) + 1)]
    assert costs == sorted(costs)
    assert costs[0] == 0


@given(curves(), unit_whs, versions(), zones, st.floats(0.001, 90_000), st.integers(0, 100))
def test_more_energy_costs_no_less(curve, unit_wh, version, tz, seconds, more):
    moment, raw = curve[-1]
    longer = [*curve, (moment + timedelta(seconds=round(seconds, 3)), raw + more)]
    assert cost_so_far(longer, unit_wh, version, tz) >= cost_so_far(curve, unit_wh, version, tz)


@given(curves(), unit_whs, versions(), zones)
def test_rounding_costs_at_most_half_a_fen_a_line(curve, unit_wh, version, tz):
    slices = split(curve, unit_wh, version, tz)
    exact = sum(Decimal(p.wh) * p.period.total / 10 for p in slices)
    assert abs(cost_so_far(curve, unit_wh, version, tz) - exact) <= len(slices)


def test_a_standstill_makes_no_lines_and_free_energy_makes_one():
    at = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)
    assert price([(at, 7), (at + timedelta(hours=9), 7)], 10, DAY, SHANGHAI) == []
    free = TariffVersion((Period(0, 1440, "flat", Decimal(0), Decimal(0)),), Decimal(0), Decimal(0))
    (line,) = price([(at, 7), (at + timedelta(hours=1), 8)], 10, free, SHANGHAI)
    assert (line.fee, line.wh, line.gross, line.tax) == (ELECTRICITY, 10, 0, 0)
