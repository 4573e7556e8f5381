"""The agent as a process of its own, killed at any instant."""

import asyncio
import contextlib
import os
import random
import sqlite3
import sys
import time

import pytest

from acrel_link.commands import UPLOAD
from acrel_link.guard_order import GuardOrder
from acrel_link.serials import SERIAL_SIZE
from meter_agent.agent import SPOOL_FILE
from meter_agent.config import Config, load
from meter_agent.keys import KeyStore
from meter_agent.spool import Spool

from .lines import device, tcp_meters, until
from .station import SERIAL, Station, bring_key, station

KILLS = 9  # every third without a line
SEED = 20

CONFIG = """
[server]
address = "127.0.0.1:{port}"
channel = "sealed"
[site]
serial = "{serial}"
state = "{state}"
[[bus]]
host = "127.0.0.1"
tcp_port = {modbus}
timeout = 0.5
[[bus.meter]]
slave = 1
poll_closed = 0.1
poll_idle = 0.1
"""


class Process:
    """`meter-agent run`."""

    def __init__(self, file):
        self._file = file
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "meter_agent", "--config", str(self._file), "run"),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def kill(self) -> None:
        self._process.kill()
        await self._process.wait()

    async def end(self) -> None:
        """Leave no process behind, whatever the test came to."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    async def stop(self) -> int:
        self._process.terminate()
        return await self._process.wait()


def waiting(config: Config) -> list[bytes]:
    """Return the uploads in the spool of an agent that does not run, in order."""
    file = config.state / SPOOL_FILE
    if not file.exists():
        return []
    copy = file.with_name("copy")
    for suffix in ("", "-wal"):
        source = file.with_name(file.name + suffix)
        if source.exists():
            copy.with_name(copy.name + suffix).write_bytes(source.read_bytes())
    spool, found = Spool(copy, 2**30, UPLOAD), []
    while frame := spool.first():
        spool.acknowledged(frame.id)
        if frame.command == UPLOAD:
            found.append(frame.body)
    spool.close()
    for left in config.state.glob("copy*"):
        left.unlink()
    return found


def frames(config: Config) -> int:
    """Count what stands in the spool of an agent that runs."""
    file = config.state / SPOOL_FILE
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM frame").fetchone()[0]


def told(server: Station) -> list[bytes]:
    """Return what the server stored: what came twice as it was counts once, as it does there."""
    bodies = [frame.body[SERIAL_SIZE:] for frame in server.stored if frame.command == UPLOAD]
    return list(dict.fromkeys(bodies))


@pytest.fixture
async def started():
    """Make processes that end with the test."""
    processes = []

    def make(file) -> Process:
        processes.append(Process(file))
        return processes[-1]

    yield make
    for process in processes:
        await process.end()


async def test_kill_at_any_instant_loses_and_doubles_no_upload(tmp_path, started):
    choice = random.Random(SEED)
    meter = device(5000, load=30_000, speed=300)
    meter.write(time.time_ns(), 0x01C2, (1,))
    async with tcp_meters({1: meter}) as modbus, station() as server:
        file = tmp_path / "agent.toml"
        state = tmp_path / "state"
        file.write_text(CONFIG.format(port=server.port, serial=SERIAL, state=state, modbus=modbus))
        config = load(file)
        bring_key(config)
        process = started(file)
        spooled: list[bytes] = []
        for number in range(KILLS):
            if number % 3 == 1:
                await server.close()
            elif number % 3 == 2:
                await server.open()
            await process.start()
            if number % 3 == 1:
                least = choice.randint(2, 6)
                await until(lambda: frames(config) >= least, "it measures without a line")  # noqa: B023
                await asyncio.sleep(choice.uniform(0, 0.2))  # the instant of the kill
            else:
                before = len(server.registrations)
                await until(lambda: len(server.registrations) > before, "it registers")  # noqa: B023
                await asyncio.sleep(choice.uniform(0, 0.5))
            await process.kill()
            spooled += waiting(config)
        await process.start()
        before = len(server.registrations)
        await until(lambda: len(server.registrations) > before, "it registers")
        await until(lambda: set(spooled) <= set(told(server)), "what was spooled has arrived")
        assert await process.stop() == 0
        # boot counters: `Ring.opened` refuses one that is not above all before
        assert KeyStore(config.state, SERIAL).count() > KILLS / 2
        stored = told(server)
        places = [stored.index(body) for body in dict.fromkeys(spooled)]
        assert places == sorted(places)
        assert len(spooled) >= KILLS / 3


async def test_kill_around_a_guard_never_lets_it_be_forgotten(tmp_path, started):
    choice = random.Random(SEED)
    async with station() as server:
        for number in range(3):
            meter = device(5000, load=30_000, speed=300)
            meter.write(time.time_ns(), 0x01C2, (1,))
            async with tcp_meters({1: meter}) as modbus:
                file = tmp_path / "agent.toml"
                state = tmp_path / f"state-{number}"
                file.write_text(
                    CONFIG.format(port=server.port, serial=SERIAL, state=state, modbus=modbus)
                )
                server.ring.keys[1].boot_counter = 0
                bring_key(load(file))
                process = started(file)
                before = len(server.registrations)
                await process.start()
                await until(lambda: len(server.registrations) > before, "it registers")  # noqa: B023
                limit = meter.register(time.time_ns()) + 400
                await server.guard(GuardOrder(1, 1, 1, limit, None, False))
                await server.close()
                await until(lambda: meter.register(time.time_ns()) >= limit - 20, "nearly there")  # noqa: B023
                await asyncio.sleep(choice.uniform(0, 0.3))  # the instant of the kill
                await process.kill()
                await process.start()
                await until(lambda: not meter.relay, "it is open")  # noqa: B023
                await server.open()
                await process.stop()
