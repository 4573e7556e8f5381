"""Attacks on sealed links over real sockets: refused, counted, shown, and nothing comes of them."""

import asyncio
import gc
import random
import sys

import pytest

from acrel_link import commands, rtu
from acrel_link.crc import seal
from acrel_link.sealed import wire
from acrel_link.sealed.device import Device
from acrel_link.sealed.errors import Fault, SealedError
from acrel_link.sealed.store import MemoryStore, Slot
from acrel_link.serials import build_serial

from .bed import registration, until
from .key_bench import KeyBench
from .sealed_peer import SETTINGS, SealedMeter, SealedPeer, upload_body

HONEST, OTHER = "99000000000001", "99000000000002"
ELSEWHERE = "127.0.0.9"


@pytest.fixture
def bench(bed, tmp_path) -> KeyBench:
    return KeyBench(bed, tmp_path)


@pytest.fixture
def meter(bed, bench) -> SealedMeter:
    return SealedMeter(bed, bench, HONEST)


@pytest.fixture
async def link(bed, bench, meter):
    """A link process whose keys are known, with no exception outside a connection's handler."""
    escaped = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: escaped.append(context))
    async with bed.link(root_key_file=bench.root_file, **SETTINGS) as link:
        await meter.known(link)
        yield link
        assert escaped == []


@pytest.fixture
async def honest(link, meter) -> SealedPeer:
    """The honest meter, connected; its first upload is stored."""
    peer = await meter.connect(link)
    await peer.upload()
    return peer


async def unharmed(link, peer: SealedPeer, readings: int) -> None:
    """The honest meter is served on its same connection, and nobody else's frame was stored."""
    await peer.upload()
    assert link.context.master.by_id[peer.meter.link_id].serial == HONEST
    assert peer.meter.bed.readings() == readings + 1


def noted(bed, kind: str, link_id: int):
    """Wait for an event in a link's name."""
    return until(
        lambda: [event for event in bed.events(kind) if event["link_id"] == link_id],
        f"the event {kind}",
    )


def respelt(frame: bytes, at: int, bits: int) -> bytes:
    """Return a frame with bits of its `cmd … body` flipped and its CRC right."""
    inner = bytearray(frame[2:-4])
    inner[at] ^= bits
    return wire.enclose(bytes(inner))


# === E4 === #

SPOILT = {
    "replayed": lambda one, two: one + one,
    "reordered": lambda one, two: two + one,
    "left out": lambda one, two: two,
    "bit flipped": lambda one, two: respelt(one, 40, 1),
    "bit flipped, CRC wrong": lambda one, two: one[:40] + bytes((one[40] ^ 1,)) + one[41:],
    "truncated": lambda one, two: wire.enclose(
        wire.build_inner(one[2], one[4], one[7:-4][: len(one) - 20])
    ),
    "renumbered": lambda one, two: respelt(one, 16, 1),
    "other suite": lambda one, two: respelt(one, 2, 3),
}


@pytest.mark.parametrize("how", SPOILT)
async def test_a_spoilt_e4(bed, link, honest, how):
    before = bed.readings()
    good = how == "replayed"
    honest.send(SPOILT[how](honest.sealed_upload(), honest.sealed_upload()))
    assert await honest.closed()
    await noted(bed, "link_abuse", honest.meter.link_id)
    again = await honest.meter.connect(link)
    await unharmed(link, again, before + good)


async def test_e4s_of_another_session_and_of_the_server(bed, link, honest):
    old = honest.sealed_upload()
    acknowledgement = honest.received[-1]
    before = bed.readings()
    for stolen in (old, acknowledgement):
        peer = await honest.meter.connect(link)  # which displaces the one before
        peer.send(stolen)
        assert await peer.closed()
    await unharmed(link, await honest.meter.connect(link), before)


# === Handshakes === #


async def dial_raw(link, *frames: bytes, host: str = ELSEWHERE):
    """Return reader and writer of somebody who sends what he has."""
    reader, writer = await asyncio.open_connection(
        *link.server.addresses["sealed"], local_addr=(host, 0)
    )
    writer.write(b"".join(frames))
    return reader, writer


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(30):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_a_replayed_e1_and_a_replayed_whole_handshake(bed, link, honest):
    """The answer is as to a stranger; the meter is neither displaced nor shut out."""
    hello, proof = honest.sent[:2]
    before = bed.readings()
    for frames in ([hello, proof], [hello, proof, honest.sent[2], honest.sent[3]]):
        reader, writer = await dial_raw(link, *frames)
        answer = await read_to_end(reader)
        writer.close()
        assert len(answer) in (0, 106)  # an abort may overtake the answer
    await unharmed(link, honest, before)


