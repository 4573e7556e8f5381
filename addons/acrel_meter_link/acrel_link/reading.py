"""One reading on its way to the database, and its form in PostgreSQL's binary COPY."""

from datetime import datetime
from functools import cache
from operator import itemgetter
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

_SIZES = {"H": 2, "i": 4, "q": 8}
_HEAD = "!hiqiiih"  # field count; received_at, meter_id, source, each after its length
_FIELDS = len(RAW_COLUMNS)
_ALL_FIELDS = len(COPY_COLUMNS).to_bytes(2, "big")
_LINK = Struct("!iii")
_NULL = -1  # a length


class Shape:
    """Which columns the values of a reading are, by their `places`, and how they become a row."""

    __slots__ = ("_clocked", "_clockless", "_pick", "places")

    def __init__(self, columns: tuple[str, ...]):
        self.places = {name: place for place, name in enumerate(columns)}
        # struct takes the lengths as arguments too: they are appended to the values once and
        # picked from there, in the order of the table.
        lengths = {size: len(columns) + at for at, size in enumerate((2, 4, 8, _NULL))}
        formats, picks = [], []
        for name, code in MEASURED.items():
            formats.append("i")
            if name in self.places:
                formats.append(code)
                picks += (lengths[_SIZES[code]], self.places[name])
            else:
                picks.append(lengths[_NULL])
        self._clocked = Struct(f"{_HEAD}iq{''.join(formats)}")
        self._clockless = Struct(f"{_HEAD}i{''.join(formats)}")
        self._pick = itemgetter(*picks)

    def row(self, reading: "Reading") -> bytes:
        """Return a reading as a row of `RAW_COLUMNS` in binary COPY form."""
        rest = self._pick((*reading.values, 2, 4, 8, _NULL))
        stamp, meter_id, source = reading.stamp, reading.meter_id, reading.source
        if reading.clock is None:
            return self._clockless.pack(_FIELDS, 8, stamp, 4, meter_id, 2, source, _NULL, *rest)
        clock = to_stamp(reading.clock)
        return self._clocked.pack(_FIELDS, 8, stamp, 4, meter_id, 2, source, 8, clock, *rest)


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
