"""Arrays as PostgreSQL takes them in binary: packed at once, where psycopg packs each element."""

from array import array
from collections.abc import Iterable, Sequence
from struct import Struct
from sys import byteorder

import psycopg
from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import Dumper

_HEAD = Struct("!iiIii")  # dimensions, no NULLs, type of the elements, their number, first index


class Integers(bytes):
    """An `integer[]`."""


class Strings(bytes):
    """A `bytea[]`."""


def integers(values: Iterable[int]) -> Integers:
    """Return numbers from 0 to 2³¹ - 1 as an `integer[]`."""
    # each with its length, 4, before it: together the eight bytes of one number
    elements = array("q", [4 << 32 | value for value in values])
    if byteorder == "little":
        elements.byteswap()
    return Integers(_HEAD.pack(1, 0, _INTEGER, len(elements), 1) + elements.tobytes())


def strings(values: Sequence[bytes], size: int) -> Strings:
    """Return byte strings that are all of one size as a `bytea[]`."""
    length = size.to_bytes(4, "big")
    return Strings(_HEAD.pack(1, 0, _BYTEA, len(values), 1) + length.join((b"", *values)))


def _type(name: str) -> tuple[int, int]:
    found = psycopg.postgres.types[name]
    return found.oid, found.array_oid


_INTEGER, _INTEGERS = _type("int4")
_BYTEA, _STRINGS = _type("bytea")


class _Dumper(Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: bytes) -> Buffer:
        return obj


class _IntegersDumper(_Dumper):
    oid = _INTEGERS


class _StringsDumper(_Dumper):
    oid = _STRINGS


psycopg.adapters.register_dumper(Integers, _IntegersDumper)
psycopg.adapters.register_dumper(Strings, _StringsDumper)
