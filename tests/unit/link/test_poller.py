"""Polls of many meters over hours of a virtual clock: even, never forgotten, whatever is set."""

import asyncio
from collections import Counter, defaultdict
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest

from acrel_link import rtu
from acrel_link.clock import Clock
from acrel_link.crc import seal
from acrel_link.freezes import Newest
from acrel_link.master import MeterSpec
from acrel_link.polls import Polls
from acrel_link.profiles import profile
from acrel_link.registers import BILLING_BLOCK
from acrel_link.settings import read_settings
from acrel_link.simulator.device import NS, Device
from acrel_link.transparent import Requests
from acrel_link.unit import Unit

from .virtual_loop import VirtualLoop

HOUR = 3600.0
BILLING_ONLY = replace(profile("adw300"), snapshots={}, history={}, status=())


class Site:
    """Meters on lines of their own, on one process's polls, all in virtual time."""

    def __init__(self, loop, **settings):
        self.loop = loop
        self.clock = Clock()
        self.polled = defaultdict(list)  # by meter id, when its billing registers were asked
        self.stored = Counter()
        self.silent: set[int] = set()
        self.latency = 0.05
        self.context = SimpleNamespace(
            settings=read_settings(
                [], {f"ACREL_LINK_{name.upper()}": str(value) for name, value in settings.items()}
            ),
            clock=self.clock,
            polls=Polls(self.clock, loop.time),
            newest_months=Newest(),
            keeping=SimpleNamespace(fetch=self._fetch),
            writer=SimpleNamespace(add=self._add),
            incidents=SimpleNamespace(begin=self._unexpected, end=lambda *_: None),
            master=SimpleNamespace(registers={}),
        )
        self.units: dict[int, Unit] = {}

    async def _fetch(self, sql, arguments):
        return []

    def _add(self, readings):
        self.stored.update(reading.meter_id for reading in readings)

    def _unexpected(self, *incident):
        raise AssertionError(incident)

    def connect(self, meter_id: int, outputs=(), **spec) -> Unit:
        line = SimpleNamespace(link=SimpleNamespace(id=meter_id), epoch=1)
        device = Device(0, energy=meter_id * 36_000 * NS)
        line.requests = Requests(
            partial(self._sent, line, device, meter_id), self.context.settings.request_timeout
        )
        unit = Unit(line, MeterSpec(meter_id, 1, BILLING_ONLY, **spec), list(outputs), self.context)
        self.units[meter_id] = unit
        unit.start()
        unit.snapshots.stop()  # polls alone are tried here
        return unit

    def reconnect_all(self):
        """Lose all connections and get them back in the same moment."""
        for unit in self.units.values():
            unit.stop()
        for meter_id, unit in list(self.units.items()):
            self.connect(
                meter_id, unit.outputs, role=unit.spec.role, poll_seconds=unit.spec.poll_seconds
            )

    def _sent(self, line, device, meter_id, frame, _warrant):
        request = rtu.parse_request(frame)
        if (request.start, request.count) == BILLING_BLOCK:
            self.polled[meter_id].append(self.loop.time())
        if meter_id in self.silent:
            return
        data = device.read(int(self.loop.time() * NS), request.start, request.count)
        reply = seal(bytes((request.slave, 3, len(data))) + data)
        self.loop.call_later(self.latency, line.requests.replied, reply)

    def busiest_second(self, since: float) -> int:
        times = Counter(
            int(time) for times in self.polled.values() for time in times if time >= since
        )
        return max(times.values())

    def longest_wait(self, meter_id: int, since: float) -> float:
        times = [time for time in self.polled[meter_id] if time >= since]
        return max(
            after - before
            for before, after in zip(times, [*times[1:], self.loop.time()], strict=True)
        )


class Contactor:
    """What a poller asks of an output: whether it is in use."""

    def __init__(self):
        self.busy = False
        self.wanted = self.unit = None
        self.spec = SimpleNamespace(number=1)
        self.relay_read = self.arrived = lambda *_: None

    def attach(self, unit):
        self.unit = unit

    def detach(self):
        self.unit = None


@pytest.fixture
def run():
    """Run a function with a site; give it virtual seconds by `await`."""

    def run(scenario, **settings):
        loop = VirtualLoop()
        try:

            async def main():
                return await scenario(Site(loop, **settings))

            return loop.run_until_complete(main())
        finally:
            loop.close()

    return run


