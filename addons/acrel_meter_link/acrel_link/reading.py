"""One reading on its way to the database, and its form in PostgreSQL's binary COPY."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from struct import Struct

from .clock import to_stamp

POLL, UPLOAD = 0x90, 0x91  # the command a reading came in

# Measured columns of acrel_reading_raw in its order, with their struct format.
MEASURED = {
    **dict.fromkeys(("ua", "ub", "uc", "uab", "ubc", "uca", "ia", "ib", "ic"), "i"),
    **dict.fromkeys(("pa", "pb", "pc", "p", "qa", "qb", "qc", "q"), "i"),
    **dict.fromkeys(("sa", "sb", "sc", "s"), "q"),
    **dict.fromkeys(("pfa", "pfb", "pfc", "pf"), "i"),
    "di": "H",  # a whole register; its upper bits are no inputs
    **dict.fromkeys(("frequency", "pt", "ct", "temperature_n"), "i"),
    **dict.fromkeys(("e_total", "e_forward", "e_reverse", "eq_forward", "eq_reverse"), "q"),
}
RAW_COLUMNS = ("received_at", "meter_id", "source", "meter_clock", *MEASURED)
DIGEST_SIZE = 16  # of an upload's identity
COPY_COLUMNS = (*RAW_COLUMNS, "link_id", "digest")
IDENTITY_COLUMNS = ("received_at", "link_id", "digest")

_SIZES = {"h": 2, "H": 2, "i": 4, "q": 8}
_HEAD = ("q", "i", "h")  # received_at, meter_id, source
_ALL_FIELDS = len(COPY_COLUMNS).to_bytes(2, "big")
_LINK = Struct("!iii")
_NULL = -1  # a length
_IDENTITY = Struct(f"!hiqiii{DIGEST_SIZE}s")  # field count; each field after its length


class _Packer:
    """Packs rows of which the same fields are null.

    Their lengths are the same too, so they are no arguments of struct, which would take as long
    for them as for the fields: it leaves them zero, and one "or" over the whole row adds them.
    """

    __slots__ = ("_pack", "_rest", "_size")

    def __init__(self, codes: Sequence[str | None]):
        formats, rest = ["!2x"], [len(codes).to_bytes(2, "big")]
        for code in codes:
            if code is None:
                formats.append("4x")
                rest.append(_NULL.to_bytes(4, "big", signed=True))
            else:
                formats.append(f"4x{code}")
                rest.append(_SIZES[code].to_bytes(4, "big") + bytes(_SIZES[code]))
        struct = Struct("".join(formats))
        self._pack, self._size = struct.pack, struct.size
        self._rest = int.from_bytes(b"".join(rest), "big")

    def pack(self, *fields: int) -> bytes:
        """Return a row of these fields."""
        row = int.from_bytes(self._pack(*fields), "big") | self._rest
        return row.to_bytes(self._size, "big")


class Shape:
    """Which columns the values of a reading are, by their `places`, and how they become a row."""

    __slots__ = ("_clocked", "_clockless", "_pick", "places")

    def __init__(self, columns: tuple[str, ...]):
        self.places = {name: place for place, name in enumerate(columns)}
        measured = [code if name in self.places else None for name, code in MEASURED.items()]
        self._clocked = _Packer((*_HEAD, "q", *measured))
        self._clockless = _Packer((*_HEAD, None, *measured))
        picks = [self.places[name] for name in MEASURED if name in self.places]
        in_order = picks == list(range(len(columns)))
        self._pick = tuple if in_order else lambda values: [values[place] for place in picks]

    def row(self, reading: "Reading") -> bytes:
        """Return a reading as a row of `RAW_COLUMNS` in binary COPY form."""
        values = self._pick(reading.values)
        stamp, meter_id, source = reading.stamp, reading.meter_id, reading.source
        if reading.clock is None:
            return self._clockless.pack(stamp, meter_id, source, *values)
        return self._clocked.pack(stamp, meter_id, source, to_stamp(reading.clock), *values)


@cache
def shape(columns: tuple[str, ...]) -> Shape:
    """Return the one shape of these columns."""
    return Shape(columns)


class Reading:
    """Raw registers of one meter at one time."""

    __slots__ = (
        "clock",
        "digest",
        "frame",
        "link_id",
        "meter_id",
        "shape",
        "source",
        "stamp",
        "values",
    )

    def __init__(
        self,
        meter_id: int,
        link_id: int,
        stamp: int,
        source: int,
        shape: Shape,
        values: tuple[int, ...],
        clock: datetime | None = None,
        digest: bytes | None = None,
        frame: bytes | None = None,
    ):
        self.meter_id = meter_id
        self.link_id = link_id
        self.stamp = stamp
        self.source = source
        self.shape = shape
        self.values = values
        self.clock = clock
        self.digest = digest
        self.frame = frame

    def get(self, name: str) -> int | None:
        """Return one column; None where it was not read."""
        place = self.shape.places.get(name)
        return None if place is None else self.values[place]

    def row(self) -> bytes:
        """Return the row of `RAW_COLUMNS` in binary COPY form."""
        return self.shape.row(self)

    def identity(self, stamp: int) -> bytes:
        """Return the row of `IDENTITY_COLUMNS` in binary COPY form; only an upload has one."""
        return _IDENTITY.pack(3, 8, stamp, 4, self.link_id, DIGEST_SIZE, self.digest)

    def encode(self) -> bytes:
        """Return the row of `COPY_COLUMNS` in binary COPY form."""
        digest = self.digest
        size = _NULL if digest is None else len(digest)
        return b"".join(
            (
                _ALL_FIELDS,
                self.shape.row(self)[2:],
                _LINK.pack(4, self.link_id, size),
                digest or b"",
            )
        )


COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER = b"\xff\xff"
