"""PostgreSQL takes nothing: what arrives is kept, acknowledged, and stored once when it is back."""

import asyncio
import contextlib
import os
import random
import re
import resource
import signal
import sys

import pytest

from acrel_link import commands, transactions
from acrel_link.frames import encode
from acrel_link.process import build, serving
from acrel_link.settings import SettingsError

from .bed import ADDON, Peer, until
from .test_outputs import SERIAL as METER
from .test_uploads import SERIAL, acknowledged, alarm, upload

QUICK = {"spool_after": 0.2, "request_timeout": 60}
NUMBERS = "SELECT e_forward FROM acrel_reading_raw WHERE source = 145 ORDER BY received_at, id"


@pytest.fixture
def ids(bed):
    return bed.add_link(SERIAL, outputs=())


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
async def link(bed, ids, folder):
    async with bed.link(spool=folder, **QUICK) as link:
        yield link


@pytest.fixture
async def peer(link):
    peer = await link.peer()
    peer.register(SERIAL)
    assert await peer.frame(commands.REGISTER)
    await until(lambda: not link.context.writer.pending, "all is quiet")
    return peer


@contextlib.contextmanager
def away(cluster, bed):
    """Stop PostgreSQL for as long as the block lasts."""
    bed.close()
    cluster.stop()
    try:
        yield
    finally:
        cluster.start()


@contextlib.contextmanager
def read_only(bed):
    """Let PostgreSQL refuse every write, as a standby or an operator's precaution does."""
    try:
        bed.admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        bed.admin.execute("SELECT pg_reload_conf()")
        yield
    finally:
        bed.admin.execute("SET default_transaction_read_only = off")
        bed.admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
        bed.admin.execute("SELECT pg_reload_conf()")


async def all_stored(link, folder) -> None:
    await until(lambda: not link.context.writer.pending and not segments(folder), "all is stored")


def segments(folder) -> list:
    return sorted(folder.glob("*.spool"))


def stored(bed) -> list[int]:
    return [number for (number,) in bed.all(NUMBERS)]


async def test_uploads_are_acknowledged_from_the_disk_and_stored_in_order(
    cluster, bed, ids, link, peer, folder
):
    peer.send(upload(1000))
    assert await acknowledged(peer)
    with away(cluster, bed):
        for number in range(1001, 1101):
            peer.send(upload(number))
            assert await acknowledged(peer)
        assert len(b"".join(path.read_bytes() for path in segments(folder))) > 100 * 300
        size, records, oldest = link.context.writer.spooled
        assert size > 30_000 and records >= 100 and oldest is not None
    await all_stored(link, folder)
    assert stored(bed) == list(range(1000, 1101))
    live = bed.row("acrel_meter_live", "meter_id", ids[1])
    assert live["e_forward"] == 1100
    [event] = bed.events("spooling")
    await until(lambda: bed.events("spooling")[0]["end_at"], "its end")
    assert event["severity"] == "warning" and str(folder) in event["message"]
    assert link.context.writer.spooled == (0, 0, None)
    peer.send(upload(1101))
    assert await acknowledged(peer)
    assert stored(bed)[-1] == 1101, "it goes straight again"


async def test_the_same_upload_before_in_and_after_the_spool_is_stored_once(
    cluster, bed, link, peer, folder
):
    peer.send(upload(1000))
    assert await acknowledged(peer)
    with away(cluster, bed):
        for number in (1000, 1001, 1001):
            peer.send(upload(number))
            assert await acknowledged(peer)
    peer.send(upload(1001))
    assert await acknowledged(peer)
    await all_stored(link, folder)
    assert stored(bed) == [1000, 1001]


async def test_polled_readings_are_kept_too(cluster, bed, folder):
    _, meter, _ = bed.add_link(METER, outputs=())
    async with bed.link(spool=folder, spool_after=0.2) as link, bed.fleet(link):
        await until(lambda: bed.readings(meter), "it is polled")
        with away(cluster, bed):
            await until(lambda: link.context.writer.spooled[1] >= 12, "readings are kept")
        await all_stored(link, folder)
    stamps = bed.all("SELECT received_at FROM acrel_reading_raw WHERE source = 144 ORDER BY id")
    assert len(stamps) == len(set(stamps)) >= 4
    assert stamps == sorted(stamps)


async def test_refused_frames_and_alarms_are_kept_too(cluster, bed, ids, link, peer, folder):
    with away(cluster, bed):
        peer.send(encode(commands.UPLOAD, b"no upload"))
        assert await acknowledged(peer)
        peer.send(alarm(2))
        assert await acknowledged(peer, commands.ALARM)
        peer.send(alarm(0))
        assert await acknowledged(peer, commands.ALARM)
    await all_stored(link, folder)
    assert bed.one("SELECT frame FROM acrel_reading_quarantine") == b"\x91no upload"
    [event] = bed.events("alarm_under_voltage")
    assert event["meter_id"] == ids[1] and event["end_at"] >= event["begin_at"]


