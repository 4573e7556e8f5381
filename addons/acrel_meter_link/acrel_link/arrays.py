"""An array as PostgreSQL takes it in binary: packed at once, where psycopg packs each element."""

from array import array
from collections.abc import Iterable
from struct import Struct
from sys import byteorder

import psycopg
from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import Dumper

_HEAD = Struct("!iiIii")  # dimensions, no NULLs, type of the elements, their number, first index


class Integers(bytes):
    """An `integer[]`."""


def integers(values: Iterable[int]) -> Integers:
    """Return numbers from 0 to 2³¹ - 1 as an `integer[]`."""
    # each with its length, 4, before it: together the eight bytes of one number
    elements = array("q", [4 << 32 | value for value in values])
    if byteorder == "little":
        elements.byteswap()
    return Integers(_HEAD.pack(1, 0, _INTEGER.oid, len(elements), 1) + elements.tobytes())


_INTEGER = psycopg.postgres.types["int4"]


class _IntegersDumper(Dumper):
    format = pq.Format.BINARY
    oid = _INTEGER.array_oid

    def dump(self, obj: Integers) -> Buffer:
        return obj


psycopg.adapters.register_dumper(Integers, _IntegersDumper)
