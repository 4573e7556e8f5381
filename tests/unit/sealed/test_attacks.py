"""What somebody on the way may do, by name: it is refused, and it changes nothing."""

import pytest

from acrel_link import commands, rtu
from acrel_link.sealed import schedule, wire
from acrel_link.sealed.errors import Fault, SealedError, SealError
from acrel_link.sealed.rules import FRAME, GUARDED, REKEY, REKEY_ANSWER
from acrel_link.sealed.suites import SUITES
from acrel_link.serials import build_serial

from .bed import KEY, SERIAL, START_MS, Bed, Line
from .refusal import refused, taken

UPLOAD = bytes(range(60))
READ = rtu.read_request(1, 0x0E, 56)
CLOSE = rtu.write_request(1, 0x01C2, (1,))


def altered(frame: bytes, at: int, byte: int) -> bytes:
    """Return a frame with one byte of its `cmd … body` changed, and the CRC right again."""
    inner = bytearray(frame[2:-4])
    inner[at] = byte
    return wire.enclose(bytes(inner))


def forged_down(line: Line, kind: int, content: bytes) -> bytes:
    """Return what a server that breaks the rules would send."""
    return line.server._sealer.seal(bytes((kind,)) + content)


def forged_up(line: Line, kind: int, content: bytes) -> bytes:
    """Return what a meter that breaks the rules would send."""
    return line.device._sealer.seal(bytes((kind,)) + content)


@pytest.fixture(params=SUITES, ids=lambda number: f"{number:02x}")
def line(request) -> Line:
    """An open connection, of each suite."""
    return Bed(suites=(request.param,)).open()


@pytest.fixture(params=["up", "down"])
def way(request, line):
    """An open connection as (sealed frames to come, the side that takes them)."""
    if request.param == "up":
        return (lambda: line.device.frame(commands.UPLOAD, UPLOAD)), line.server
    return (lambda: line.server.frame(commands.TRANSPARENT, READ)), line.device


# === E4 === #


def test_a_replayed_e4(way):
    sealed, side = way
    frame = sealed()
    assert len(side.feed(frame)) == 1
    refused(side, frame, Fault.SEQUENCE)


def test_reordered_e4s(way):
    sealed, side = way
    sealed()
    refused(side, sealed(), Fault.SEQUENCE)


def test_a_replay_behind_good_frames_costs_only_what_follows(way):
    sealed, side = way
    first, second = sealed(), sealed()
    with pytest.raises(SealedError) as caught:
        side.feed(first + second + first + second)
    assert len(caught.value.frames) == 2
    assert caught.value.fault is Fault.SEQUENCE


def test_a_truncated_e4(way):
    sealed, side = way
    inner = sealed()[2:-4]
    for size in (wire.MIN_DATA, len(inner) - 5 - 1):
        body = inner[5 : 5 + size]
        refused(side, wire.enclose(wire.build_inner(wire.DATA, inner[2], body)), Fault.TAG)


def test_an_e4_without_its_end_waits(way):
    sealed, side = way
    frame = sealed()
    assert side.feed(frame[:-1]) == []
    assert len(side.feed(frame[-1:])) == 1


def test_a_bit_flipped_e4():
    """Every bit of the frame, with the CRC made right again by somebody who means it."""
    for at in range(len(Bed().open().device.frame(commands.UPLOAD, b"")) - 6):
        for bit in range(8):
            line = Bed().open()
            frame = line.device.frame(commands.UPLOAD, b"")
            more = bytes(wire.MAX_BODY)  # what a longer length waits for
            refused(line.server, altered(frame, at, frame[2 + at] ^ 1 << bit) + more)


def test_a_bit_flipped_e4_whose_crc_is_left():
    line = Bed().open()
    frame = bytearray(line.device.frame(commands.UPLOAD, UPLOAD))
    frame[40] ^= 1
    refused(line.server, bytes(frame), Fault.CRC)


def test_an_e4_sent_back_to_who_sealed_it(line):
    up, down = line.device.frame(commands.HEARTBEAT), line.server.frame(commands.UPLOAD)
    refused(line.device, up, Fault.TAG)
    refused(line.server, down, Fault.TAG)


def test_an_e4_of_another_session():
    bed = Bed()
    before = bed.open().device.frame(commands.UPLOAD, UPLOAD)
    line = bed.open()
    refused(line.server, before, Fault.SEQUENCE)
    line = bed.open()
    session_id = line.device.frame(commands.HEARTBEAT)[7:11]
    refused(line.server, before[:2] + wire_with_session(before, session_id), Fault.TAG)


def wire_with_session(frame: bytes, session_id: bytes) -> bytes:
    inner = frame[2:7] + session_id + frame[11:-4]
    return wire.enclose(inner)[2:]


# === Handshake === #


