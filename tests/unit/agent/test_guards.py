"""Guards on the box: kept on disk, enforced by register and time, never against `hold`."""

import asyncio
import contextlib
import os
import shutil
import time

import pytest

from acrel_link.errors import BodyError
from acrel_link.guard_order import (
    GuardOrder,
    GuardReport,
    Outcome,
    build_order,
    build_report,
    parse_order,
    parse_report,
)
from meter_agent import clock as clock_module
from meter_agent.clock import Clock
from meter_agent.errors import BusError, StateError
from meter_agent.guards import Guards

from .lines import until

ORDER = GuardOrder(slave=1, output=1, revision=5, register=1000, time=None, hold=False)
FUTURE = int(time.time()) + 3600


class Relays:
    """What the guards open."""

    def __init__(self):
        self.opened, self.told, self.failures = [], [], 0

    async def open(self, slave: int, output: int) -> None:
        if self.failures:
            self.failures -= 1
            raise BusError("it does not answer.")
        self.opened.append((slave, output))


@pytest.fixture
def relays():
    return Relays()


@pytest.fixture
def make(tmp_path, relays):
    clock = Clock(tmp_path)

    def make(clock=clock):
        file = tmp_path / "guards.json"
        return Guards(file, clock, {1, 2}, relays.open, relays.told.append)

    return make


