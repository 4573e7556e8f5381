"""What is to be done with an output, as pure functions."""

from datetime import datetime, timedelta

import pytest

from acrel_link.decision import Action, decide, due_guard, end_problem
from acrel_link.master import Live, Wanted

NOW = datetime(2026, 5, 1, 12)
LATER = NOW + timedelta(seconds=31)


def wanted(state: str, **values) -> Wanted:
    row = {
        "output_id": 1,
        "change": 1,
        "revision": 5,
        "wanted": state,
        "reason": "test",
        "wanted_at": NOW,
        "close_before": None,
        "guard_energy": None,
        "guard_until": None,
        "on_doubt": "open",
    }
    return Wanted(**row | values)


CLOSED = {"state": "closed", "relay": True, "close_revision": 5, "confirmed_revision": 5}


@pytest.mark.parametrize(
    ("row", "live", "now", "action"),
    [
        (None, Live(), NOW, Action.NOTHING),
        (wanted("open"), Live(), NOW, Action.OPEN),
        (wanted("open"), Live(state="open", relay=False), NOW, Action.OPEN),
        (
            wanted("open"),
            Live(state="open", relay=False, confirmed_revision=5),
            NOW,
            Action.NOTHING,
        ),
        (wanted("open"), Live(state="closed", relay=True), LATER, Action.OPEN),
        (wanted("open", on_doubt="hold"), Live(state="closed", relay=True), NOW, Action.OPEN),
        (wanted("closed"), Live(state="open", relay=False), NOW, Action.CLOSE),
        (wanted("closed"), Live(state="open", relay=False), LATER, Action.EXPIRED),
        (wanted("closed"), Live(state="closed", relay=True), LATER, Action.OPEN),
        (
            wanted("closed", on_doubt="hold"),
            Live(state="closed", relay=True),
            LATER,
            Action.HELD,
        ),
        (wanted("closed"), Live(**CLOSED), LATER, Action.NOTHING),
        (wanted("closed"), Live(**CLOSED, guard_tripped="energy"), NOW, Action.OPEN),
        (wanted("closed"), Live(**CLOSED, open_revision=5), NOW, Action.OPEN),
        (wanted("closed", on_doubt="hold"), Live(**CLOSED, open_revision=5), NOW, Action.HELD),
        (
            wanted("closed"),
            Live(**CLOSED | {"state": "open", "relay": False}, open_revision=5),
            NOW,
            Action.NOTHING,
        ),
        # confirmed once and found open: never closed again
        (
            wanted("closed"),
            Live(**CLOSED | {"state": "open", "relay": False}),
            NOW,
            Action.NOTHING,
        ),
    ],
)
def test_decide(row, live, now, action):
    assert decide(row, live, now) is action


@pytest.mark.parametrize(
    ("row", "register", "now", "due"),
    [
        (wanted("closed", guard_energy=10), 109, NOW, None),
        (wanted("closed", guard_energy=10), 110, NOW, "energy"),
        (wanted("closed", guard_energy=10), None, NOW, None),
        (wanted("closed", guard_until=LATER), 999, NOW, None),
        (wanted("closed", guard_until=LATER), None, LATER, "time"),
        (wanted("closed", revision=6, guard_until=NOW, guard_energy=1), 999, LATER, None),
        (wanted("open", guard_until=NOW), 999, LATER, None),
    ],
)
def test_due_guard(row, register, now, due):
    live = Live(**CLOSED, close_register=100)
    assert due_guard(row, live, register, now) == due


def test_a_guard_is_reached_once():
    live = Live(**CLOSED, close_register=100, open_revision=5)
    assert due_guard(wanted("closed", guard_until=NOW), live, 200, LATER) is None


@pytest.mark.parametrize(
    ("register", "known", "usable"),
    [
        (None, 10, False),
        (0, None, False),
        (0, 10, False),
        (9, 10, False),
        (0, 0, True),
        (10, 10, True),
        (11, 10, True),
        (11, None, True),
    ],
)
def test_end_problem(register, known, usable):
    assert (end_problem(register, known) is None) is usable
