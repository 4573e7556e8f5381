"""A link process that was frozen past its lease sends nothing to meters that moved on."""

import asyncio
import signal
import time

from acrel_link import rtu
from acrel_link.clock import to_unix_ms
from acrel_link.commands import REGISTER, TRANSPARENT, build_transparent

from .bed import Bed, Peer, until
from .test_settings import start

SERIAL = "99000000000001"
LEASE = 1.0


async def connect(bed: Bed, pid: int) -> Peer:
    """Connect to the link process with this pid as a meter does."""
    listen = await until(
        lambda: bed.one("SELECT listen FROM acrel_link_worker WHERE pid = %s", pid), "it listens"
    )
    host, _, port = listen.rpartition(" ")[2].rpartition(":")
    peer = Peer(*await asyncio.open_connection(host, int(port)))
    peer.register(SERIAL)
    assert (await peer.frame()).command == REGISTER
    return peer


async def drain(peer: Peer) -> None:
    """Read what a process that stands still had sent before."""
    while True:
        try:
            async with asyncio.timeout(0.2):
                await peer.reader.read(4096)
        except TimeoutError:
            return


async def rest(peer: Peer) -> bytes:
    """Return all that still comes until the connection is closed."""
    came = b""
    while True:
        try:
            data = await peer.reader.read(4096)
        except ConnectionError:
            return came
        if not data:
            return came
        came += data


async def test_a_frozen_link_sends_nothing_after_its_lease(bed):
    _, meter, output = bed.add_link(SERIAL)
    frozen = await start(dsn=bed.dsn, lease=str(LEASE), sweep="0.2", poll_idle="0.2")
    peer = await connect(bed, frozen.pid)
    other = None
    try:
        await peer.frame(TRANSPARENT)
        frozen.send_signal(signal.SIGSTOP)
        since = time.monotonic()
        await until(lambda: _state(frozen.pid) == "T", "it stands still")
        await drain(peer)
        async with bed.link() as link:
            second = await link.peer()
            second.register(SERIAL)
            assert (await second.frame()).command == REGISTER
            other = link.context.worker_id
            await until(
                lambda: bed.one("SELECT worker_id FROM acrel_link_live") == other,
                "another process owns the link",
            )
            bed.want(output, "open")
            # what a frozen process finds when it goes on: a request to acknowledge, a wanted state
            peer.register(SERIAL)
            peer.send(build_transparent(rtu.read_request(1, 0x01C2, 2)))
            await until(lambda: time.monotonic() - since > 2 * LEASE, "the lease is over")
            frozen.send_signal(signal.SIGCONT)
            assert await asyncio.wait_for(rest(peer), 30) == b""
            assert bed.one("SELECT worker_id FROM acrel_link_live") == other
    finally:
        frozen.send_signal(signal.SIGCONT)
        frozen.terminate()
        _, said = await asyncio.wait_for(frozen.communicate(), 30)
        peer.close()
    assert b"stood still" in said
    assert meter


async def test_a_short_pause_costs_no_connection(bed):
    bed.add_link(SERIAL)
    process = await start(dsn=bed.dsn, lease="30", sweep="0.2")
    peer = await connect(bed, process.pid)
    try:
        process.send_signal(signal.SIGSTOP)
        await until(lambda: _state(process.pid) == "T", "it stands still")
        process.send_signal(signal.SIGCONT)
        peer.register(SERIAL)
        assert (await peer.frame(REGISTER)) is not None
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 30)
        peer.close()


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


async def test_a_claim_that_comes_too_late_is_asked_for_again(bed):
    """The database's clock was set, or the process stood still: one look at the time settles it."""
    bed.add_link(SERIAL)
    async with bed.link(sweep=3600) as link:
        clock = link.context.clock
        clock.follow((to_unix_ms(clock.now()) - 3_600_000) * 1000)
        peer = await link.peer()
        peer.register(SERIAL)
        await peer.frame(REGISTER)
        await until(
            lambda: bed.one("SELECT online FROM acrel_link_live"),
            "its link is claimed all the same",
        )
