"""PostgreSQL away, the link process killed: nothing lost, nothing twice, all guarded."""

import asyncio
import os
import re
import sys
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from acrel_link.clock import Clock
from acrel_link.database import Database
from acrel_link.simulator import Fleet, Options

from .bed import ADDON, until
from .test_outputs import SERIAL, close, live_until, relay_writes

QUICK = {
    "POLL_CLOSED": "0.2",
    "POLL_IDLE": "0.5",
    "SWEEP": "0.3",
    "REQUEST_TIMEOUT": "0.5",
    "FEEDBACK_TIME": "0.5",
    "RETRY_FIRST": "0.1",
}


@pytest.fixture
def ids(bed):
    return bed.add_link(SERIAL)


@pytest.mark.parametrize("guard", ["energy", "time"])
async def test_a_guard_opens_while_postgresql_is_away(cluster, bed, ids, guard):
    async with bed.link() as link, bed.fleet(link, speed=100) as fleet:
        await until(lambda: bed.live(ids[2]), "the output was seen")
        limits = {
            "energy": {"guard_energy": 60},
            "time": {"guard_until": datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=3)},
        }
        row = await close(bed, ids[2], **limits[guard])
        bed.close()
        cluster.stop()
        try:
            await until(lambda: not fleet.state(SERIAL)["contactor"], "the guard opened it")
        finally:
            cluster.start()
        row = await live_until(bed, ids[2], open_revision=row["close_revision"], state="open")
        assert row["guard_tripped"] == guard
        assert row["open_register"] >= row["close_register"]
        await until(lambda: bed.events("guard_tripped"), "the event")
        stored = bed.one(
            "SELECT e_forward FROM acrel_reading_raw WHERE received_at = %s", row["open_read_at"]
        )
        assert stored == row["open_register"]


async def test_a_connection_that_breaks_while_it_is_opened_is_closed(bed, monkeypatch):
    async def broken(self, connection):
        raise psycopg.OperationalError("the server goes down")

    monkeypatch.setattr(Database, "_follow_clock", broken)
    with pytest.raises(psycopg.OperationalError):
        await Database(bed.dsn, "broken", Clock()).connect()
    here = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'acrel_link broken'"
    await until(lambda: bed.one(here) == 0, "it is closed")


async def test_a_connection_that_is_being_opened_at_the_end_is_closed(bed, monkeypatch):
    opening, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(self, connection):
        opening.set()
        await goes_on.wait()

    monkeypatch.setattr(Database, "_follow_clock", slow)
    database = Database(bed.dsn, "late", Clock())
    fetching = asyncio.create_task(database.fetch("SELECT 1"))
    await opening.wait()
    await database.end()
    goes_on.set()
    with pytest.raises(psycopg.InterfaceError, match="stops"):
        await fetching
    here = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'acrel_link late'"
    await until(lambda: bed.one(here) == 0, "it is closed")
    with pytest.raises(psycopg.InterfaceError, match="stops"):
        await database.fetch("SELECT 1")


async def test_hold_stays_closed_while_postgresql_is_away(cluster, bed, ids):
    async with bed.link() as link, bed.fleet(link, speed=100) as fleet:
        await until(lambda: bed.live(ids[2]), "the output was seen")
        await close(bed, ids[2], guard_energy=20, on_doubt="hold")
        bed.close()
        cluster.stop()
        try:
            register = fleet.state(SERIAL)["register"]
            await until(lambda: fleet.state(SERIAL)["register"] > register + 60, "energy flows")
        finally:
            cluster.start()
        await until(lambda: bed.events("guard_held"), "the alarm")
        assert relay_writes(fleet) == [True]