async def test_a_replayed_e2_after_a_power_cycle(link, honest):
    meter = honest.meter
    meter.device = Device(meter.store)
    peer = await meter.dial(link)
    with pytest.raises(SealedError) as caught:
        peer.session.feed(honest.received[0])
    assert caught.value.fault is Fault.PROOF
    assert not peer.session.is_open


@pytest.mark.parametrize("place", [28, 10], ids=["suites of E1", "suite of E2"])
async def test_a_lowered_suite(link, meter, place):
    """Somebody in between strikes the better suites from the offer, or another from the answer."""
    peer = await meter.dial(link)
    hello = peer.sent[0]
    if place == 28:
        reader, writer = await dial_raw(link, respelt(hello, place, 0x08))
        async with asyncio.timeout(30):
            answer = await reader.readexactly(106)
        writer.close()
    else:
        answer = respelt(respelt(await peer.receive(), 2, 3), 9, 3)
    with pytest.raises(SealedError) as caught:
        peer.session.feed(answer)
    assert caught.value.fault is Fault.PROOF
    assert not peer.session.is_open


async def test_one_byte_at_a_time(link, meter):
    peer = await meter.dial(link)
    await peer.open()
    register = peer.session.frame(commands.REGISTER, registration(HONEST)[3:-4])
    for byte in register + peer.sealed_upload():
        peer.writer.write(bytes((byte,)))
        await peer.writer.drain()
        await asyncio.sleep(0)
    await peer.frame(commands.REGISTER)
    await peer.frame(commands.UPLOAD)
    assert meter.readings() == 1


# === What may stand in a frame === #


async def test_types_that_may_not_come_up_are_dropped_and_the_third_closes(bed, link, honest):
    write = commands.TRANSPARENT.to_bytes(1, "big") + rtu.write_request(1, 0x01C2, (1,))
    before = bed.readings()
    for plaintext in (b"\1" + bytes(24) + write, b"\2" + bytes(42)):
        honest.send(honest.session._sealer.seal(plaintext))
    await unharmed(link, honest, before)
    honest.send(honest.session._sealer.seal(b"\7"))
    assert await honest.closed()
    await noted(bed, "link_abuse", honest.meter.link_id)


INNER = {
    "84": (commands.REGISTER, registration(OTHER)[3:-4]),
    "91 serial": (commands.UPLOAD, upload_body(OTHER)),
    "91 slave": (commands.UPLOAD, upload_body(HONEST, 9)),
    "90 serial": (
        commands.TRANSPARENT,
        build_serial(OTHER) + seal(bytes((1, 3, 2)) + bytes(2)),
    ),
    "90 slave": (commands.TRANSPARENT, seal(bytes((9, 3, 2)) + bytes(2))),
    "AB": (commands.HEARTBEAT_NB, build_serial(OTHER)),
    "93": (commands.TIME, build_serial(OTHER)),
}


@pytest.mark.parametrize("frame", INNER.values(), ids=INNER)
async def test_an_inner_serial_or_slave_of_another_meter(bed, bench, link, honest, frame):
    other = SealedMeter(bed, bench, OTHER)
    await other.known(link)
    victim = await other.connect(link)
    await victim.upload()
    before = bed.readings()
    honest.send(honest.session.frame(*frame))
    assert await honest.closed()
    await noted(bed, "identity_mismatch", honest.meter.link_id)
    await victim.upload()
    assert other.readings() == 2
    assert bed.readings() == before + 1


# === Keys === #


CUTS = ("ordered", "sent", "stored", "answered", "proven", "first frame")