@contextlib.asynccontextmanager
async def running(guards: Guards):
    task = asyncio.create_task(guards.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_opens_at_its_register_once_and_tells(make, relays):
    guards = make()
    assert guards.take(ORDER).outcome is Outcome.KEPT
    guards.measured(1, 999)
    guards.measured(2, 5000)  # another meter
    assert not guards.closed_for_good(1, 1)
    relays.failures = 1  # the bus is busy: it is tried again
    async with running(guards):
        guards.measured(1, 1003)
        await until(lambda: relays.told, "it was told")
        guards.measured(1, 1004)
    assert relays.opened == [(1, 1)]
    report = relays.told[0]
    assert report[:5] == (1, 1, 5, Outcome.ENERGY, 1003)
    assert abs(report.time - time.time()) < 60


async def test_opens_at_its_time(make, relays):
    guards = make()
    guards.take(ORDER._replace(register=None, time=FUTURE))
    guards.look()
    assert not guards.closed_for_good(1, 1)
    async with running(guards):
        guards.take(ORDER._replace(register=None, time=int(time.time()) - 1))
        await until(lambda: relays.told, "it was told")
    assert relays.told[0].outcome is Outcome.TIME


async def test_power_cut_between_tripping_and_opening_does_not_make_it_forget(make, relays):
    before = make()
    before.take(ORDER)
    before.measured(1, 1000)
    after = make()
    assert after.closed_for_good(1, 1)
    async with running(after):
        await until(lambda: relays.told, "it was told")
    assert relays.opened == [(1, 1)]
    again = make()
    assert [report.outcome for report in again.reports()] == [Outcome.ENERGY]
    async with running(again):
        again.measured(1, 2000)
    assert relays.opened == [(1, 1)]  # done is done


async def test_hold_is_never_opened(make, relays):
    guards = make()
    guards.take(ORDER._replace(hold=True, time=1))
    async with running(guards):
        guards.measured(1, 5000)
        guards.look()
        guards.take(ORDER._replace(slave=2))
        guards.measured(2, 1000)
        await until(lambda: relays.told, "the other one was opened")
    assert relays.opened == [(2, 1)]
    assert not guards.closed_for_good(1, 1)


def test_limit_moves_and_goes_by_its_revision(make):
    guards = make()
    guards.take(ORDER)
    guards.take(ORDER._replace(register=1100))
    guards.measured(1, 1050)
    assert not guards.closed_for_good(1, 1)
    guards.measured(1, 1100)
    # too late to move what has tripped; a new close's guard begins anew
    assert guards.take(ORDER._replace(register=2000)).outcome is Outcome.ENERGY
    assert guards.take(ORDER._replace(revision=7, register=2000)).outcome is Outcome.KEPT
    assert not guards.closed_for_good(1, 1)
    gone = GuardOrder(1, 1, 6, None, None, False)
    guards.take(gone)  # about an earlier one
    assert guards.watches(1)
    guards.take(gone._replace(revision=8))
    assert not guards.watches(1)
    assert make().reports() == []


def test_unknown_slave_is_refused(make):
    guards = make()
    assert guards.take(ORDER._replace(slave=9)).outcome is Outcome.REFUSED
    assert not guards.watches(9)


def test_box_that_wakes_up_in_the_past_waits_for_the_server_and_then_opens(
    make, tmp_path, monkeypatch
):
    ahead = tmp_path / "newer"
    ahead.touch()
    os.utime(ahead, (time.time() + 7200,) * 2)
    clock = Clock(tmp_path)
    assert not clock.trusted
    guards = make(clock)
    guards.take(ORDER._replace(register=None, time=FUTURE))
    guards.look()
    assert not guards.closed_for_good(1, 1)
    monkeypatch.setattr(clock_module, "GRACE", 0.0)
    clock.follow(time.time())
    guards.look()
    assert not guards.closed_for_good(1, 1)  # the server told the time
    doubtful = make(Clock(tmp_path))
    doubtful.look()
    assert doubtful.closed_for_good(1, 1)


async def test_disk_that_takes_nothing_keeps_no_output_closed(make, relays, tmp_path, caplog):
    guards = make()
    guards.take(ORDER)
    shutil.rmtree(tmp_path)
    # no promise is made that a power cut would break
    assert guards.take(ORDER._replace(slave=2)).outcome is Outcome.REFUSED
    async with running(guards):
        guards.measured(1, 1000)
        await until(lambda: relays.told, "it was told")
    assert relays.opened == [(1, 1)]
    assert "cannot be written" in caplog.text


def test_damaged_file_says_what_to_do(make, tmp_path):
    (tmp_path / "guards.json").touch(0o600)
    (tmp_path / "guards.json").write_text("[{}]")
    with pytest.raises(StateError, match="remove the file"):
        make()


# === Command A6 === #

NOW = 0x67FFFFF0
BODY = build_order(ORDER, NOW)


@pytest.mark.parametrize(
    "order",
    [
        ORDER,
        ORDER._replace(register=0),
        ORDER._replace(register=2**32 - 1, time=FUTURE, hold=True),
        ORDER._replace(register=None),
        GuardOrder(247, 2, 2**32 - 1, None, FUTURE, False),
    ],
)
def test_order_is_built_and_read(order):
    body = build_order(order, NOW)
    assert len(body) == 27
    assert parse_order(body) == (order, NOW)


def test_order_is_these_bytes():
    order = GuardOrder(3, 2, 9, 0x01020304, 0x68000000, True)
    assert build_order(order, NOW).hex() == (
        "03020700000009" + "01020304" + "0000000068000000" + "0000000067fffff0"
    )


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("register", [None, 0, 77])
def test_report_is_built_and_read(outcome, register):
    report = GuardReport(1, 2, 3, outcome, register, FUTURE)
    assert parse_report(build_report(report)) == report


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes(27),
        BODY[:-1],
        BODY + b"\0",
        b"\xf8" + BODY[1:],  # slave 248
        BODY[:1] + b"\3" + BODY[2:],  # output 3
        BODY[:2] + b"\x08" + BODY[3:],  # unknown flag
        BODY[:2] + b"\0" + BODY[3:],  # register without its flag
        BODY[:-8] + b"\xff" * 8,  # sent at no time
        BODY[:-16] + b"\xff" * 8 + BODY[-8:],  # to stop at no time
    ],
)
def test_wrong_body_is_refused(body):
    with pytest.raises(BodyError):
        parse_order(body)


def test_wrong_report_is_refused():
    good = build_report(GuardReport(1, 1, 1, Outcome.KEPT, None, 1))
    for body in (
        good[:-1],
        good[:2] + b"\x08" + good[3:],
        good[:7] + b"\1" + good[8:],
        good[:-8] + (253_402_300_800).to_bytes(8, "big"),  # the year 10,000
    ):
        with pytest.raises(BodyError):
            parse_report(body)
