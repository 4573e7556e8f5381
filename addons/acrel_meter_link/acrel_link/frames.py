"""Frames of the factory uplink: 7B7B, command, body, CRC-16, 7D7D.

No length, no escape: `7D7D` may stand inside the body, and `7B7B` in noise. So what a frame is,
is decided by this one rule: **a frame ends at the first 7D7D at which the CRC of an open start
fits; of several such starts the earliest is meant.** Every `7B7B` of the last 1,024 bytes is an
open start until a frame has ended. The rule looks at the bytes up to that end only, so frames do
not depend on how the stream was cut, and none waits behind noise.

Most frames come alone and whole: one search, one CRC. Where that does not settle it, `_sift` finds
the rule's answer in one pass with one running CRC. A CRC is linear: with R(x) the running value
at place x and L one zero byte's step, the CRC over the bytes from s to e fits exactly when
L^(T-s)(R(s) ^ FFFF) = L^(T-e)(R(e)), for any T behind both. The left side is computed once for a
start, the right side once for an end, and one look in a dictionary compares an end with all starts.

Noise can be made so that every third byte begins or ends something. A stream may do that for a
while (`PATIENCE`); after that `strict` is set for good and only frames without a `7B7B` or `7D7D`
inside, and no heartbeats, are seen. That costs one regular expression. The server closes such a
connection.
"""

import re
from collections import deque
from typing import NamedTuple

from .crc import crc16

START, END = b"{{", b"}}"
HEARTBEAT_NB = 0xAB
MAX_FRAME = 1024
MIN_FRAME = 7


class Frame(NamedTuple):
    """One frame: its command and what stands between the command and the CRC."""

    command: int
    body: bytes


def encode(command: int, body: bytes = b"") -> bytes:
    """Return a frame as it goes over the wire."""
    inner = bytes((command,)) + body
    return START + inner + crc16(inner).to_bytes(2, "little") + END


def encode_nb_heartbeat(serial: bytes) -> bytes:
    """Return command AB as NB modules send it: the 20-byte serial and no CRC."""
    return START + bytes((HEARTBEAT_NB,)) + serial + END


_MARK = re.compile(rb"([{}])(?=\1)")
_NB_INNER = re.compile(rb"\xab(?=[!-z])[!-z]{0,20}\0*")
_NB_INNER_SIZE = 21
_ZEROS = bytes(4 * MAX_FRAME)

# How many marks may come to nothing at once, and after how many bytes one more may.
PATIENCE = 512
PATIENCE_BYTES = 64

# What stands between a run of 7B and the next two 7D, with the run of 7D behind it: two end the
# frame, a third may be its CRC's. Shorter frames than of 12 bytes (with a 7B or 7D inside: 20) are
# not looked for: a meter's are heartbeats. The first branch is the cheap one.
_STRICT = re.compile(
    rb"\{{2,}+([^{}]{8,}+\}\}\}?|(?!.{0,15}?\}\})(?:\}?[^}]++)++\}\}\}?)", re.DOTALL
)
_HEARTBEAT = encode(0x94)
_HEARTBEAT_FRAME = Frame(0x94, b"")
_FITS = crc16(END, 0)  # the running CRC behind a frame whose CRC fitted
_FITS_BEFORE_RUN = crc16(b"}}}", 0)

_new = tuple.__new__


def _strict_frame(text: bytes) -> Frame | None:
    """Return the frame of a text whose CRC fitted before its last two bytes or three."""
    inner = text[: -3 if crc16(text) == _FITS_BEFORE_RUN else -2]
    core = text.rstrip(b"}")
    # what _STRICT asks of a text holds of one that was cut out of it too
    least = 16 if b"{" in core or b"}" in core else 8
    if len(core) < least or not text.startswith(END, len(inner)) or len(inner) > MAX_FRAME - 4:
        return None
    return Frame(inner[0], inner[1:-2])


def is_nb_heartbeat(inner: bytes) -> bool:
    """Tell whether this is command AB as NB modules send it, between its marks."""
    return len(inner) == _NB_INNER_SIZE and _NB_INNER.fullmatch(inner) is not None