async def test_what_an_earlier_process_left_is_stored_by_the_next(cluster, bed, ids, folder):
    with away(cluster, bed):
        pass
    async with bed.link(spool=folder, **QUICK) as link:
        peer = await link.peer()
        peer.register(SERIAL)
        assert await peer.frame(commands.REGISTER)
        bed.close()
        cluster.stop()
        peer.send(upload(1000), upload(1001))
        assert await acknowledged(peer) and await acknowledged(peer)
    # it has ended while PostgreSQL was away
    assert segments(folder)
    cluster.start()
    async with bed.link(spool=folder, **QUICK) as link:
        await all_stored(link, folder)
    assert stored(bed) == [1000, 1001]


async def test_read_only_is_away_and_ends_by_itself(bed, link, peer, folder):
    with read_only(bed):
        for number in range(1000, 1010):
            peer.send(upload(number))
            assert await acknowledged(peer)
        peer.send(encode(commands.UPLOAD, b"no upload"))
        assert await acknowledged(peer)
        await until(lambda: segments(folder), "it is kept")
        # its sweep cannot write either; the process goes on
        await asyncio.sleep(2 * link.context.settings.sweep)
        assert stored(bed) == []
    await all_stored(link, folder)
    assert stored(bed) == list(range(1000, 1010))
    assert bed.one("SELECT frame FROM acrel_reading_quarantine") == b"\x91no upload"
    await until(lambda: bed.events("spooling")[0]["end_at"], "the event's end")


async def test_a_server_that_hangs_holds_no_acknowledgement(bed, link, peer, folder):
    """The storing neither succeeds nor fails; it succeeds later, and nothing is there twice."""
    with bed.admin.transaction():
        bed.admin.execute("LOCK acrel_reading_raw")
        for number in range(1000, 1010):
            peer.send(upload(number))
            assert await acknowledged(peer)
        assert segments(folder)
    await all_stored(link, folder)
    assert stored(bed) == list(range(1000, 1010))


async def test_a_server_that_takes_long_but_goes_on_is_not_left(bed, link, peer, monkeypatch):
    monkeypatch.setattr(transactions, "TOGETHER", 1)
    ways = []
    link.context.writer.detour.on_way = ways.append
    for _ in range(8):
        link.context.writer.execute("SELECT pg_sleep(0.1)")  # together four times `spool_after`
    peer.send(upload(1000))
    assert await acknowledged(peer)
    assert ways == [] and stored(bed) == [1000]


async def test_a_row_that_does_not_fit_leaves_the_spool_for_quarantine(
    cluster, bed, ids, link, peer, folder
):
    bed.admin.execute("ALTER TABLE acrel_reading_raw ADD CHECK (e_forward <> 1005)")
    with away(cluster, bed):
        for number in range(1000, 1010):
            peer.send(upload(number))
            assert await acknowledged(peer)
    await all_stored(link, folder)
    assert stored(bed) == [number for number in range(1000, 1010) if number != 1005]
    row = bed.row("acrel_reading_quarantine", "meter_id", ids[1])
    assert encode(commands.UPLOAD, row["frame"]) == upload(1005)
    assert bed.events("reading_refused")[0]["meter_id"] == ids[1]


async def test_a_full_spool_acknowledges_nothing_and_recovers(cluster, bed, folder, ids):
    """The spool may not grow any more: what does not fit waits, as before there was a spool."""
    async with bed.link(spool=folder, spool_bytes="1M", max_pending=50, **QUICK) as link:
        peer = await link.peer()
        peer.register(SERIAL)
        assert await peer.frame(commands.REGISTER)
        writer, told = link.context.writer, []

        async def send() -> None:
            while True:
                peer.send(upload(1000 + len(told)))
                assert await acknowledged(peer)
                told.append(1000 + len(told))

        with away(cluster, bed):
            sending = asyncio.create_task(send())
            await until(lambda: writer.spooled[0] > (1 << 20) - 2000, "the spool is nearly full")
            await until(lambda: writer.pending and not writer.lost, "it is full")
            peer.send(*(upload(10_000 + number) for number in range(100)))
            await until(lambda: writer.lost, "nothing more is taken")
            assert writer.spooled[0] <= 1 << 20
        await until(lambda: max(stored(bed), default=0) >= 10_000, "what was received is stored")
        sending.cancel()
        # the other hundred's acknowledgements counted too, so some that were told are on the line
        await until(lambda: set(told) <= set(stored(bed)), "what was acknowledged is stored")
        await all_stored(link, folder)
        numbers = stored(bed)
        assert len(numbers) == len(set(numbers))
        assert len(told) > 1000 and len(numbers) < len(told) + 100
        events = await until(lambda: bed.events("spool_full"), "the event")
        await until(lambda: bed.events("spool_full")[0]["end_at"], "its end")
        assert events[0]["severity"] == "alarm" and "at most" in events[0]["message"]