async def test_a_restart_under_load_loses_and_doubles_no_acknowledged_upload(cluster, bed):
    count = 40
    for number in range(count):
        bed.add_link(str(int(SERIAL) + number), outputs=())
    async with (
        bed.link(poll_idle=60) as link,
        bed.fleet(link, count=count, interval=0, retry=0.5) as fleet,
    ):
        await until(lambda: fleet.totals()["uploads_acknowledged"] > 500, "uploads flow")
        for mode in ("fast", "immediate"):
            bed.close()
            if mode == "fast":
                cluster.stop()
            else:
                cluster.child.kill()
                cluster.stop()
            cluster.start()
            before = fleet.totals()["uploads_acknowledged"]
            await until(
                lambda before=before: fleet.totals()["uploads_acknowledged"] > before + 500,
                "uploads flow again",
            )
        link.server.stop_listening()
        acknowledged = fleet.totals()["uploads_acknowledged"]
        await until(lambda: link.context.writer.pending == 0, "all is stored")
    uploads = "SELECT count(*) FROM acrel_reading_raw WHERE source = 145"
    stored = bed.one(uploads)
    sent = fleet.totals()["uploads_sent"]
    assert acknowledged <= stored <= sent
    distinct = bed.one("SELECT count(*) FROM acrel_upload_seen")
    assert stored == distinct, "none is stored twice"


async def start(bed) -> tuple[asyncio.subprocess.Process, tuple[str, int]]:
    """Start the link process as the supervisor does; return it with its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "acrel_link",
        env={
            **os.environ,
            "PYTHONPATH": str(ADDON),
            "ACREL_LINK_DSN": bed.dsn,
            "ACREL_LINK_LISTEN": bed.address,
            **{f"ACREL_LINK_{name}": value for name, value in QUICK.items()},
        },
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    while line := await process.stderr.readline():
        if found := re.search(rb"Listening: plain (\S+):(\d+)", line):
            bed.address = f"{found[1].decode()}:{found[2].decode()}"
            return process, (found[1].decode(), int(found[2]))
    raise AssertionError("it did not start")


async def kill(process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def test_sigkill_in_a_session_keeps_its_start_and_its_guard(bed, ids):
    bed.address = "127.0.0.1:0"
    process, address = await start(bed)
    options = Options(connect=address, speed=100, start_register=12345, interval=0.5, retry=0.5)
    async with Fleet(options) as fleet:
        try:
            await until(lambda: bed.live(ids[2]), "the output was seen")
            before = await close(bed, ids[2], guard_energy=200)
            await kill(process)
            assert fleet.state(SERIAL)["contactor"], "it goes on"
            process, _ = await start(bed)
            row = await live_until(
                bed, ids[2], open_revision=before["close_revision"], state="open"
            )
        finally:
            await kill(process)
        assert row["close_register"] == before["close_register"]
        assert row["guard_register"] == before["close_register"] + 200
        assert row["guard_tripped"] == "energy"
        assert not any(relay_writes(fleet)[1:]), "it was closed once"


async def test_sigkill_between_closing_and_confirming_ends_in_one_start(bed, ids):
    """The relay is closed, nobody confirmed it: the next process reads a start and confirms."""
    bed.address = "127.0.0.1:0"
    process, address = await start(bed)
    options = Options(connect=address, speed=100, start_register=12345, interval=0.5, retry=0.5)
    async with Fleet(options) as fleet:
        try:
            await until(lambda: bed.live(ids[2]), "the output was seen")
            # nobody can confirm while the row is locked
            with bed.admin.transaction():
                bed.admin.execute("LOCK acrel_output_live IN SHARE MODE")
                bed.admin.execute("SELECT 1")
                with bed.second() as other:
                    other.want(ids[2], "closed")
                await until(lambda: fleet.state(SERIAL)["relay"], "the relay closed")
                await kill(process)
            assert bed.live(ids[2])["close_revision"] is None
            process, _ = await start(bed)
            row = await live_until(bed, ids[2], close_revision=1, state="closed")
        finally:
            await kill(process)
        assert row["close_register"] >= 12345
        states = bed.all("SELECT state FROM acrel_command ORDER BY id")
        assert states == [("failed",), ("done",)]
