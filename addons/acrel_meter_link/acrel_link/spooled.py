"""How readings and statements stand in the spool, and how they come out of it again.

A reading is kept as the row it is stored as, so that it costs no more than that; the head of a
segment names the columns, since a later version of this program may have others.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from struct import Struct
from typing import Any, NamedTuple

from .clock import to_datetime, to_stamp
from .reading import COPY_COLUMNS, Reading

_READING, _STATEMENT = b"R", b"S"
_FACTS = Struct("!ciiqI")  # kind, meter, link, stamp, length of the frame
_COUNT = Struct("!h")
_SIZE = Struct("!i")


class Row:
    """A reading that was kept: its row, and what is told when it is refused after all."""

    __slots__ = ("frame", "link_id", "meter_id", "row", "stamp")

    def __init__(self, meter_id: int, link_id: int, stamp: int, frame: bytes | None, row: bytes):
        self.meter_id = meter_id
        self.link_id = link_id
        self.stamp = stamp
        self.frame = frame
        self.row = row

    def encode(self) -> bytes:
        """Return the row of `COPY_COLUMNS` in binary COPY form."""
        return self.row


class Named(NamedTuple):
    """A statement that was kept, by its name, since its text may change."""

    name: str
    arguments: Sequence[Any] | dict


def head() -> bytes:
    """Return the first record of a segment."""
    return json.dumps({"columns": COPY_COLUMNS}).encode()


def keep_reading(reading: Reading | Row) -> bytes:
    """Return a reading as a record."""
    frame = reading.frame or b""
    facts = _FACTS.pack(_READING, reading.meter_id, reading.link_id, reading.stamp, len(frame))
    return b"".join((facts, frame, reading.encode()))


def keep_statement(name: str, arguments: Sequence[Any] | dict) -> bytes:
    """Return a statement as a record."""
    return _STATEMENT + json.dumps([name, arguments], default=_plain).encode()


def restore(head: bytes, records: Sequence[bytes]) -> tuple[list[Row | Named], list[bytes]]:
    """Return what the records of a segment are, and those that nobody can read."""
    try:
        columns = tuple(json.loads(head)["columns"])
    except (ValueError, KeyError, TypeError):
        columns = ()
    found, unreadable = [], []
    for record in records:
        try:
            found.append(_restore(columns, record))
        except (ValueError, KeyError, TypeError):
            unreadable.append(record)
    return found, unreadable


def _restore(columns: tuple[str, ...], record: bytes) -> Row | Named:
    if record[:1] == _STATEMENT:
        name, arguments = json.loads(record[1:], object_hook=_rich)
        return Named(name, arguments)
    if record[:1] != _READING or len(record) < _FACTS.size:
        raise ValueError("no reading and no statement")
    _, meter, link, stamp, length = _FACTS.unpack_from(record)
    at = _FACTS.size + length
    row = record[at:]
    if columns != COPY_COLUMNS:
        row = recast(row, columns)
    return Row(meter, link, stamp, record[_FACTS.size : at] or None, row)


def recast(row: bytes, columns: tuple[str, ...]) -> bytes:
    """Return a row of other columns as one of `COPY_COLUMNS`; what it lacks is null.

    :raise ValueError: when it is no row of these columns
    """
    if len(row) < 2 or _COUNT.unpack_from(row)[0] != len(columns):
        raise ValueError("the row has other columns than its segment says")
    values, at = {}, 2
    for name in columns:
        (length,) = _SIZE.unpack_from(row, at)
        end = at + 4 + max(0, length)
        values[name] = row[at:end]
        at = end
    if at != len(row):
        raise ValueError("the row ends elsewhere than its columns do")
    null = _SIZE.pack(-1)
    return _COUNT.pack(len(COPY_COLUMNS)) + b"".join(
        values.get(name, null) for name in COPY_COLUMNS
    )


def _plain(value: Any) -> dict:
    if isinstance(value, datetime):
        return {"stamp": to_stamp(value)}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    raise TypeError(f"{type(value).__name__} cannot be kept in the spool")


def _rich(value: dict) -> Any:
    if value.keys() == {"stamp"}:
        return to_datetime(value["stamp"])
    if value.keys() == {"bytes"}:
        return bytes.fromhex(value["bytes"])
    return value