class Decoder:
    """Turns a stream of bytes, however cut, into frames; never raises on any bytes.

    Counters: `received` and `framed` bytes; `crc_errors`, starts given up although an end was in
    reach; `oversized`, starts given up without an end in 1,024 bytes. `strict` tells that the
    stream has been too much noise; see the module.
    """

    __slots__ = (
        "_buffer",
        "_crc",
        "_crc_place",
        "_credit",
        "_doubted",
        "_horizon",
        "_keys",
        "_last_mark",
        "_scan",
        "_starts",
        "crc_errors",
        "framed",
        "oversized",
        "received",
        "strict",
    )

    def __init__(self):
        self.received = self.framed = self.crc_errors = self.oversized = 0
        self.strict = False
        self._buffer = b""
        self._scan = 0  # index in the buffer up to which it has been searched
        # What _sift keeps; places count from the stream's beginning.
        self._starts: deque[int] = deque()  # open starts, in order
        self._keys: dict[int, list[int]] = {}  # the same, by the key that their end will have
        self._crc = self._crc_place = 0  # the running CRC, and the place up to which it ran
        self._horizon = 0  # T of the module's text
        self._doubted = -1  # starts up to here have seen an end that did not fit
        self._credit = PATIENCE * PATIENCE_BYTES
        self._last_mark = 0

    @property
    def pending(self) -> int:
        """Bytes that may still become part of a frame."""
        return len(self._buffer)

    @property
    def noise(self) -> int:
        """Bytes that belonged to no frame."""
        return self.received - self.framed - len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that end in `data`, in order."""
        self.received += len(data)
        buffer = self._buffer + data if self._buffer else bytes(data)
        frames: list[Frame] = []
        if self.strict:
            self._feed_strict(buffer, frames)
            return frames
        size = len(buffer)
        index = self._sift(buffer, frames) if self._starts else 0
        find, scan = buffer.find, self._scan
        while 0 <= index < size:
            while buffer.startswith(_HEARTBEAT, index):
                frames.append(_HEARTBEAT_FRAME)
                index += MIN_FRAME
                self.framed += MIN_FRAME
                scan = 0
            start = find(START, index)
            if start < 0:
                index = size - buffer.endswith(b"{")
                break
            limit = start + MAX_FRAME
            end = find(END, scan or start + 5, limit)
            if end < 0 and size < limit:
                self._buffer = buffer[start:]
                self._scan = max(size - start - 1, 5)
                return frames
            scan = 0
            if end >= 0:
                inner = buffer[start + 2 : end]
                if not crc16(inner):
                    frames.append(_new(Frame, (inner[0], inner[1:-2])))
                    index = end + 2
                    self.framed += index - start
                    continue
                if is_nb_heartbeat(inner):
                    frames.append(_new(Frame, (HEARTBEAT_NB, inner[1:])))
                    index = end + 2
                    self.framed += index - start
                    continue
            index = self._sift_from(buffer, start, frames)
        if index >= 0:
            self._buffer = buffer[index:]
            self._scan = 0
        return frames

    # === Where the first end does not settle it === #

    def _sift_from(self, buffer: bytes, start: int, frames: list[Frame]) -> int:
        """Begin to sift at a start of the buffer."""
        place = self.received - len(buffer) + start
        self._crc = 0
        self._crc_place = place
        self._horizon = place + 2 * MAX_FRAME
        self._scan = start
        if not self._may_doubt(place):
            return self._become_strict(buffer, start, frames)
        self._open(buffer, place)
        self._scan = start + 1
        return self._sift(buffer, frames)

    def _sift(self, buffer: bytes, frames: list[Frame]) -> int:
        """Go through the buffer's marks until a frame has ended or no start is open.

        Return the index to go on from, or -1 when more bytes are needed.
        """
        base = self.received - len(buffer)
        for match in _MARK.finditer(buffer, self._scan):
            index = match.start()
            place = base + index
            self._expire(place)
            if not self._starts:
                self._scan = 0
                return index
            if not self._may_doubt(place):
                return self._become_strict(buffer, self._starts[-1] - base, frames)
            if buffer[index] == START[0]:
                self._open(buffer, place)
                continue
            self._run_crc(buffer, base, place)
            start, tail = self._find_start(place), 2
            if start < 0:
                start, tail = place - _NB_INNER_SIZE - 2, 0
                if start < self._starts[0] or not is_nb_heartbeat(buffer[start - base + 2 : index]):
                    self._doubted = place - 5
                    continue
            frames.append(Frame(buffer[start - base + 2], buffer[start - base + 3 : index - tail]))
            self.framed += place + 2 - start
            for earlier in self._starts:
                if earlier >= start:
                    break
                self.crc_errors += earlier <= self._doubted
            self._starts.clear()
            self._keys.clear()
            self._scan = 0
            return index + 2
        last = max(len(buffer) - 1, 0)  # its mark, if it is one, needs the next byte
        self._expire(base + last)
        if not self._starts:
            self._scan = 0
            return last
        kept = self._starts[0] - base
        self._buffer = buffer[kept:]
        self._scan = last - kept
        return -1

    def _run_crc(self, buffer: bytes, base: int, place: int) -> None:
        self._crc = crc16(buffer[self._crc_place - base : place - base], self._crc)
        self._crc_place = place

    def _open(self, buffer: bytes, place: int) -> None:
        """Note a start, by the key that its end will have."""
        base = self.received - len(buffer)
        self._run_crc(buffer, base, place + 2)
        self._raise_horizon(place + 2)
        key = crc16(_ZEROS[: self._horizon - place - 2], self._crc ^ 0xFFFF)
        self._keys.setdefault(key, []).append(place)
        self._starts.append(place)

    def _find_start(self, place: int) -> int:
        """Return the earliest open start for which the CRC fits here; -1 when there is none."""
        self._raise_horizon(place)
        key = crc16(_ZEROS[: self._horizon - place], self._crc)
        places = self._keys.get(key, ())
        for start in places:
            if self._starts[0] <= start <= place - 5:
                return start
        return -1

    def _raise_horizon(self, place: int) -> None:
        """Move T ahead when the stream has come to it, and all keys with it."""
        if place <= self._horizon:
            return
        zeros = _ZEROS[: place + 2 * MAX_FRAME - self._horizon]
        first = self._starts[0] if self._starts else place
        keys: dict[int, list[int]] = {}
        for key, places in self._keys.items():
            if live := [start for start in places if start >= first]:
                keys[crc16(zeros, key)] = live
        self._keys = keys
        self._horizon += len(zeros)

    def _expire(self, place: int) -> None:
        """Give up the starts whose frame would be too long if it ended here."""
        starts = self._starts
        while starts and starts[0] < place + 2 - MAX_FRAME:
            if starts.popleft() <= self._doubted:
                self.crc_errors += 1
            else:
                self.oversized += 1
        if not starts:
            self._keys.clear()

    # === Where there is too much noise for that === #

    def _may_doubt(self, place: int) -> bool:
        """Take one mark off the stream's credit; False when it has none left."""
        earned = self._credit + place - self._last_mark
        self._credit = min(PATIENCE * PATIENCE_BYTES, earned) - PATIENCE_BYTES
        self._last_mark = place
        return self._credit >= 0

    def _become_strict(self, buffer: bytes, index: int, frames: list[Frame]) -> int:
        self.strict = True
        self._starts.clear()
        self._keys.clear()
        self._scan = 0
        self._feed_strict(buffer[index:], frames)
        return -1

    def _feed_strict(self, buffer: bytes, frames: list[Frame]) -> None:
        """Find the frames that have no mark inside."""
        last = buffer.rfind(END, self._scan)
        if last >= 0:
            # no 7B is left without an end ahead, so that each byte is gone through once
            texts = _STRICT.findall(buffer, 0, last + 2)
            if START in b"".join(texts):
                texts = [text[text.rfind(START) + 2 if START in text else 0 :] for text in texts]
            fits = (_FITS, _FITS_BEFORE_RUN)
            found = [_strict_frame(text) for text in texts if crc16(text) in fits]
            if None in found:
                found = [frame for frame in found if frame is not None]
            frames += found
            self.framed += MIN_FRAME * len(found) + sum([len(body) for _, body in found])
        size = len(buffer)
        start = buffer.rfind(START)
        end = buffer.find(END, start + 2) if start >= 0 else -1
        ended = start < 0 or size - start >= MAX_FRAME
        if not ended and end >= 0:
            # an end that does not fit may still be the CRC's last byte and half an end
            ended = end + 2 < size or not crc16(buffer[start + 2 : end])
        self._buffer = buffer[size - buffer.endswith(b"{") if ended else start :]
        self._scan = max(len(self._buffer) - 1, 0)
