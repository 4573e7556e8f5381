"""What strangers may take of a listener, and that none of it keeps an honest meter out."""

import asyncio
import contextlib

import pytest

from acrel_link import commands, failures

from .bed import registration, until
from .secured import OTHER, SERIAL, Secured


@pytest.fixture
def secured(bed, tmp_path):
    return Secured(bed, tmp_path)


@contextlib.asynccontextmanager
async def strangers(address, host, count):
    """Hold silent connections from an address; yield their readers."""
    pairs = [await asyncio.open_connection(*address, local_addr=(host, 0)) for _ in range(count)]
    try:
        yield [reader for reader, _ in pairs]
    finally:
        for _, writer in pairs:
            writer.transport.abort()


def ended(readers) -> int:
    """Count the connections that were closed."""
    return sum(reader.at_eof() or reader.exception() is not None for reader in readers)


async def test_half_open_connections_of_one_address_are_bounded(bed, secured):
    bed.add_link(SERIAL, channel="sealed")
    payload = secured.bench.issue(SERIAL)
    async with (
        secured.link(limits_sealed="20,1000") as link,
        strangers(link.server.addresses["sealed"], "127.0.0.9", 30) as readers,
    ):
        await until(lambda: ended(readers) == 10, "what is too much is refused")
        peer = await secured.sealed(link, secured.device(payload))
        assert await peer.register(SERIAL), "another address is not concerned"
        assert ended(readers) == 10


async def test_an_address_that_begins_too_often_is_refused_for_a_moment(bed, secured):
    bed.add_link(SERIAL, channel="sealed")
    payload = secured.bench.issue(SERIAL)
    async with (
        secured.link(limits_sealed="1000,5") as link,
        strangers(link.server.addresses["sealed"], "127.0.0.9", 40) as readers,
    ):
        await until(lambda: ended(readers) >= 20, "what is too fast is refused")
        peer = await secured.sealed(link, secured.device(payload))
        assert await peer.register(SERIAL), "another address is not concerned"

        async def again():
            late = await secured.sealed(link, secured.device(payload), host="127.0.0.9")
            return await late.register(SERIAL)

        async with asyncio.timeout(30):
            while not await again():
                pass  # the same address is let in again as time goes by


async def test_the_address_with_most_makes_room_for_another(bed, secured):
    bed.add_link(SERIAL, channel="sealed")
    payload = secured.bench.issue(SERIAL)
    async with (
        secured.link(max_unregistered=10, handshake_timeout=60) as link,
        strangers(link.server.addresses["sealed"], "127.0.0.9", 12) as readers,
    ):
        await until(lambda: ended(readers) == 2, "the door is full")
        peer = await secured.sealed(link, secured.device(payload))
        assert await peer.register(SERIAL)
        await until(lambda: ended(readers) == 3, "its oldest made room")


async def test_shared_addresses_have_limits_of_their_own(bed, secured):
    async with (
        secured.link(limits_sealed="1,1", shared="127.0.0.8/32", limits_shared="8,100") as link,
        strangers(link.server.addresses["sealed"], "127.0.0.8", 10) as readers,
    ):
        await until(lambda: ended(readers) == 2, "eight are in")


@pytest.mark.parametrize("channel", ["tls", "sealed", "plain"])
async def test_a_connection_that_says_nothing_ends(bed, secured, channel):
    secured.make_authority()
    async with (
        secured.link(handshake_timeout=1) as link,
        strangers(link.server.addresses[channel], "127.0.0.9", 3) as readers,
    ):
        await until(lambda: ended(readers) == 3, "they are closed")
        await until(lambda: link.context.counters.connections == 0, "they are forgotten")


@pytest.mark.parametrize("channel", ["tls", "sealed"])
async def test_a_handshake_that_dribbles_ends(bed, secured, channel):
    secured.make_authority()
    bed.add_link(SERIAL, channel=channel)
    async with secured.link(handshake_timeout=1) as link:
        begun = {"sealed": b"{{\xe1\x01\x00\x00\x48", "tls": b"\x16\x03\x01\x02\x00\x01"}[channel]
        reader, writer = await asyncio.open_connection(*link.server.addresses[channel])

        async def dribble():
            for byte in begun + bytes(500):
                writer.write(bytes((byte,)))
                await asyncio.sleep(0.05)

        dribbling = asyncio.create_task(dribble())
        with contextlib.suppress(ConnectionError):
            await reader.read()
        dribbling.cancel()
        writer.close()
        await until(lambda: link.context.counters.connections == 0, "it is forgotten")


async def test_failures_in_one_links_name_are_an_event_and_slow_only_that_pair(
    bed, secured, monkeypatch
):
    monkeypatch.setattr(failures, "HOLD", 1)
    link_id, *_ = bed.add_link(SERIAL, channel="sealed")
    bed.add_link(OTHER, channel="sealed")
    payload = secured.bench.issue(SERIAL, OTHER)
    async with secured.link() as link:
        [listener] = [one for one in link.server.listeners if one.name == "sealed"]
        for _ in range(5):
            thief = await secured.sealed(link, secured.device_of(SERIAL, bytes(32)), "127.0.0.9")
            assert not await thief.opened()
            thief.writer.close()
        events = await until(lambda: bed.events("handshake_failed"), "the alarm")
        assert events[0]["link_id"] == link_id and "127.0.0.9" in events[0]["message"]
        pair = "127.0.0.9", SERIAL.encode()
        assert listener.failures.hold(*pair) == 1
        # the same name from elsewhere, and another name from there, are answered at once
        assert not listener.failures.hold("127.0.0.1", SERIAL.encode())
        assert not listener.failures.hold("127.0.0.9", OTHER.encode())
        other = await secured.sealed(link, secured.device(payload, OTHER), host="127.0.0.9")
        assert await other.register(OTHER)
        # the link itself, at the thief's own address, is slowed down and not shut out
        peer = await secured.sealed(link, secured.device(payload), host="127.0.0.9")
        assert await peer.register(SERIAL)
        assert not listener.failures.hold(*pair), "a proof clears what stood against the pair"


async def test_an_unknown_serial_on_sealed_is_listed(bed, secured):
    async with secured.link() as link:
        stranger = await secured.sealed(link, secured.device_of("4711", bytes(32)))
        assert not await stranger.opened()
        stranger.writer.close()
        await until(lambda: bed.row("acrel_link_candidate", "serial", "4711"), "the candidate")


@pytest.mark.parametrize("channel", ["plain", "sealed"])
async def test_a_flood_of_valid_frames_is_taken_at_its_rate(bed, secured, channel):
    bed.add_link(SERIAL, channel=channel)
    bed.add_link(OTHER)
    payload = secured.bench.issue(SERIAL)
    async with secured.link(frame_rate=400, request_timeout=30) as link:
        if channel == "plain":
            flooder = await link.peer()
            flooder.register(SERIAL)
            assert (await flooder.frame()).command == commands.REGISTER
            for _ in range(5000):
                flooder.send(commands.HEARTBEAT_FRAME)
            flooder.send(commands.build_time_request(SERIAL))
        else:
            flooder = await secured.sealed(link, secured.device(payload))
            assert await flooder.register(SERIAL)
            for _ in range(5000):
                flooder.send(commands.HEARTBEAT)
            flooder.send(commands.TIME, SERIAL.encode().ljust(20, b"\0"))
        [connection] = link.server.online
        await until(lambda: connection._paused, "it is not read on")
        assert connection._taken <= 4001
        honest = await link.peer()
        honest.send(registration(OTHER))
        assert (await honest.frame()).command == commands.REGISTER
        assert await flooder.frame(commands.TIME), "nothing of it is lost"