async def test_a_folder_in_use_is_refused(bed, link, folder):
    with pytest.raises(SettingsError, match="ACREL_LINK_SPOOL is used by another link process"):
        async with serving(*build(bed.settings(spool=folder))):
            raise AssertionError("it serves")


async def test_a_folder_that_cannot_be_made_is_refused(bed, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="ACREL_LINK_SPOOL cannot be used"):
        async with serving(*build(bed.settings(spool=tmp_path / "file" / "spool"))):
            raise AssertionError("it serves")


# === As a process of its own === #


class Process:
    """The link process as the supervisor starts it."""

    def __init__(self, bed, folder):
        self._bed, self._folder = bed, folder
        self._listen = "127.0.0.1:0"
        self.child: asyncio.subprocess.Process | None = None
        self._peers: list[Peer] = []

    async def start(self) -> None:
        self.child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "acrel_link",
            env={
                **os.environ,
                "PYTHONPATH": str(ADDON),
                "ACREL_LINK_DSN": self._bed.dsn,
                "ACREL_LINK_LISTEN": self._listen,
                "ACREL_LINK_SPOOL": str(self._folder),
                "ACREL_LINK_SPOOL_AFTER": "0.1",
                "ACREL_LINK_SWEEP": "0.3",
            },
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        while line := await self.child.stderr.readline():
            if found := re.search(rb"Listening: plain (\S+):(\d+)", line):
                self._listen = f"{found[1].decode()}:{found[2].decode()}"
                self._reading = asyncio.create_task(self.child.stderr.read())
                return
        raise AssertionError("it did not start")

    async def peer(self) -> Peer:
        host, _, port = self._listen.rpartition(":")
        peer = Peer(*await asyncio.open_connection(host, int(port)))
        self._peers.append(peer)
        peer.register(SERIAL)
        assert await peer.frame(commands.REGISTER)
        return peer

    async def kill(self) -> None:
        if self.child is not None and self.child.returncode is None:
            self.child.kill()
        await self.child.wait()
        await self._reading
        while self._peers:
            peer = self._peers.pop()
            peer.close()
            with contextlib.suppress(ConnectionError):
                await peer.writer.wait_closed()


@pytest.fixture
async def process(bed, ids, folder):
    process = Process(bed, folder)
    await process.start()
    yield process
    await process.kill()


async def test_sigkill_at_any_moment_of_an_outage_loses_nothing_acknowledged(
    cluster, bed, ids, process, folder
):
    """Numbered uploads; the link dies while it spools, and again while it drains."""
    chance = random.Random(4711)
    told: set[int] = set()
    sent = 1000

    async def send(peer: Peer, count: int) -> None:
        """Send one by one; the process may die in between."""
        nonlocal sent
        for _ in range(count):
            sent += 1
            peer.send(upload(sent))
            if await peer.frame(commands.UPLOAD) is None:
                return
            told.add(sent)

    for _ in range(3):
        peer = await process.peer()
        await send(peer, 5)
        with away(cluster, bed):
            sending = asyncio.create_task(send(peer, 500))
            enough = len(told) + chance.randrange(20, 60)
            await until(lambda enough=enough: len(told) >= enough, "uploads are acknowledged")
            process.child.send_signal(signal.SIGKILL)
            await sending
            await process.kill()
        await process.start()  # drains; killed again on its way
        await asyncio.sleep(chance.random() * 0.05)
        await process.kill()
        await process.start()
    await until(lambda: not segments(folder), "all is stored")
    numbers = stored(bed)
    assert len(numbers) == len(set(numbers)), "none is stored twice"
    assert told <= set(numbers) <= set(range(1001, sent + 1))
    assert len(told) > 60


async def test_a_full_disk_takes_nothing_and_is_told(cluster, bed, ids, process, folder):
    """The system lets the spool's files grow no further, as a full disk does."""
    peer = await process.peer()
    peer.send(upload(1000))
    assert await acknowledged(peer)
    pid, unlimited = process.child.pid, resource.RLIM_INFINITY
    with away(cluster, bed):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, unlimited))
        acknowledgements = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                while True:
                    peer.send(*(upload(1001 + acknowledgements * 20 + at) for at in range(20)))
                    for _ in range(20):
                        await peer.frame(commands.UPLOAD)
                    acknowledgements += 1
        held = sum(path.stat().st_size for path in segments(folder))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        assert await peer.frame(commands.UPLOAD), "there is room again"
        assert held <= 4096
    await until(lambda: not segments(folder), "all is stored")
    events = await until(lambda: bed.events("spool_full"), "the event")
    await until(lambda: bed.events("spool_full")[0]["end_at"], "its end")
    assert "File too large" in events[0]["message"]
    numbers = stored(bed)
    assert len(numbers) == len(set(numbers)) > acknowledgements * 20