@pytest.mark.parametrize("cut", CUTS)
async def test_a_rekey_cut_at_each_step(bed, bench, meter, cut):
    """The line is cut there, the link process ends and starts anew; then they go on."""
    settings = SETTINGS | {"root_key_file": bench.root_file, "sweep": 60}
    async with bed.link(**settings) as link:
        await meter.known(link)
        peer = await meter.connect(link)
        peer.session._send = lambda data: None if cut == "stored" else peer.send(data)
        if cut == "ordered":
            peer.hang_up()
        bench.do("rotate", "--serial", HONEST)
        await until(lambda: link.context.keys.find(HONEST, 2), "the next key")
        if cut == "sent":
            await until_rekey(peer)
        elif cut != "ordered":
            while meter.store.slots()[1] is None:
                peer.session.feed(await peer.receive())
        if cut in ("answered", "proven", "first frame"):
            await until(
                lambda: link.context.keys.rekey_due(meter.link_id) is None, "the answer is taken"
            )
        if cut in ("proven", "first frame"):
            peer = await meter.dial(link)
            assert peer.session.key_version == 2
            await peer.open()
            await until(lambda: link.context.keys.find(HONEST, 1) is None, "current is retired")
        if cut == "first frame":
            await peer.register()
            assert meter.store.slots()[1] is None
        peer.hang_up()
    meter.device = Device(meter.store)  # a power cut at the meter's side too
    async with bed.link(**settings) as link:
        await until(lambda: link.context.keys.find(HONEST, 2), "the next key, or the current one")
        for _ in range(3):
            peer = await meter.connect(link)
            await peer.upload()
            await until(
                lambda: link.context.keys.rekey_due(meter.link_id) is None, "the rekey is answered"
            )
        assert meter.store.slots()[0].version == 2
        assert meter.store.slots()[1] is None
        assert link.context.keys.find(HONEST, 1) is None
        assert meter.readings() == 3


async def until_rekey(peer: SealedPeer) -> None:
    """Wait until a rekey came, and lose it with the line."""
    size = 0
    while size < 2 + 5 + 12 + 43 + 16 + 4:
        size += len(await peer.receive())


# === Nothing to learn === #


def seen_and_done(link, hello: bytes) -> tuple:
    """Return what an asker gets, and every function that his E1 and a wrong E3 went through."""
    [listener] = [one for one in link.server.listeners if one.name == "sealed"]
    down: list[bytes] = []
    session = listener._sealed.session(down.append)
    steps: list[str] = []

    def note(frame, event, argument):
        if event == "call":
            steps.append(frame.f_code.co_qualname)
        elif event == "c_call":
            steps.append(argument.__qualname__)

    end = ""
    for data in (hello, wire.enclose(wire.build_inner(wire.PROOF, 0x01, bytes(32)))):
        gc.disable()  # what it calls is no step
        sys.setprofile(note)
        try:
            session.feed(data)
        except SealedError as error:
            end = f"{error.fault} {str(error).replace(session.serial, 'SN')}"
        finally:
            sys.setprofile(None)
            gc.enable()
        steps.append("")
    return len(down), len(down[0]), down[0][:7], down[0][11:14], tuple(steps), end


async def test_1000_known_and_1000_unknown_serials_look_alike(bed, bench, link):
    """Over the keys and the policy of a real link process."""
    bed.admin.execute(
        "INSERT INTO acrel_link (serial, active, channel)"
        " SELECT 'K' || i, true, 'sealed' FROM generate_series(1, 1000) i"
    )
    bench.do("issue", "--all", "--recipient", bench.installer()[1], "--out", bench.file())
    await until(lambda: link.context.keys.find("K1000", 1), "the keys")
    await until(lambda: "K1000" in link.context.master.links, "the links")
    answers = {}
    for serial in [f"K{i}" for i in range(1, 1001)] + [f"U{i}" for i in range(1, 1001)]:
        hello: list[bytes] = []
        Device(MemoryStore(serial, Slot(1, bytes(32)))).connect(hello.append)
        answers.setdefault(seen_and_done(link, hello[0]), []).append(serial)
    (steps,) = answers  # one kind of answer, by one sequence of steps
    assert len(answers[steps]) == 2000


async def test_2000_mutated_frames_leave_nothing_behind(bed, link, honest):
    """No exception outside a handler, no task and no peer more than before."""
    chance = random.Random(7)
    samples = [*honest.sent, *honest.received]
    before = bed.readings()
    tasks, peers = len(asyncio.all_tasks()), len(link.server._peers)
    for round_ in range(40):
        hosts = [f"127.0.{round_ + 1}.{place + 1}" for place in range(5)]
        opened = [await dial_raw(link, host=host) for host in hosts]
        for _, writer in opened:
            data = b"".join(chance.choice(samples) for _ in range(10))
            spoilt = bytearray(data)
            for _ in range(chance.choice((1, 3, 30))):
                spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
            writer.write(bytes(spoilt))
        for reader, writer in opened:
            writer.write_eof()
            await read_to_end(reader)
            writer.close()
    await until(lambda: len(link.server._peers) == peers, "they are gone")
    await until(lambda: len(asyncio.all_tasks()) <= tasks, "no task is left")
    await unharmed(link, honest, before)