def test_a_replayed_e1():
    """The server answers as it answers a stranger, and nothing opens."""
    bed = Bed()
    line = bed.connect()
    hello = taken(line.up)
    line.server.feed(hello)
    line.move_down()
    line.settle()
    assert line.server.key is not None
    counter = bed.ring.find(SERIAL, 7).boot_counter

    down: list[bytes] = []
    again = bed.server.session(down.append)
    assert again.feed(hello) == []
    assert len(down) == 1
    refused(again, wire.enclose(wire.build_inner(wire.PROOF, again.suite, bytes(32))), Fault.PROOF)
    assert again.key is None
    assert bed.ring.find(SERIAL, 7).boot_counter == counter
    assert line.report(commands.UPLOAD, UPLOAD) == [(commands.UPLOAD, UPLOAD)]


def test_an_e1_replayed_before_the_meters_own_e3():
    """Two unfinished handshakes of one hello: the meter's opens, the other never."""
    bed = Bed()
    line = bed.connect()
    hello = taken(line.up)
    down: list[bytes] = []
    other = bed.server.session(down.append)
    other.feed(hello)
    line.server.feed(hello)
    line.move_down()
    proof = b"".join(line.up)
    line.settle()
    assert line.server.key is not None
    refused(other, proof, Fault.PROOF)


def test_a_right_e3_of_a_hello_that_was_used_meanwhile():
    """Of two handshakes of one meter that both end, the older one is refused."""
    bed = Bed()
    old, new = bed.connect(), bed.connect()
    for line in (old, new):
        line.move_up()
        line.move_down()
    new.settle()
    assert new.server.key is not None
    refused(old.server, taken(old.up), Fault.PROOF)


def test_a_replayed_e2():
    bed = Bed()
    line = bed.connect()
    line.move_up()
    challenge = b"".join(line.down)
    line.settle()
    assert line.device.is_open

    again = bed.connect()
    refused(again.device, challenge, Fault.PROOF)
    assert not again.device.is_open
    refused(line.device, challenge, Fault.UNEXPECTED)


def test_an_e2_after_the_meters_power_cycle():
    """Also of a meter whose source of randomness repeats: its boot counter does not."""
    bed = Bed(offered=(1,))
    bed.device.random = bytes
    line = bed.connect()
    line.move_up()
    challenge = b"".join(line.down)
    line.move_down()
    bed.power_up().random = bytes
    again = bed.connect()
    assert again.device._hello[-48:] != line.device._hello[-48:]
    refused(again.device, challenge, Fault.PROOF)


def test_a_replayed_whole_handshake():
    bed = Bed()
    line = bed.connect()
    hello = taken(line.up)
    line.server.feed(hello)
    challenge = b"".join(line.down)
    line.move_down()
    proof = taken(line.up)
    line.server.feed(proof)
    upload = line.device.frame(commands.UPLOAD, UPLOAD)
    assert line.server.feed(upload) == [(commands.UPLOAD, UPLOAD)]

    down: list[bytes] = []
    again = bed.server.session(down.append)
    refused(again, hello + proof + upload, Fault.PROOF)
    assert again.key is None
    refused(bed.connect().device, challenge + line.server.frame(commands.UPLOAD), Fault.PROOF)


@pytest.mark.parametrize("lowered", [0x01, 0x03, 0x08, 0x3E, 0x00])
def test_lowered_suites_in_e1(lowered):
    bed = Bed(suites=(0x12, 0x11, 0x02, 0x01))
    line = bed.connect()
    hello = altered(taken(line.up), 5 + 23, lowered)
    try:
        line.server.feed(hello)
    except SealedError as error:
        assert error.fault is Fault.MALFORMED
        return
    refused(line.device, taken(line.down), Fault.PROOF)
    assert not line.device.is_open


@pytest.mark.parametrize("number", [0x01, 0x02, 0x03, 0x11, 0x13, 0x04, 0x00, 0xFF])
def test_a_lowered_suite_in_e2(number):
    bed = Bed(suites=(0x12,))
    line = bed.connect()
    line.move_up()
    inner = bytearray(taken(line.down)[2:-4])
    inner[2] = inner[9] = number
    error = refused(line.device, wire.enclose(bytes(inner)))
    assert error.fault in (Fault.PROOF, Fault.MALFORMED)
    assert not line.device.is_open


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"key_version": 8}, "another key version"),
        ({"suite": 0x02}, "not offered"),
        ({"suite": 0x04}, "not offered"),
        ({"share": bytes(31) + b"\1"}, "share does not fit"),
        ({"suite": 0x11}, "share does not fit"),
        ({"suite": 0x11, "share": b"\1" + bytes(31)}, "no key to agree on"),
    ],
)
def test_a_rightly_proven_e2_that_breaks_a_rule(change, says):
    bed = Bed(offered=(0x01, 0x11))
    line = bed.connect()
    hello = taken(line.up)[2:-4]
    challenge = wire.Challenge(b"abcd", 0x01, 7, START_MS, bytes(16), wire.NO_SHARE, bytes(32))
    unproven = wire.unproven(wire.build_challenge(challenge._replace(**change)))
    auth = schedule.auth_key(KEY, build_serial(SERIAL))
    proof = schedule.server_proof(auth, hello, unproven)
    assert says in str(refused(line.device, wire.enclose(unproven + proof), Fault.MALFORMED))
    assert not line.device.is_open


