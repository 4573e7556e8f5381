"""Uploads: acknowledged after their commit, stored once, kept when they are no readings."""

import pytest

from acrel_link import commands, intake
from acrel_link.crc import seal
from acrel_link.frames import encode
from acrel_link.intake import UNSTORED_LIMIT
from acrel_link.uploads import build_upload

from .bed import until

SERIAL = "4711"


def blocks(energy: int) -> list[bytes]:
    """Two blocks as NB firmware sends them: 0014..0039 and 003C..0041."""
    register = energy.to_bytes(4, "big")
    return [bytes(76), register + register + bytes(4)]


def upload(energy: int, slave: int = 1) -> bytes:
    return encode(commands.UPLOAD, build_upload(SERIAL, slave, blocks(energy)))


@pytest.fixture
def ids(bed):
    return bed.add_link(SERIAL, outputs=())


@pytest.fixture
async def link(bed, ids):
    async with bed.link(request_timeout=60, flush_time=0.02) as link:
        yield link


@pytest.fixture
async def peer(link):
    peer = await link.peer()
    peer.register(SERIAL)
    assert await peer.frame(commands.REGISTER)
    return peer


async def acknowledged(peer, command=commands.UPLOAD) -> bool:
    return await peer.frame(command) is not None


async def test_an_upload_is_stored_before_it_is_acknowledged(bed, ids, peer):
    for number in range(1, 6):
        peer.send(upload(1000 + number))
        assert await acknowledged(peer)
        assert bed.readings(ids[1]) == number
    row = bed.row("acrel_meter_live", "meter_id", ids[1])
    assert (row["e_forward"], row["source"]) == (1005, 0x91)


async def test_the_same_upload_is_stored_once_and_acknowledged_each_time(bed, ids, peer):
    for _ in range(3):
        peer.send(upload(1000))
        assert await acknowledged(peer)
    assert bed.readings(ids[1]) == 1


async def test_an_upload_repeated_before_its_commit_is_acknowledged_once(bed, ids, peer):
    """An acknowledgement bears no number: a second one would be taken for the next upload's."""
    peer.send(upload(1000), upload(1000), upload(1001))
    assert await acknowledged(peer) and await acknowledged(peer)
    assert bed.readings(ids[1]) == 2
    await no_more_acknowledgements(peer)


@pytest.mark.parametrize("frame", [upload(1000), encode(commands.UPLOAD, b"no reading")])
async def test_an_upload_that_crosses_its_acknowledgement_is_acknowledged_once(
    peer, frame, monkeypatch
):
    monkeypatch.setattr(intake, "CROSSING", 1000)
    peer.send(frame)
    assert await acknowledged(peer)
    peer.send(frame, upload(1001))
    assert await acknowledged(peer)
    await no_more_acknowledgements(peer)


async def no_more_acknowledgements(peer):
    peer.send(commands.build_time_request(SERIAL))
    while (frame := await peer.frame()).command != commands.TIME:
        assert frame.command != commands.UPLOAD


async def test_many_uploads_in_one_segment_are_all_stored(bed, ids, peer):
    peer.send(*(upload(1000 + number) for number in range(300)))
    for _ in range(300):
        assert await acknowledged(peer)
    assert bed.readings(ids[1]) == 300
    assert bed.row("acrel_meter_live", "meter_id", ids[1])["e_forward"] == 1299


async def test_an_upload_whose_commit_fails_is_not_acknowledged(cluster, bed, ids, peer):
    bed.close()
    cluster.stop()
    try:
        peer.send(upload(1000), commands.build_time_request(SERIAL))
        while (frame := await peer.frame()).command != commands.TIME:
            assert frame.command == commands.TRANSPARENT
    finally:
        cluster.start()
    assert await acknowledged(peer)
    assert bed.readings(ids[1]) == 1


async def test_a_block_with_a_wrong_crc_goes_to_quarantine(bed, ids, peer):
    good = build_upload(SERIAL, 1, blocks(1000))
    bad = bytearray(good)
    bad[40] ^= 1
    peer.send(encode(commands.UPLOAD, bytes(bad)))
    assert await acknowledged(peer)
    rows = bed.all("SELECT meter_id, reason FROM acrel_reading_quarantine")
    assert len(rows) == 1 and "1-1" in rows[0][1]
    assert bed.events("reading_refused")[0]["link_id"] == ids[0]


