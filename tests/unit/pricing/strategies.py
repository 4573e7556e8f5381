"""What hypothesis draws: tariffs, curves and zones."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from acrel_pricing import KINDS, Period, TariffVersion

SHANGHAI = ZoneInfo("Asia/Shanghai")
ZONES = [
    ZoneInfo(name)
    for name in (
        "Asia/Shanghai",
        "America/New_York",
        "Europe/Brussels",
        "Australia/Lord_Howe",  # its clock jumps by half an hour
        "America/Sao_Paulo",
        "Asia/Kathmandu",
        "UTC",
    )
]

prices = st.integers(0, 30_000).map(lambda n: Decimal(n).scaleb(-4))
rates = st.sampled_from([Decimal(0), Decimal(3), Decimal(6), Decimal(9), Decimal(13)])
zones = st.sampled_from(ZONES)
unit_whs = st.sampled_from([10, 100, 600, 38_000])


@st.composite
def versions(draw, prices=prices):
    """Draw a tariff of one to eight periods."""
    cuts = draw(st.sets(st.integers(1, 1439), max_size=7))
    edges = [0, *sorted(cuts), 1440]
    periods = tuple(
        Period(start, end, draw(st.sampled_from(KINDS)), draw(prices), draw(prices))
        for start, end in pairwise(edges)
    )
    return TariffVersion(periods, draw(rates), draw(rates))


starts = st.one_of(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    # around clock changes of New York, Brussels, Lord Howe and Brazil, and a new year
    st.sampled_from(
        [
            datetime(2026, 3, 8, 5),
            datetime(2026, 11, 1, 4),
            datetime(2026, 3, 28, 22),
            datetime(2026, 10, 24, 21),
            datetime(2026, 4, 4, 13),
            datetime(2018, 11, 4, 1),
            datetime(2025, 12, 31, 10),
        ]
    ),
)


@st.composite
def curves(draw, max_size=12, days=3):
    """Draw a register curve: silences, standstills and readings of the same time included."""
    moment = draw(starts).replace(tzinfo=UTC)
    raw = draw(st.integers(0, 2**33))
    curve = [(moment, raw)]
    seconds = st.one_of(st.just(0.0), st.floats(0.001, 60), st.floats(60, days * 86_400))
    for _ in range(draw(st.integers(0, max_size - 1))):
        moment += timedelta(seconds=round(draw(seconds), 3))
        raw += draw(st.one_of(st.just(0), st.integers(0, 5_000)))
        curve.append((moment, raw))
    return curve
