"""The server's side of guards that an agent watches too: told once, told again, waited for."""

import asyncio
from datetime import datetime, timedelta

import pytest

from acrel_link.clock import Clock
from acrel_link.contactor import StepError
from acrel_link.entrusted import Entrusted, reached
from acrel_link.guard_order import GuardOrder, GuardReport, Outcome, parse_order
from acrel_link.reading import UPLOAD, Reading, shape
from acrel_link.transparent import GoneError

ORDER = GuardOrder(slave=1, output=1, revision=5, register=1000, time=None, hold=False)


@pytest.fixture
def sent() -> list[GuardOrder]:
    return []


@pytest.fixture
async def entrusted(sent):
    return Entrusted(lambda command, body: sent.append(parse_order(body)[0]), 0.2, Clock())


def report(order: GuardOrder, outcome=Outcome.KEPT, register=None) -> GuardReport:
    return GuardReport(order.slave, order.output, order.revision, outcome, register, 1_800_000_000)


async def test_told_once_and_again_when_it_moves(entrusted, sent):
    entrusted.tell(ORDER)
    entrusted.tell(ORDER)
    assert sent == [ORDER]
    entrusted.replied(report(ORDER))
    entrusted.tell(ORDER)
    moved = ORDER._replace(register=1100)
    entrusted.tell(moved)
    assert sent == [ORDER, moved]


async def test_unanswered_order_is_told_again(sent):
    entrusted = Entrusted(lambda command, body: sent.append(parse_order(body)[0]), -1.0, Clock())
    entrusted.tell(ORDER)
    entrusted.tell(ORDER)
    assert sent == [ORDER, ORDER]


async def test_close_waits_until_the_agent_has_taken_over(entrusted, sent):
    handing = asyncio.create_task(entrusted.hand_over(ORDER))
    await asyncio.sleep(0)
    entrusted.replied(report(ORDER._replace(revision=4)))  # about an earlier one
    await asyncio.sleep(0)
    assert sent == [ORDER]
    assert not handing.done()
    entrusted.replied(report(ORDER))
    await handing


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (None, "did not take its guard over"),
        (Outcome.REFUSED, "no meter with this slave address"),
        (Outcome.ENERGY, "its guard is reached"),
    ],
)
async def test_close_is_refused_without_a_guard(entrusted, sent, outcome, said):
    handing = asyncio.create_task(entrusted.hand_over(ORDER))
    await asyncio.sleep(0)
    if outcome is not None:
        entrusted.replied(report(ORDER, outcome))
    with pytest.raises(StepError, match=said):
        await handing


async def test_close_ends_with_the_line(entrusted):
    handing = asyncio.create_task(entrusted.hand_over(ORDER))
    await asyncio.sleep(0)
    entrusted.close()
    with pytest.raises(GoneError):
        await handing


def test_tells_which_guard_was_reached():
    assert reached(report(ORDER)) is None
    assert reached(report(ORDER, Outcome.ENERGY, 1001)) == ("energy", datetime(2027, 1, 15, 8))
    assert reached(report(ORDER, Outcome.TIME))[0] == "time"


@pytest.mark.parametrize(
    ("minutes", "register", "late"),
    [(0, 500, False), (10, 500, True), (-10, 500, False), (0, 499, True), (0, 501, False)],
)
def test_upload_that_waited_is_late(minutes, register, late):
    now = datetime(2027, 1, 15, 8)
    clock = now - timedelta(minutes=minutes)
    reading = Reading(1, 1, 0, UPLOAD, shape(("e_forward",)), (register,), clock)
    assert Entrusted.is_late(reading, now, 500) is late
    assert Entrusted.is_late(reading, now, None) is (minutes == 10)