@pytest.mark.parametrize("body", [b"", b"x" * 30, build_upload(SERIAL, 1, [])])
async def test_an_upload_that_is_none_is_kept_and_acknowledged(bed, peer, body):
    peer.send(encode(commands.UPLOAD, body))
    assert await acknowledged(peer)
    assert bed.all("SELECT frame FROM acrel_reading_quarantine") == [(b"\x91" + body,)]


async def test_an_upload_of_a_slave_address_that_is_not_the_links_ends_the_connection(
    bed, ids, peer
):
    peer.send(upload(1000, slave=9))
    assert await peer.closed()
    events = await until(lambda: bed.events("identity_mismatch"), "the event")
    assert events[0]["link_id"] == ids[0] and "slave address 9" in events[0]["message"]
    assert bed.readings() == 0
    assert not bed.all("SELECT reason FROM acrel_reading_quarantine")


async def test_a_register_that_falls_is_stored_and_not_believed(bed, ids, peer):
    for energy in (1000, 900, 0):
        peer.send(upload(energy))
        assert await acknowledged(peer)
    assert bed.readings(ids[1]) == 3
    assert bed.row("acrel_meter_live", "meter_id", ids[1])["e_forward"] == 1000
    events = await until(lambda: bed.events("register_fell"), "the event")
    assert len(events) == 1
    assert (events[0]["meter_id"], events[0]["end_at"]) == (ids[1], None)
    peer.send(upload(1001))
    assert await acknowledged(peer)
    assert bed.row("acrel_meter_live", "meter_id", ids[1])["e_forward"] == 1001
    await until(lambda: bed.events("register_fell")[0]["end_at"], "its end")


async def test_set_points_are_kept_and_acknowledged(bed, peer):
    peer.send(encode(commands.SETPOINTS, b"whatever"))
    assert await acknowledged(peer, commands.SETPOINTS)
    assert bed.one("SELECT frame FROM acrel_reading_quarantine") == b"\x89whatever"


def alarm(status: int) -> bytes:
    """Command A1: registers 01D0 to 01F9, the status in 01EB."""
    registers = bytearray(84)
    registers[2 * 0x1B : 2 * 0x1B + 2] = status.to_bytes(2, "big")
    block = b"[[1-1((" + seal(bytes((1, 3, 84)) + registers) + b"))]]"
    return encode(commands.ALARM, SERIAL.encode().ljust(20, b"\0") + block)


async def test_an_alarm_lasts_until_the_meter_takes_it_back(bed, ids, peer):
    for status in (2, 2, 0):
        peer.send(alarm(status))
        assert await acknowledged(peer, commands.ALARM)
    events = bed.events("alarm_under_voltage")
    assert len(events) == 1
    assert events[0]["meter_id"] == ids[1] and events[0]["severity"] == "alarm"
    assert events[0]["end_at"] is not None


async def test_an_alarm_that_flutters_ends_as_the_meter_told_it_last(bed, ids, peer):
    peer.send(*(alarm(status) for status in (2, 0, 2, 0)))
    for _ in range(4):
        assert await acknowledged(peer, commands.ALARM)
    assert bed.one("SELECT count(*) FROM acrel_event WHERE end_at IS NULL") == 0


FLOODS = {
    "89": [encode(commands.SETPOINTS, b"%d" % number) for number in range(500)],
    "bad blocks": [encode(commands.UPLOAD, b"no block %d" % number) for number in range(500)],
    "A1": [alarm(number % 2 * 2) for number in range(500)],
}


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_waits_for_its_commits_and_all_of_it_is_kept(bed, link, peer, kind):
    writer = link.context.writer
    frames = FLOODS[kind]
    with bed.admin.transaction():
        # nothing can be committed
        bed.admin.execute("LOCK acrel_reading_quarantine, acrel_event")
        peer.send(*frames)
        await peer.writer.drain()
        await until(lambda: writer.pending >= UNSTORED_LIMIT - 2, "frames wait")
        # an alarm is ended and begun, and the first refused frame is an event
        assert writer.pending <= 2 * UNSTORED_LIMIT
    command = frames[0][2]
    for _ in frames:
        assert await acknowledged(peer, command)
    assert writer.pending <= 1
    if kind != "A1":
        assert bed.one("SELECT count(DISTINCT frame) FROM acrel_reading_quarantine") == 500
        assert bed.one("SELECT count(*) FROM acrel_reading_quarantine") == 500