def test_every_changed_byte_of_a_handshake():
    """Whatever is changed in E1, E2 or E3, with the CRC made right, no session opens."""
    for suites in ((0x01,), (0x11,)):
        bed = Bed(suites=suites)
        for step, size in enumerate((wire.HELLO_SIZE, wire.CHALLENGE_SIZE, wire.PROOF_SIZE)):
            for at in range(5 + size):
                line = bed.connect()
                with pytest.raises(SealedError):
                    for now in range(3):
                        direction = (line.up, line.down)[now % 2]
                        frame = taken(direction)
                        if now == step:
                            frame = altered(frame, at, frame[2 + at] ^ 0x01)
                        (line.server, line.device)[now % 2].feed(frame)
                assert line.server.key is None


@pytest.mark.parametrize("suites", [(0x01,), (0x11,)])
def test_messages_that_the_state_does_not_allow(suites):
    bed = Bed(suites=suites)
    line = bed.open()
    hello = b"".join(bed.connect().up)
    fresh: list[bytes] = []
    for frame in (line.device.frame(commands.UPLOAD, UPLOAD), commands.HEARTBEAT_FRAME, b"\x16"):
        refused(bed.server.session(fresh.append), frame)
    waiting = bed.server.session(fresh.append)
    waiting.feed(hello)
    refused(waiting, hello, Fault.UNEXPECTED)
    refused(line.server, hello, Fault.UNEXPECTED)
    refused(bed.connect().device, hello, Fault.UNEXPECTED)
    refused(line.device, commands.HEARTBEAT_FRAME, Fault.UNEXPECTED)


@pytest.mark.parametrize(("offered", "share"), [(0x07, b"\x09"), (0x0F, b"\0")])
def test_a_share_where_none_is_offered_and_none_where_one_is(offered, share):
    bed = Bed()
    line = bed.connect()
    inner = bytearray(taken(line.up)[2:-4])
    inner[28] = offered
    inner[-32:] = share.ljust(32, b"\0")
    refused(line.server, wire.enclose(bytes(inner)), Fault.MALFORMED)
    assert not line.down


def test_a_share_of_small_order():
    bed = Bed(suites=(0x11,))
    line = bed.connect()
    inner = bytearray(taken(line.up)[2:-4])
    inner[-32:] = bytes((1,)) + bytes(31)
    refused(line.server, wire.enclose(bytes(inner)), Fault.MALFORMED)
    assert not line.down


# === What may not stand in a frame === #


def test_the_server_seals_no_write_unguarded(line):
    before = line.server.sent
    for command, body in (
        (commands.TRANSPARENT, CLOSE),
        (commands.TRANSPARENT, READ + b"\0"),
        (commands.TRANSPARENT, b""),
        (commands.UPLOAD, b"\0"),
        (commands.TIME, bytes(8)),
        (0x88, b""),
    ):
        with pytest.raises(SealError):
            line.server.frame(command, body)
    assert line.server.sent == before
    assert line.tell(commands.TRANSPARENT, READ) == [(commands.TRANSPARENT, READ)]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (FRAME, bytes((commands.TRANSPARENT,)) + CLOSE),
        (FRAME, b""),
        (FRAME, b"\x88"),
        (GUARDED, bytes(24)),
        (REKEY, bytes(42)),
        (REKEY, bytes(41)),
        (REKEY_ANSWER, bytes(10)),
        (4, b""),
        (0xFF, bytes(50)),
    ],
)
def test_a_write_in_type_00_down_and_what_else_may_not(kind, content):
    line = Bed().open()
    for _ in range(2):
        assert line.device.feed(forged_down(line, kind, content)) == []
    assert line.tell(commands.TRANSPARENT, READ) == [(commands.TRANSPARENT, READ)]
    assert line.device.forbidden == 2
    refused(line.device, forged_down(line, kind, content), Fault.FORBIDDEN)
    assert line.up == []


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (FRAME, b""),
        (GUARDED, bytes(24) + bytes((commands.TRANSPARENT,)) + CLOSE),
        (REKEY, bytes(42)),
        (REKEY_ANSWER, bytes(10)),  # nothing was asked
        (REKEY_ANSWER, b""),
        (4, b""),
        (0xFF, bytes(50)),
    ],
)
def test_types_that_may_not_come_up(kind, content):
    line = Bed().open()
    for _ in range(2):
        assert line.server.feed(forged_up(line, kind, content)) == []
    assert line.report(commands.UPLOAD, UPLOAD) == [(commands.UPLOAD, UPLOAD)]
    assert line.server.forbidden == 2
    refused(line.server, forged_up(line, kind, content), Fault.FORBIDDEN)
