"""Frames of the sealed channel: built, cut out of a stream, and their bodies taken apart.

    7B 7B | cmd 1 | ver 1 | suite 1 | len 2 | body len | CRC16(cmd … body) 2, low first | 7D 7D

They carry their length, so there is nothing to search for: a byte that is not the one that must
stand there is a fault. The state of a connection allows one command only, so the decoder is told
which one it may meet. What it says depends on the bytes, never on how the stream was cut.
"""

from struct import Struct
from typing import NamedTuple

from ..crc import crc16
from ..errors import BodyError
from ..frames import END, START
from ..serials import parse_serial
from .errors import Fault, SealedError

HELLO, CHALLENGE, PROOF, DATA = 0xE1, 0xE2, 0xE3, 0xE4
VERSION = 1
MAX_BODY = 2100
NO_SUITE = 0
NO_SHARE = bytes(32)

_HEAD = Struct(">BBBH")
_HELLO = Struct(">20sBHB16s32s")
_CHALLENGE = Struct(">4sBHQ16s32s32s")
HELLO_SIZE, CHALLENGE_SIZE, PROOF_SIZE = _HELLO.size, _CHALLENGE.size, 32
SESSION_SIZE, SEQUENCE_SIZE, TAG_SIZE = 4, 8, 16
MIN_DATA = SESSION_SIZE + SEQUENCE_SIZE + 1 + TAG_SIZE  # the plaintext has at least its type
MAX_PLAINTEXT = MAX_BODY - (MIN_DATA - 1)

_FRONT = len(START) + _HEAD.size
_AROUND = _FRONT + 2 + len(END)
# Where a wrong byte of the front stands, and what that makes of it.
_FRONT_FAULTS = (
    (Fault.NOISE, "a byte that begins no frame"),
    (Fault.NOISE, "a byte that begins no frame"),
    (Fault.UNEXPECTED, "a command that may not come now"),
    (Fault.UNEXPECTED, "a version of the channel that is not known here"),
    (Fault.UNEXPECTED, "another suite than the one agreed on"),
)


# === Frames === #


def build_inner(command: int, suite: int, body: bytes) -> bytes:
    """Return `cmd … body`: what the CRC covers and a transcript keeps."""
    return _HEAD.pack(command, VERSION, suite, len(body)) + body


def enclose(inner: bytes) -> bytes:
    """Return a frame as it goes over the wire, around its `cmd … body`."""
    return START + inner + crc16(inner).to_bytes(2, "little") + END


