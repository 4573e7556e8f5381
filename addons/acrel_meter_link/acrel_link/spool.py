"""Records kept on disk in order, until what they are for can be done.

A folder holds numbered segments. A segment is a row of records, each framed alone:

    mark 4 bytes | length 4 | CRC-32 of length and payload 4 | payload

so that a torn end is told from a damaged middle: behind a torn end there is no sound record. The
first record of a segment is its head, which tells a later program how to read the others. Nothing
is acknowledged before `append` has returned; what it wrote is on the disk then. A segment is
dropped as a whole, so after a crash the oldest one may be read twice: its reader must bear that.
"""

import fcntl
import os
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

SEGMENT_BYTES = 8 << 20
MOST_RECORD = 1 << 20

_MARK = b"\xacSP\x01"
_FRAME = Struct("!4sII")
_LENGTH = Struct("!I")
_SUFFIX = ".spool"


class SpoolFullError(OSError):
    """The records would take more room than the spool may have."""


class SpoolTakenError(Exception):
    """Another process uses the folder."""


@dataclass(frozen=True)
class Segment:
    """What one file holds. `damaged` counts the bytes between sound records that are none."""

    path: Path
    head: bytes
    records: list[bytes]
    damaged: int


def frame(payload: bytes) -> bytes:
    """Return a record as it stands in a segment."""
    length = len(payload)
    check = zlib.crc32(payload, zlib.crc32(_LENGTH.pack(length)))
    return _FRAME.pack(_MARK, length, check) + payload


def split(data: bytes) -> tuple[list[bytes], int]:
    """Return the sound records of a segment, and how many bytes between them are damaged."""
    records, damaged, done = [], 0, 0
    at = data.find(_MARK)
    while at >= 0:
        end = _end(data, at)
        if end is None:
            # no record after all: the next mark may begin one, even inside what this one claimed
            at = data.find(_MARK, at + 1)
            continue
        damaged += at - done
        records.append(data[at + _FRAME.size : end])
        done, at = end, data.find(_MARK, end)
    return records, damaged


def _end(data: bytes, start: int) -> int | None:
    """Return where the record at `start` ends; None when it is none."""
    payload = start + _FRAME.size
    if payload > len(data):
        return None
    _, length, check = _FRAME.unpack_from(data, start)
    end = payload + length
    if length > MOST_RECORD or end > len(data):
        return None
    view = memoryview(data)[payload:end]
    return end if zlib.crc32(view, zlib.crc32(_LENGTH.pack(length))) == check else None


class Spool:
    """One process's folder of segments; its methods may be called from any thread."""

    def __init__(self, folder: Path, limit: int, head: bytes):
        self.folder = folder
        self.limit = limit
        """Bytes that all segments together may take."""
        self._head = frame(head)
        self._lock = threading.Lock()
        self._locked: int | None = None
        self._sizes: dict[Path, int] = {}  # closed and open segments, oldest first
        self._counts: dict[Path, int] = {}
        self.bytes = 0
        """How much room the segments take."""
        self.records = 0
        """How many records wait."""
        self._number = 0
        self._file: int | None = None
        self._path: Path | None = None

    # === Life === #

    def open(self) -> None:
        """Take the folder, with what an earlier process left in it.

        :raise SpoolTakenError: when another process has it
        :raise OSError: when it cannot be made or written
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        locked = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(locked)
            raise SpoolTakenError(str(self.folder)) from error
        self._locked = locked
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            data = path.read_bytes()
            self._sizes[path] = len(data)
            self._counts[path] = max(0, len(split(data)[0]) - 1)
            self._number = int(path.stem)
        self.bytes = sum(self._sizes.values())
        self.records = sum(self._counts.values())

    def close(self) -> None:
        """Let go of the folder."""
        with self._lock:
            self._close_file()
            if self._locked is not None:
                os.close(self._locked)
                self._locked = None

    def __bool__(self) -> bool:
        """Whether any segment is there."""
        return bool(self._sizes)

    # === Writing === #

    def append(self, records: Sequence[bytes]) -> None:
        """Keep records behind all others; they are on the disk when this returns.

        :raise OSError: when they are not, `SpoolFullError` when they were not to be
        """
        data = b"".join(map(frame, records))
        with self._lock:
            if self.bytes + len(data) + len(self._head) > self.limit:
                raise SpoolFullError(
                    f"the spool {self.folder} holds {self.bytes} bytes, of {self.limit} at most"
                )
            try:
                self._write(data)
            except OSError:
                # what the failed write left is a torn end, and after a failed fsync nobody knows
                # what is on the disk: the records come again, in a segment of their own
                self._give_up()
                raise
            self._counts[self._path] += len(records)
            self.records += len(records)
            if self._sizes[self._path] >= SEGMENT_BYTES:
                self._close_file()

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._number += 1
            self._path = self.folder / f"{self._number:012d}{_SUFFIX}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o600)
            self._sizes[self._path] = self._counts[self._path] = 0
            data = self._head + data
            self._sync_folder()
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        os.fdatasync(self._file)
        self._sizes[self._path] += len(data)
        self.bytes += len(data)

    def _give_up(self) -> None:
        """Leave the segment that could not be written; one without any record goes."""
        path = self._path
        if self._file is None or path is None:
            return
        try:
            os.ftruncate(self._file, self._sizes[path])
        finally:
            self._close_file()
            if not self._counts[path]:
                self._remove(path)

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    # === Reading === #

    def oldest(self) -> Segment | None:
        """Return the oldest segment, which takes no more records from now on."""
        with self._lock:
            path = next(iter(self._sizes), None)
            if path is None:
                return None
            if path == self._path:
                self._close_file()
        records, damaged = split(path.read_bytes())
        return Segment(path, records[0] if records else b"", records[1:], damaged)

    def drop(self, segment: Segment) -> None:
        """Forget a segment that is done with; a damaged one is kept aside for a person."""
        with self._lock:
            if segment.damaged:
                segment.path.rename(segment.path.with_suffix(".damaged"))
            self._remove(segment.path)

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.bytes -= self._sizes.pop(path)
        self.records -= self._counts.pop(path)
