"""Bad peers cost only their own connection."""

import asyncio

import pytest

from acrel_link import commands
from acrel_link.frames import encode
from acrel_link.uploads import build_upload

from .bed import registration, until

SERIAL = "99000000000001"
ENERGY = (123456).to_bytes(4, "big")
READING = [bytes(76), ENERGY + ENERGY + bytes(4)]


@pytest.fixture
async def link(bed):
    """A link process with one well-behaved meter that registered."""
    _, meter, _ = bed.add_link(SERIAL)
    async with bed.link() as link, bed.fleet(link):
        await until(lambda: bed.readings(meter), "the good meter is read")
        yield link


async def still_served(bed, link):
    """The good meter's readings go on and a newcomer is let in."""
    before = bed.readings()
    await until(lambda: bed.readings() > before, "the good meter is read on")
    assert len(link.server.online) >= 1


async def test_an_unknown_serial_is_refused_and_listed(bed, link):
    for _ in range(3):
        peer = await link.peer()
        peer.register("4711", iccid="8986")
        assert await peer.closed()
    row = await until(
        lambda: (
            (row := bed.row("acrel_link_candidate", "serial", "4711")).get("attempts") == 3 and row
        ),
        "the candidate",
    )
    assert row["iccid"] == "8986"
    assert row["peer"].startswith("127.0.0.1:")
    assert link.context.counters.refused == 3
    await still_served(bed, link)


async def test_an_adopted_serial_is_let_in(bed, link):
    peer = await link.peer()
    peer.register("4711")
    assert await peer.closed()
    bed.add_link("4711")
    await until(lambda: "4711" in link.context.master.links, "the link is known")
    peer = await link.peer()
    peer.register("4711")
    assert (await peer.frame()).command == commands.REGISTER
    peer.close()


async def test_candidates_are_bounded_and_ignored_ones_stay(bed, link):
    bed.admin.execute(
        "INSERT INTO acrel_link_candidate (serial, last_seen_at, attempts, ignored)"
        " SELECT 'A' || i, now() - i * interval '1 min', 1, i > 1195"
        " FROM generate_series(1, 1200) i"
    )
    peer = await link.peer()
    peer.register("4711")
    assert await peer.closed()
    await until(lambda: bed.row("acrel_link_candidate", "serial", "4711"), "the candidate")
    counts = "SELECT count(*) FROM acrel_link_candidate WHERE ignored IS {} TRUE"
    await until(lambda: bed.one(counts.format("NOT")) == 1000, "the oldest were dropped")
    assert bed.one(counts.format("")) == 5


async def test_a_flood_of_made_up_serials_is_remembered_in_part_only(bed, link):
    peers = [await link.peer() for _ in range(300)]
    for number, peer in enumerate(peers):
        peer.register(f"X{number:05}")
    for peer in peers:
        assert await peer.closed()
    await until(lambda: bed.one("SELECT count(*) FROM acrel_link_candidate"), "candidates")
    assert link.context.counters.refused == 300
    await still_served(bed, link)


@pytest.mark.parametrize(
    "data",
    [
        commands.HEARTBEAT_FRAME,
        commands.build_time_request(SERIAL),
        encode(commands.UPLOAD, build_upload(SERIAL, 1, READING)),
        encode(commands.REGISTER, b"too short"),
        encode(commands.REGISTER, b"\xff" * 58),
        b"GET / HTTP/1.1\r\n" * 400,
        b"{{" + bytes(20000),
        b"{{}}" * 5000,
    ],
    ids=["94", "93", "91", "84 short", "84 binary", "http", "oversized", "hostile"],
)
async def test_a_peer_whose_first_frame_is_no_registration_is_cut(bed, link, data):
    peer = await link.peer()
    peer.send(data)
    assert await peer.closed()
    await still_served(bed, link)


async def test_a_silent_peer_is_cut(bed, link):
    peer = await link.peer()
    assert await peer.closed()
    await still_served(bed, link)


