"""Any bytes at either side: nothing but a `SealedError`, and the same however they are cut."""

import random
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from acrel_link import commands, rtu
from acrel_link.frames import Frame
from acrel_link.sealed.errors import Fault, SealedError
from acrel_link.sealed.rules import REKEY_ANSWER

from .bed import START_MS, Bed, Line

READ = rtu.read_request(1, 0x0E, 56)
CLOSE = rtu.write_request(1, 0x01C2, (1,))
cuts = st.lists(st.integers(0, 1 << 16), max_size=12)
suites = st.sampled_from([(0x01,), (0x03,), (0x11,)])


def seeded(suites) -> Line:
    """Return a new connection; two of the same suites make the same bytes."""
    bed = Bed(suites=suites)
    bed.server.random, bed.device.random = random.Random(1).randbytes, random.Random(2).randbytes
    return bed.connect()


class Recorded:
    """Everything that an honest session sent, with the frames that each side made of it."""

    def __init__(self, suites):
        line = seeded(suites)
        self.up, self.down = [], []
        line.server._send = lambda data: (self.down.append(data), line.down.append(data))
        line.device._send = lambda data: (self.up.append(data), line.up.append(data))
        self.up += line.up
        line.settle()
        forbidden = line.device._sealer.seal(bytes((REKEY_ANSWER,)))  # dropped, and counted
        self.up.append(forbidden)
        for size in (0, 1, 60, 300):
            frame = line.device.frame(commands.UPLOAD, bytes(range(256))[:size] * (size // 256 + 1))
            self.up.append(frame)
            self.down.append(line.server.frame(commands.TRANSPARENT, READ))
            self.down.append(
                line.server.guarded(
                    commands.TRANSPARENT, CLOSE, size.to_bytes(16, "big"), START_MS + 9000
                )
            )
        self.down.append(line.server.frame(commands.UPLOAD))


@cache
def recorded_on(suites) -> Recorded:
    return Recorded(suites)


def fed(line: Line, at_server: bool, segments) -> tuple[list[Frame], Fault | None, bytes, bool]:
    """Return the frames, the fault, what was answered, and whether the side is open."""
    side, answers = (line.server, line.down) if at_server else (line.device, line.up)
    found: list[Frame] = []
    for segment in segments:
        try:
            found += side.feed(segment)
        except SealedError as error:
            opened = line.server.key is not None if at_server else line.device.is_open
            return found + error.frames, error.fault, b"".join(answers), opened
    opened = line.server.key is not None if at_server else line.device.is_open
    return found, None, b"".join(answers), opened


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(stream) + 1) for place in places} | {len(stream)})
    return [stream[a:b] for a, b in zip([0, *ends], ends, strict=False)]


@st.composite
def changed(draw, frames: list[bytes]) -> bytes:
    """Return an honest stream with a few things done to it."""
    frames = list(frames)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(frames) - 1))
        match draw(st.sampled_from(["flip", "drop", "repeat", "swap", "insert", "cut"])):
            case "flip":
                frame = bytearray(frames[at])
                place = draw(st.integers(0, len(frame) - 1))
                frame[place] ^= 1 << draw(st.integers(0, 7))
                frames[at] = bytes(frame)
            case "drop" if len(frames) > 1:
                del frames[at]
            case "repeat":
                frames.insert(at, frames[at])
            case "swap":
                frames[at], frames[at - 1] = frames[at - 1], frames[at]
            case "insert":
                frames.insert(at, draw(st.binary(min_size=1, max_size=40)))
            case "cut":
                frames[at] = frames[at][: draw(st.integers(0, len(frames[at]) - 1))] or b"{"
    return b"".join(frames)


@given(st.data(), suites, st.booleans(), cuts)
@settings(max_examples=200)
def test_a_changed_stream_gives_the_same_however_it_is_cut(data, suites, at_server, places):
    """And never a frame that was not sent, nor one out of its order."""
    recorded = recorded_on(suites)
    honest = recorded.up if at_server else recorded.down
    stream = data.draw(changed(honest))
    whole = fed(seeded(suites), at_server, [stream])
    assert fed(seeded(suites), at_server, cut(stream, places)) == whole
    assert fed(seeded(suites), at_server, [bytes((byte,)) for byte in stream]) == whole
    sent, fault, _, opened = fed(seeded(suites), at_server, honest)
    assert opened
    assert fault is None
    assert len(sent) == (4 if at_server else 9)
    assert whole[0] == sent[: len(whole[0])]
    assert whole[3] or not whole[0]


@given(st.lists(st.binary(max_size=3000), max_size=8), suites, st.booleans(), st.integers(0, 2))
@settings(max_examples=300)
def test_any_bytes_in_any_state(segments, suites, at_server, state):
    """The state: nothing was said, the handshake is half done, the session is open."""
    recorded = recorded_on(suites)
    line = seeded(suites)
    for frame in (recorded.up if at_server else recorded.down)[:state]:
        (line.server if at_server else line.device).feed(frame)
    frames, fault, _, _ = fed(line, at_server, segments)
    assert frames == []
    assert fault is not None or sum(map(len, segments)) < 2111
