"""Failed handshakes slow down their own pair of address and serial number, and nothing else."""

import pytest

from acrel_link import failures
from acrel_link.failures import HOLD, Failures

HERE, THERE = "10.0.0.1", "10.0.0.2"
SERIAL, OTHER = b"4711", b"4712"


@pytest.fixture
def now():
    return [1000.0]


@pytest.fixture
def counts(now):
    return Failures(lambda: now[0])


def test_five_are_answered_at_once_then_one_a_minute(counts, now):
    for _ in range(5):
        assert counts.hold(HERE, SERIAL) == 0
        counts.failed(HERE, SERIAL)
    assert counts.hold(HERE, SERIAL) == HOLD
    now[0] += 59
    assert counts.hold(HERE, SERIAL) == HOLD
    now[0] += 2
    assert counts.hold(HERE, SERIAL) == 0
    counts.failed(HERE, SERIAL)
    assert counts.hold(HERE, SERIAL) == HOLD
    assert counts.hold(THERE, SERIAL) == counts.hold(HERE, OTHER) == 0


def test_a_proof_clears_the_pair(counts):
    for _ in range(20):
        counts.failed(HERE, SERIAL)
    counts.proven(HERE, SERIAL)
    assert counts.hold(HERE, SERIAL) == 0
    assert counts.failed(HERE, SERIAL) == 1


def test_failures_of_a_serial_are_counted_over_addresses(counts):
    assert [counts.failed(f"10.0.0.{number}", SERIAL) for number in range(3)] == [1, 2, 3]


def test_what_is_remembered_is_bounded(counts, monkeypatch):
    monkeypatch.setattr(failures, "MOST", 10)
    for number in range(100):
        counts.failed(HERE, b"%d" % number)
    assert len(counts._pairs) == len(counts._serials) == 10
