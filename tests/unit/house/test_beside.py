"""Parts of the suite beside each other."""

import threading

import pytest

from house.suite.beside import do_all


def test_all_run_at_the_same_time():
    meeting = threading.Barrier(2, timeout=30)
    met = []

    def come() -> None:
        meeting.wait()
        met.append(1)

    do_all([come, come])
    assert len(met) == 2


def test_a_failure_is_raised_when_all_have_ended():
    ended = []

    def fail() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        do_all([fail, lambda: ended.append(1)])
    assert ended == [1]
