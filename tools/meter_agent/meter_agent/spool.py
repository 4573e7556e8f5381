"""What the server has not acknowledged yet, on disk and in order.

SQLite keeps it: a frame is on the disk when `add` returns (journal synced), whatever is killed
or loses its power at whatever moment. A frame is taken off only when it was acknowledged.
"""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from . import durable
from .errors import StateError

log = logging.getLogger(__name__)

_TABLE = """
CREATE TABLE IF NOT EXISTS frame (
    id INTEGER PRIMARY KEY AUTOINCREMENT, slave INTEGER NOT NULL, command INTEGER NOT NULL,
    body BLOB NOT NULL)
"""
# Registers of energy only grow, so every second one of a slave's old uploads can go: what it
# measured is between its neighbours. Alarms stay.
_THIN = """
DELETE FROM frame WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY slave ORDER BY id) AS place
          FROM frame WHERE command = ? AND id <> ? ORDER BY id LIMIT ?)
     WHERE place % 2 = 0)
"""
_SIZE = "SELECT count(*), coalesce(sum(length(body) + ?), 0) FROM frame"
_OVERHEAD = 32  # bytes of a row beside its body


class Spooled(NamedTuple):
    """A frame that waits for its acknowledgement."""

    id: int
    slave: int
    command: int
    body: bytes


class Spool:
    """A bounded queue of frames on the disk."""

    def __init__(self, file: Path, limit_bytes: int, thinned_command: int):
        """Open or make the file; one that is damaged is put aside and told about."""
        self._file, self._limit, self._thinned = file, limit_bytes, thinned_command
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            aside = file.with_suffix(".damaged")
            log.error("The spool %s is damaged (%s): kept as %s, a new one begins.", file, error,
                      aside.name)  # fmt: skip
            self._connection.close()
            os.replace(file, aside)
            for journal in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{file}{journal}")
            self._open()

    def _open(self) -> None:
        mask = os.umask(0o077)
        try:
            self._connection = sqlite3.connect(self._file, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(_TABLE)
            durable.sync(self._file.parent)
            self.frames, self._bytes = self._connection.execute(_SIZE, (_OVERHEAD,)).fetchone()
        finally:
            os.umask(mask)

    def _do(self, statement: str, values: Sequence = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise StateError(f"The spool {self._file} cannot be used: {error}.") from error

    def add(self, slave: int, command: int, body: bytes) -> int:
        """Keep a frame; it is on the disk when this returns, or `StateError` is raised."""
        cursor = self._do(
            "INSERT INTO frame (slave, command, body) VALUES (?, ?, ?)", (slave, command, body)
        )
        self.frames += 1
        self._bytes += len(body) + _OVERHEAD
        if self._bytes > self._limit:
            self._thin()
        return cursor.lastrowid

    def first(self, without: Collection[int] = ()) -> Spooled | None:
        """Return the oldest frame, leaving out those of some slaves."""
        marks = ", ".join("?" * len(without))
        row = self._do(
            f"SELECT id, slave, command, body FROM frame WHERE slave NOT IN ({marks})"
            " ORDER BY id LIMIT 1",
            tuple(without),
        ).fetchone()
        return row and Spooled(*row)

    def acknowledged(self, number: int) -> None:
        """Take a frame off, because the server has it."""
        row = self._do(
            "DELETE FROM frame WHERE id = ? RETURNING length(body)", (number,)
        ).fetchone()
        if row is not None:
            self.frames -= 1
            self._bytes -= row[0] + _OVERHEAD

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _thin(self) -> None:
        """Make room: the older half keeps every second upload, the oldest of all stays."""
        oldest = self.first()
        before = self.frames
        self._do(_THIN, (self._thinned, oldest.id, max(self.frames // 2, 2)))
        self.frames, self._bytes = self._do(_SIZE, (_OVERHEAD,)).fetchone()
        log.warning(
            "The spool is full: %d of its older readings were left out, %d stay. No energy is "
            "lost, for registers only grow, but the curve of that time is coarser.",
            before - self.frames,
            self.frames,
        )