class Decoder:
    """Cuts the frames out of a stream; keeps no more of it than one unfinished frame.

    A segment costs one copy of what was kept before it, and a frame one copy of itself.
    """

    __slots__ = ("_at", "_data", "_front", "_least", "_most", "pending")

    def __init__(self):
        self.pending = 0  # bytes that no frame was made of yet
        self._data = b""
        self._at = 0
        self._front = START
        self._least = self._most = 0

    def expect(self, command: int, suite: int | None, least: int, most: int) -> None:
        """Allow this command, of this suite (None: any), with a body of so many bytes."""
        self._front = (
            START + bytes((command, VERSION)) + (b"" if suite is None else bytes((suite,)))
        )
        self._least, self._most = least, most

    def whole(self, segment: bytes) -> bytes | None:
        """Return the `cmd … body CRC` of a segment that is one frame; None where `push` must look.

        Nearly every segment is: a peer sends its frames one by one.
        """
        size = len(segment) - _AROUND
        if (
            self.pending
            or not segment.startswith(self._front)
            or not self._least <= size <= self._most
            or size != segment[5] << 8 | segment[6]
            or not segment.endswith(END)
        ):
            return None
        inner = segment[2:-2]
        return None if crc16(inner) else inner

    def push(self, data: bytes) -> None:
        """Take the next segment of the stream."""
        self._data = self._data + data if self.pending else bytes(data)
        self._at = 0
        self.pending = len(self._data)

    def pull(self) -> bytes | None:
        """Return the next frame's `cmd … body CRC`, or None until more bytes came."""
        data, at = self._data, self._at
        if not data.startswith(self._front, at):
            self._check_begun(data, at)
            return self._wait()
        if self.pending < _FRONT:
            return self._wait()
        size = data[at + 5] << 8 | data[at + 6]
        if not self._least <= size <= self._most:
            raise SealedError(
                f"A frame announces {size} bytes, which is not allowed.", Fault.LENGTH
            )
        size += _AROUND
        left = self.pending - size
        if left < 0:
            return self._wait()
        end = at + size
        inner = data[at + 2 : end - 2]
        if crc16(inner):
            raise SealedError("The CRC of a frame is wrong.", Fault.CRC)
        if not data.startswith(END, end - 2):
            raise SealedError("A frame does not end where it must.", Fault.NOISE)
        self.pending = left
        if left:
            self._at = end
        else:
            self._data = b""
        return inner

    def _wait(self) -> None:
        """Keep what has begun, and nothing of what stood before it."""
        if self._at:
            self._data, self._at = self._data[self._at :], 0

    def _check_begun(self, data: bytes, at: int) -> None:
        """Raise unless what came may still become the frame that is allowed."""
        begun = data[at : at + len(self._front)]
        for place, (came, allowed) in enumerate(zip(begun, self._front, strict=False)):
            if came != allowed:
                fault, what = _FRONT_FAULTS[place]
                raise SealedError(f"The peer sent {what}: {came:02X}.", fault)


# === Bodies === #


class Hello(NamedTuple):
    """E1: a meter names itself, its key and its suites; `nonce` is boot counter and random."""

    serial: str
    sn: bytes
    version_max: int
    key_version: int
    suites: int
    nonce: bytes
    share: bytes

    @property
    def boot_counter(self) -> int:
        """The meter's count of its hellos."""
        return int.from_bytes(self.nonce[:8], "big")


class Challenge(NamedTuple):
    """E2: the server chooses and proves that it knows the key; `server_time` in unix ms."""

    session_id: bytes
    suite: int
    key_version: int
    server_time: int
    nonce: bytes
    share: bytes
    proof: bytes


def build_hello(
    sn: bytes, key_version: int, suites: int, boot_counter: int, random: bytes, share: bytes
) -> bytes:
    """Return E1 as `cmd … body`."""
    nonce = boot_counter.to_bytes(8, "big") + random
    return build_inner(HELLO, NO_SUITE, _HELLO.pack(sn, VERSION, key_version, suites, nonce, share))


def parse_hello(inner: bytes) -> Hello:
    """Return what an E1's `cmd … body` says."""
    sn, version_max, key_version, suites, nonce, share = _HELLO.unpack_from(inner, _HEAD.size)
    try:
        serial = parse_serial(sn)
    except BodyError as error:
        raise SealedError(f"A hello names no meter: {error}", Fault.MALFORMED) from error
    if version_max < VERSION:
        raise SealedError("A hello allows no version of the channel.", Fault.MALFORMED)
    return Hello(serial, sn, version_max, key_version, suites, nonce, share)


def build_challenge(challenge: Challenge) -> bytes:
    """Return E2 as `cmd … body`."""
    return build_inner(CHALLENGE, challenge.suite, _CHALLENGE.pack(*challenge))


def parse_challenge(inner: bytes) -> Challenge:
    """Return what an E2's `cmd … body` says."""
    challenge = Challenge(*_CHALLENGE.unpack_from(inner, _HEAD.size))
    if challenge.suite != inner[2]:
        raise SealedError("A challenge names two suites.", Fault.MALFORMED)
    return challenge


def unproven(inner: bytes) -> bytes:
    """Return an E2's `cmd … body` without its proof: what both proofs are made over."""
    return inner[: _HEAD.size + CHALLENGE_SIZE - PROOF_SIZE]
