"""Readings at wanted moments, on a clock that jumps."""

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from acrel_link.moments import SPREAD, Moments

from .virtual_loop import VirtualLoop

NOON = datetime(2026, 11, 22, 12)
HOUR = 3600


class Bench:
    """Moments of some meters, a clock that can be set, and what was read when."""

    def __init__(self, loop, meters=3):
        self.loop, self.offset = loop, 0.0
        self.read = defaultdict(list)  # by meter id: the clock's seconds since noon
        self.rows: list[tuple[datetime, int]] = []
        polls = SimpleNamespace(
            units={
                meter: SimpleNamespace(read_now=lambda meter=meter: self.note(meter))
                for meter in range(1, meters + 1)
            }
        )
        self.moments = Moments(SimpleNamespace(now=self.now), polls)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.loop.time() + self.offset)

    def note(self, meter):
        self.read[meter].append((self.now() - NOON).total_seconds())

    def want(self, seconds, *meters):
        self.rows += [(NOON + timedelta(seconds=seconds), meter) for meter in meters]

    async def fetch(self, sql, bounds):
        return [row for row in self.rows if bounds[0] < row[0] <= bounds[1]]

    async def live(self, seconds):
        """Let time pass, with a refresh every minute as the process does it."""
        until = self.loop.time() + seconds
        while self.loop.time() < until:
            await self.moments.refresh(self)
            await asyncio.sleep(min(60, until - self.loop.time()))


@pytest.fixture
def run():
    def run(scenario):
        loop = VirtualLoop()

        async def main():
            bench = Bench(loop)
            task = asyncio.create_task(bench.moments.run())
            await scenario(bench)
            task.cancel()

        loop.run_until_complete(main())
        loop.close()

    return run


def test_each_is_read_once_just_behind_its_moment(run):
    async def scenario(bench):
        bench.want(1800, 1, 2, 3)
        bench.want(5400, 1)
        bench.want(9000, 99)  # not connected here
        await bench.live(3 * HOUR)
        assert len(bench.read[1]) == 2
        for meter, times in bench.read.items():
            for at, moment in zip(times, (1800, 5400), strict=False):
                assert moment <= at <= moment + SPREAD + 0.02, meter
        assert len({times[0] for times in bench.read.values()}) == 3, "not all at once"

    run(scenario)


def test_a_moment_jumped_over_is_read_at_once(run):
    async def scenario(bench):
        bench.want(1800, 1)
        await bench.live(60)
        bench.offset = HOUR
        await bench.live(120)
        assert len(bench.read[1]) == 1
        assert HOUR + 60 <= bench.read[1][0] <= HOUR + 63

    run(scenario)


def test_a_moment_that_comes_again_is_read_again(run):
    async def scenario(bench):
        bench.want(1800, 1)
        await bench.live(HOUR)
        bench.offset = -HOUR
        await bench.live(HOUR)
        first, again = bench.read[1]
        assert 1800 <= first <= 1802
        assert 1800 <= again <= 1802

    run(scenario)
