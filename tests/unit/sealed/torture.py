"""What both sides of each channel are fed that no honest peer sends; tests and a bench judge.

Each function feeds a number of frames, all chosen by the seed, and raises when one of them does
what it must not.
"""

from typing import NamedTuple

from acrel_link import commands
from acrel_link.channels.base import ChannelError
from acrel_link.channels.plain import PlainChannel
from acrel_link.channels.strict import NoFrameError, StrictDecoder
from acrel_link.errors import ProtocolError
from acrel_link.frames import Frame
from acrel_link.sealed import wire
from acrel_link.sealed.errors import SealedError
from acrel_link.uploads import parse_upload

from .bed import Bed, Line
from .mutation import CONTENTS, FACTORY, Mutator

PARSERS = {
    commands.REGISTER: commands.parse_register,
    commands.UPLOAD: parse_upload,
    commands.TRANSPARENT: commands.parse_transparent,
    commands.TIME: commands.parse_time_request,
    commands.ALARM: commands.parse_alarm,
    commands.HEARTBEAT_NB: commands.parse_heartbeat_nb,
}


class Toll(NamedTuple):
    """What became of the frames: carried what they must, closed the connection."""

    right: int
    closed: int


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


def plain(seed: int, count: int) -> Toll:
    """Feed changed factory frames, every second one with right marks and CRC."""
    mutator = Mutator(seed)
    channel, right, closed = PlainChannel(), 0, 0
    for number in range(count):
        data = mutator.framed() if number % 2 else mutator.any_of(FACTORY)
        try:
            frames = channel.feed(data)
        except ChannelError as error:
            frames, channel = error.frames, PlainChannel()
            closed += 1
        right += parsed(frames)
    return Toll(right, closed)


def inside_tls(seed: int, count: int) -> Toll:
    """Feed the same where no byte may stand between frames; most have right marks and CRC."""
    mutator = Mutator(seed)
    decoder, right, closed = StrictDecoder(), 0, 0
    for number in range(count):
        data = mutator.framed() if number % 4 else mutator.any_of(FACTORY)
        try:
            frames = decoder.feed(data)
        except NoFrameError as error:
            frames, decoder = error.frames, StrictDecoder()
            closed += 1
        right += parsed(frames)
    return Toll(right, closed)


def open_line(mutator: Mutator) -> Line:
    """Return an open session, of any cipher."""
    suite = mutator.chance.choice((0x01, 0x01, 0x02, 0x03))
    return Bed(suites=(suite,), offered=(suite,)).open()


def mad_peer(seed: int, count: int, *, at_server: bool) -> Toll:
    """Feed contents that are rightly sealed, so that they get behind the tag, but make no sense."""
    mutator = Mutator(seed)
    line, right, closed = open_line(mutator), 0, 0
    for _ in range(count):
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
    return Toll(right, closed)


def stranger(seed: int, count: int, *, at_server: bool) -> int:
    """Feed what somebody makes of honest sessions that he has seen, but has no key of.

    :return: how many were answered, which only a hello is; none is a frame and none opens
    """
    mutator = Mutator(seed)
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
    for number in range(count):
        line = bed.connect()
        for _ in range(number % 3):
            if at_server:
                line.move_up()
            line.move_down()
        if number % 3 == 2:
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
        assert side is not line.server or number % 3 == 2 or side.key is None
    return answered
