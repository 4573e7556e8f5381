"""Places of polls in their intervals: never bunched, never forgotten."""

from collections import Counter
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from acrel_link.rota import CELL, SOONEST, Rota

IDS = st.lists(st.integers(1, 10**6), min_size=1, max_size=300, unique=True)
# ids that the golden ratio alone would put into one place: they are apart by a Fibonacci number
BUNCHED = [1 + 832040 * number for number in range(500)]


def fullest(times, interval: float) -> int:
    return max(Counter(int(time % interval / CELL + 1e-6) for time in times).values())


def bound(count: int, interval: float) -> int:
    return ceil(count / round(interval / CELL))


@given(IDS, st.sampled_from([1.0, 10.0]), st.floats(0, 10**6))
def test_no_cell_holds_more_than_the_average(ids, interval, now):
    rota = Rota()
    assert fullest([rota.next(one, interval, now) for one in ids], interval) <= bound(
        len(ids), interval
    )


def test_ids_that_lie_badly_are_spread_all_the_same():
    rota = Rota()
    times = [rota.next(one, 10.0, 0.0) for one in BUNCHED]
    assert fullest(times, 10.0) == 5, "as even as 500 meters in 100 cells can be"


@given(IDS, st.floats(0, 10**6))
def test_a_restart_finds_the_same_places(ids, now):
    first, second = Rota(), Rota()
    for one in ids:
        assert first.next(one, 10.0, now) % 10 == second.next(one, 10.0, now) % 10


@given(st.integers(1, 10**6), st.lists(st.floats(0, 50), min_size=1, max_size=50))
def test_polls_keep_to_the_interval_whatever_an_answer_takes(meter, delays):
    rota, now = Rota(), 1000.0
    for delay in delays:
        at = rota.next(meter, 10.0, now)
        assert SOONEST * 10 <= at - now <= (1 + SOONEST) * 10 + 1e-6
        now = at + delay


@given(st.integers(1, 10**6), st.floats(0, 10**6))
def test_the_first_poll_comes_within_an_interval(meter, now):
    assert 0 <= Rota().first(meter, 10.0, now) - now <= 10.0


@given(IDS)
def test_a_meter_has_one_place_and_frees_it(ids):
    rota = Rota()
    for one in ids:
        rota.next(one, 10.0, 0.0)
        rota.next(one, 300.0, 0.0)
    assert fullest([rota.next(one, 300.0, 0.0) for one in ids], 300.0) <= bound(len(ids), 300.0)
    for one in ids:
        rota.forget(one)
        rota.forget(one)
    assert not rota._places
