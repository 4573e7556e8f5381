"""Readings and statements in the spool: out as they went in, also for a later program."""

from datetime import datetime
from struct import Struct

import pytest

from acrel_link import spooled
from acrel_link.reading import COPY_COLUMNS, MEASURED, UPLOAD, Reading, shape
from acrel_link.spooled import Named, head, keep_reading, keep_statement, recast, restore

READING = Reading(
    7,
    8,
    123_456_789,
    UPLOAD,
    shape(tuple(MEASURED)),
    tuple(range(1, 1 + len(MEASURED))),
    datetime(2026, 1, 2, 3, 4, 5),
    b"d" * 16,
    b"frame",
)


def test_a_reading_comes_out_as_its_row():
    [[row], unreadable] = restore(head(), [keep_reading(READING)])
    assert not unreadable
    assert (row.meter_id, row.link_id, row.stamp, row.frame) == (7, 8, 123_456_789, b"frame")
    assert row.encode() == READING.encode()
    assert restore(head(), [keep_reading(row)])[0][0].encode() == READING.encode()


def test_a_statement_comes_out_with_its_values():
    arguments = {
        "at": datetime(2026, 1, 2, 3, 4, 5, 678),
        "frame": b"\x00\xff",
        "who": None,
        "n": 7,
    }
    records = [keep_statement("event", arguments), keep_statement("other", ["ä", 1])]
    assert restore(head(), records) == ([Named("event", arguments), Named("other", ["ä", 1])], [])


def test_what_cannot_be_kept_is_refused():
    with pytest.raises(TypeError, match="object cannot be kept"):
        keep_statement("event", [object()])


def fields(row: bytes, columns) -> dict[str, bytes | None]:
    values, at = {}, 2
    for name in columns:
        (length,) = Struct("!i").unpack_from(row, at)
        at += 4
        values[name] = row[at : at + length] if length >= 0 else None
        at += max(0, length)
    return values


def test_a_row_of_an_older_program_lacks_the_newer_columns(monkeypatch):
    """An upgrade happens while readings wait: columns were added and have changed places."""
    old_head, record = head(), keep_reading(READING)
    newer = ("brand_new", *reversed(COPY_COLUMNS))
    monkeypatch.setattr(spooled, "COPY_COLUMNS", newer)
    [[row], unreadable] = restore(old_head, [record])
    assert not unreadable
    before = fields(READING.encode(), COPY_COLUMNS)
    assert fields(row.encode(), newer) == before | {"brand_new": None}


@pytest.mark.parametrize("row", [b"", b"\x00", READING.encode()[:-1], READING.encode() + b"x"])
def test_a_row_that_is_none_is_told(row):
    with pytest.raises(ValueError, match="row"):
        recast(row, COPY_COLUMNS)


def test_records_that_nobody_can_read_are_told():
    good = keep_reading(READING)
    for bad in (b"", b"R", b"S{", b'S["only a name"]', b"?" + good[1:]):
        found, unreadable = restore(head(), [bad, good])
        assert (len(found), unreadable) == (1, [bad])