async def test_a_slow_registration_is_cut(bed, link):
    peer = await link.peer()

    async def dribble():
        for byte in registration(SERIAL):
            peer.send(bytes((byte,)))
            await asyncio.sleep(0.1)

    dribbling = asyncio.create_task(dribble())
    assert await peer.closed()
    dribbling.cancel()
    await still_served(bed, link)


async def test_a_frame_that_is_not_completed_ends_the_connection(bed, link):
    link_id, *_ = bed.add_link("4711")
    await until(lambda: "4711" in link.context.master.links, "the link is known")
    peer = await link.peer()
    peer.register("4711")
    assert (await peer.frame()).command == commands.REGISTER
    peer.send(encode(commands.UPLOAD, bytes(200))[:100])
    assert await peer.closed()
    events = await until(lambda: bed.events("link_abuse"), "the event")
    assert events[0]["link_id"] == link_id
    await still_served(bed, link)


async def test_noise_of_a_registered_peer_ends_its_connection(bed, link):
    bed.add_link("4711")
    await until(lambda: "4711" in link.context.master.links, "the link is known")
    peer = await link.peer()
    peer.register("4711")
    assert (await peer.frame()).command == commands.REGISTER
    peer.send(bytes(10000))
    assert await peer.closed()
    assert await until(lambda: bed.events("link_abuse"), "the event")
    await still_served(bed, link)


async def test_a_peer_that_does_not_read_is_cut(bed, link):
    bed.add_link("4711")
    await until(lambda: "4711" in link.context.master.links, "the link is known")
    peer = await link.peer()
    peer.register("4711")
    assert (await peer.frame()).command == commands.REGISTER
    peer.reader._transport.pause_reading()
    request = commands.build_time_request("4711") * 200

    async def flood():
        while True:
            peer.send(request)
            await peer.writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(flood(), 30)
    await still_served(bed, link)


@pytest.mark.parametrize(
    "frame",
    [
        registration("4712"),
        commands.build_time_request("4712"),
        encode(commands.UPLOAD, build_upload("4712", 1, READING)),
        commands.build_transparent(bytes.fromhex("011001C20001A1C9"), "4712"),
    ],
    ids=["84", "93", "91", "90"],
)
async def test_a_frame_of_another_serial_ends_the_connection(bed, link, frame):
    link_id, meter, _ = bed.add_link("4711")
    bed.add_link("4712")
    await until(lambda: "4712" in link.context.master.links, "the links are known")
    peer = await link.peer()
    peer.register("4711")
    assert (await peer.frame()).command == commands.REGISTER
    peer.send(frame)
    assert await peer.closed()
    events = await until(lambda: bed.events("identity_mismatch"), "the event")
    assert events[0]["link_id"] == link_id and "4712" in events[0]["message"]
    assert bed.readings(meter) == 0
    await still_served(bed, link)


async def test_a_registration_in_pieces_is_understood(bed, link):
    bed.add_link("4711")
    await until(lambda: "4711" in link.context.master.links, "the link is known")
    peer = await link.peer()
    for byte in b"\0\0" + registration("4711") + commands.HEARTBEAT_FRAME:
        peer.send(bytes((byte,)))
        await peer.writer.drain()
    assert (await peer.frame()).command == commands.REGISTER
    peer.close()


async def test_connections_are_bounded(bed):
    bed.add_link(SERIAL)
    async with bed.link(max_unregistered=3) as link:
        peers = [await link.peer() for _ in range(3)]
        await until(lambda: link.context.counters.connections == 3, "three are in")
        assert await (await link.peer()).closed()
        peers[0].register(SERIAL)
        assert (await peers[0].frame()).command == commands.REGISTER
        late = await link.peer()
        await until(lambda: link.context.counters.connections == 4, "one more is in")
        for peer in (*peers, late):
            peer.close()


async def test_an_address_that_is_not_listed_is_refused(bed):
    bed.add_link(SERIAL)
    async with bed.link(allow="10.0.0.0/8") as link:
        peer = await link.peer()
        peer.register(SERIAL)
        assert await peer.closed()
        assert link.context.counters.refused == 1
