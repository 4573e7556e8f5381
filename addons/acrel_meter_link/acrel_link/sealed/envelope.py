"""E4: the sealed frames of one direction, each bound to its session, number, meter and way."""

from struct import Struct

from cryptography.exceptions import InvalidTag

from ..crc import crc16
from ..frames import END, START
from .errors import Fault, SealedError, SealError
from .rules import FRAME_LIMIT
from .suites import Suite
from .wire import DATA, MAX_PLAINTEXT, MIN_DATA, VERSION

UP, DOWN = b"\x00", b"\x01"

_HEAD = Struct(">3sH4sQ")  # cmd, ver, suite; len; session id, seq: with SN and way the AAD
_LENGTH_AROUND = MIN_DATA - 1
_MOST_FRAMES = 2 * FRAME_LIMIT


class Sealer:
    """Seals what this side sends. What it returns must be sent once each, in this order."""

    __slots__ = ("_bound", "_encrypt", "_front", "_iv", "_session_id", "count")

    def __init__(self, suite: Suite, key: bytes, iv: bytes, session_id: bytes, bound: bytes):
        self._encrypt = suite.aead(key).encrypt
        self._iv = int.from_bytes(iv, "big")
        self._front = bytes((DATA, VERSION, suite.number))
        self._session_id = session_id
        self._bound = bound  # SN and direction
        self.count = 0

    def seal(self, plaintext: bytes) -> bytes:
        """Return the frame around a type and its content."""
        size = len(plaintext)
        if size > MAX_PLAINTEXT:
            raise SealError(f"{size} bytes do not fit a sealed frame of {MAX_PLAINTEXT}.")
        seq = self.count
        self.count = seq + 1
        head = _HEAD.pack(self._front, size + _LENGTH_AROUND, self._session_id, seq)
        inner = head + self._encrypt(
            (self._iv ^ seq).to_bytes(12, "big"), plaintext, head + self._bound
        )
        return START + inner + crc16(inner).to_bytes(2, "little") + END


class Opener:
    """Opens what the peer sealed: only the very next frame, only once."""

    __slots__ = ("_bound", "_decrypt", "_iv", "_session_id", "count")

    def __init__(self, suite: Suite, key: bytes, iv: bytes, session_id: bytes, bound: bytes):
        self._decrypt = suite.aead(key).decrypt
        self._iv = int.from_bytes(iv, "big")
        self._session_id = session_id
        self._bound = bound
        self.count = 0

    def open(self, inner: bytes) -> bytes:
        """Return type and content of a frame's `cmd … body CRC`."""
        seq = self.count
        if inner[5:17] != self._session_id + seq.to_bytes(8, "big"):
            raise SealedError("A sealed frame is not the next one of its session.", Fault.SEQUENCE)
        if seq >= _MOST_FRAMES:
            raise SealedError(f"The session has carried {seq} frames.", Fault.EXHAUSTED)
        try:
            plaintext = self._decrypt(
                (self._iv ^ seq).to_bytes(12, "big"), inner[17:-2], inner[:17] + self._bound
            )
        except InvalidTag:
            raise SealedError("A sealed frame was changed on its way.", Fault.TAG) from None
        self.count = seq + 1
        return plaintext
