"""200,000 mutated and random frames, seeded, over the decoders of every channel and all parsers."""

import gc
import random

import pytest

from acrel_link import commands, rtu
from acrel_link.channels.base import ChannelError
from acrel_link.channels.plain import PlainChannel
from acrel_link.commands import Registration
from acrel_link.crc import seal
from acrel_link.errors import ProtocolError
from acrel_link.frames import Frame, encode, encode_nb_heartbeat
from acrel_link.sealed import wire
from acrel_link.sealed.device import DeviceSession
from acrel_link.sealed.errors import SealedError
from acrel_link.sealed.server import ServerSession
from acrel_link.serials import build_serial
from acrel_link.uploads import build_blocks, build_upload, parse_upload

from .bed import SERIAL, START_MS, Bed, Line

SEED = 20_260
PARSERS = {
    commands.REGISTER: commands.parse_register,
    commands.UPLOAD: parse_upload,
    commands.TRANSPARENT: commands.parse_transparent,
    commands.TIME: commands.parse_time_request,
    commands.ALARM: commands.parse_alarm,
    commands.HEARTBEAT_NB: commands.parse_heartbeat_nb,
}
REPLY = seal(bytes((1, 3, 76)) + bytes(range(76)))
FACTORY = [
    commands.build_register(Registration(SERIAL, "89860123456789", 26, ("1.0", "1.1", "2.0"), 5)),
    commands.build_time_request(SERIAL),
    commands.HEARTBEAT_FRAME,
    commands.build_transparent(REPLY, SERIAL),
    commands.build_transparent(REPLY),
    encode(commands.UPLOAD, build_upload(SERIAL, 1, [bytes(76), bytes(12)])),
    encode(commands.UPLOAD, build_upload(None, 1, [bytes(92), bytes(80)])),
    encode(commands.ALARM, build_blocks(SERIAL, [("1-1", seal(bytes((1, 3, 84)) + bytes(84)))])),
    encode_nb_heartbeat(build_serial(SERIAL)),
]
CONTENTS = [bytes((0,)) + frame[2:-4] for frame in FACTORY] + [
    bytes((0,)) + bytes((commands.TRANSPARENT,)) + rtu.read_request(1, 0x0E, 56),
    bytes((1,))
    + bytes(16)
    + (START_MS + 9000).to_bytes(8, "big")
    + bytes((commands.TRANSPARENT,))
    + rtu.write_request(1, 0x01C2, (1,)),
    bytes((2,)) + bytes(42),
    bytes((3,)) + bytes(10),
]


class Mutator:
    """Does things to bytes, the same ones at every run."""

    def __init__(self, seed: int):
        self.chance = random.Random(seed)

    def any_of(self, samples: list[bytes]) -> bytes:
        """Return something made of one of these, or of nothing."""
        chance = self.chance
        if chance.random() < 0.05:
            return chance.randbytes(chance.randrange(300))
        data = bytearray(chance.choice(samples))
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            self._change(data, samples)
        return bytes(data)

    def _change(self, data: bytearray, samples: list[bytes]) -> None:
        chance = self.chance
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(data):
                data[at] = chance.choice((0, 0x7B, 0x7D, 0xFF, 0xE4, chance.randrange(256)))
            case 2:
                del data[at : at + chance.choice((1, 1, 2, 20, 500))]
            case 3:
                data[at:at] = chance.randbytes(chance.choice((1, 1, 2, 20)))
            case 4:
                other = chance.choice(samples)
                data[at:] = other[chance.randrange(len(other) + 1) :]
            case 5:
                data[at:at] = data[at : at + chance.choice((1, 8, 200))] * chance.choice((1, 1, 9))

    def framed(self) -> bytes:
        """Return a factory frame whose marks and CRC are right, whatever is between them."""
        inner = self.any_of([frame[2:-4] for frame in FACTORY]) or b"\x91"
        return encode(inner[0], inner[1:])


def parsed(frames: list[Frame]) -> int:
    """Give frames to their parsers; return how many of them carried what they must."""
    right = 0
    for command, body in frames:
        try:
            PARSERS.get(command, bytes)(body)
        except ProtocolError:
            continue
        right += 1
    return right


def test_140_000_frames_on_the_plain_channel():
    mutator = Mutator(SEED)
    channel, right, closed = PlainChannel(), 0, 0
    for count in range(140_000):
        data = mutator.framed() if count % 2 else mutator.any_of(FACTORY)
        try:
            frames = channel.feed(data)
        except ChannelError as error:
            frames, channel = error.frames, PlainChannel()
            closed += 1
        right += parsed(frames)
    assert right > 20_000  # it reached what stands behind the decoder
    assert closed > 5


def open_line(mutator: Mutator) -> Line:
    """Return an open session, of any cipher."""
    suite = mutator.chance.choice((0x01, 0x01, 0x02, 0x03))
    return Bed(suites=(suite,), offered=(suite,)).open()


@pytest.mark.parametrize("at_server", [True, False], ids=["server", "meter"])
def test_15_000_sealed_contents_of_a_peer_gone_mad(at_server):
    """Rightly sealed, so that they get behind the tag: the peer has the key, but no sense."""
    mutator = Mutator(SEED + at_server)
    line, right, closed = open_line(mutator), 0, 0
    for _ in range(15_000):
        content = mutator.any_of(CONTENTS)[: wire.MAX_PLAINTEXT] or b"\0"
        sealer, side = (
            (line.device._sealer, line.server) if at_server else (line.server._sealer, line.device)
        )
        try:
            frames = side.feed(sealer.seal(content))
        except SealedError as error:
            frames, line = error.frames, open_line(mutator)
            closed += 1
        right += parsed(frames)
        line.up.clear()
    assert right > (2_000 if at_server else 150)
    assert closed > 1000


@pytest.mark.parametrize("at_server", [True, False], ids=["server", "meter"])
def test_15_000_frames_of_a_stranger_in_every_state(at_server):
    """He has seen honest sessions, but no key: nothing that he makes of them is a frame."""
    mutator = Mutator(SEED + 2 + at_server)
    bed, samples = Bed(suites=(0x01,), offered=(0x01,)), []
    for _ in range(3):
        line = bed.connect()
        for _ in range(2):
            samples += [*line.up, *line.down]
            line.move_up()
            samples += [*line.up, *line.down]
            line.move_down()
        samples.append(line.device.frame(commands.UPLOAD, bytes(60)))
        samples.append(line.server.frame(commands.UPLOAD))
    answered = 0
    for count in range(15_000):
        line = bed.connect()
        for _ in range(count % 3):
            if at_server:
                line.move_up()
            line.move_down()
        if count % 3 == 2:
            line.settle()
        side, answers = (line.server, line.down) if at_server else (line.device, line.up)
        answers.clear()
        data = mutator.any_of(samples)
        if mutator.chance.random() < 0.5:
            data = wire.enclose(data[2:-4])  # he can reckon a CRC
        try:
            assert side.feed(data) == []
        except SealedError as error:
            assert error.frames == []
        answered += bool(answers)
        assert side is not line.server or count % 3 == 2 or side.key is None
    assert answered > 80 if at_server else answered == 0


def test_nothing_is_left_of_sessions_that_are_over():
    mutator = Mutator(SEED)
    for _ in range(300):
        line = open_line(mutator)
        with pytest.raises(SealedError):
            line.server.feed(b"\0")
    del line
    gc.collect()
    kinds = (ServerSession, DeviceSession, wire.Decoder)
    assert not [thing for thing in gc.get_objects() if isinstance(thing, kinds)]