def test_meters_that_connect_at_once_are_polled_evenly_ever_after(run):
    async def scenario(site):
        for meter_id in range(1, 601):
            site.connect(meter_id)
        await asyncio.sleep(10)
        assert len(site.polled) == 600, "each is polled within 10 s of connecting"
        assert site.busiest_second(0) <= 70, "600 in 10 s"
        await asyncio.sleep(HOUR)
        assert site.busiest_second(400) <= 7, "600 in 300 s"
        assert all(site.longest_wait(one, 400) <= 301 for one in site.polled)
        again = site.loop.time()
        site.reconnect_all()
        await asyncio.sleep(10)
        assert site.busiest_second(again) <= 75
        await asyncio.sleep(1000)
        assert site.busiest_second(again + 400) <= 7
        assert all(site.stored[one] >= 15 for one in site.polled)

    run(scenario)


def test_what_is_in_use_is_polled_every_10_seconds_and_nothing_starves(run):
    async def scenario(site):
        contactors = {}
        for meter_id in range(1, 151):
            contactors[meter_id] = Contactor()
            site.connect(meter_id, [contactors[meter_id]])
        await asyncio.sleep(HOUR)
        since = site.loop.time()
        for meter_id in range(1, 151, 3):
            contactors[meter_id].busy = True
            site.units[meter_id].poll_soon()
        await asyncio.sleep(1200)
        for meter_id in contactors:
            limit = 12.6 if contactors[meter_id].busy else 301
            assert site.longest_wait(meter_id, since) <= limit, meter_id
        assert site.busiest_second(since + 20) <= 5 + 1 + 3
        for meter_id in range(1, 151, 3):
            contactors[meter_id].busy = False
            site.units[meter_id].poll_soon()
        idle = site.loop.time()
        await asyncio.sleep(HOUR)
        assert len([time for time in site.polled[1] if time > idle + 300]) == 11

    run(scenario)


def test_a_transformer_is_polled_fast_and_a_meter_as_often_as_it_is_told(run):
    async def scenario(site):
        site.connect(1, role="transformer")
        site.connect(2, poll_seconds=60)
        busy = Contactor()
        busy.busy = True
        site.connect(3, [busy], poll_seconds=2)
        busy_slow = Contactor()
        busy_slow.busy = True
        site.connect(4, [busy_slow], poll_seconds=600)
        await asyncio.sleep(HOUR)
        counts = {one: len(times) for one, times in site.polled.items()}
        expected = {1: 360, 2: 60, 3: 1800, 4: 360}
        assert all(abs(counts[one] - expected[one]) <= 2 for one in expected), counts

    run(scenario)


def test_the_wall_clock_moves_no_poll(run):
    async def scenario(site):
        for meter_id in range(1, 51):
            site.connect(meter_id, role="transformer")
        await asyncio.sleep(600)
        since = site.loop.time()
        for hours in (1, -2, 1):
            now = site.clock.stamp() + 946_684_800_000_000
            site.clock.follow(now + int(hours * HOUR * 1e6))
            await asyncio.sleep(600)
        assert all(abs(site.longest_wait(one, since) - 10) < 0.2 for one in site.polled)
        assert site.busiest_second(since) <= 6

    run(scenario)


def test_a_meter_that_does_not_answer_is_asked_less_often_and_comes_back(run):
    async def scenario(site):
        site.connect(1, role="transformer")
        await asyncio.sleep(100)
        site.silent.add(1)
        since = site.loop.time()
        await asyncio.sleep(HOUR)
        asked = len([time for time in site.polled[1] if time > since])
        assert 50 <= asked <= 65, "every 60 s in the end"
        site.silent.clear()
        await asyncio.sleep(140)  # the first answer is not believed: it may be a late one
        assert site.longest_wait(1, site.loop.time() - 20) <= 12.6

    run(scenario)


def test_slow_answers_are_waited_for_and_never_piled_up(run):
    async def scenario(site):
        site.latency = 4.9
        site.connect(1, role="transformer", poll_seconds=0)
        await asyncio.sleep(HOUR)
        assert site.stored[1] > 350
        assert site.longest_wait(1, 0) <= 12.6

    run(scenario)
