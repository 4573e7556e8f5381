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
COPY_COLUMNS = ("received_at", "meter_id", "source", "meter_clock", "link_id", "digest", *MEASURED)

_SIZES = {"H": 2, "i": 4, "q": 8}
_HEAD = Struct("!hiqiiihi")  # field count; received_at, meter_id, source, each after its length
_INT4 = Struct("!ii")
_NULL = b"\xff\xff\xff\xff"


class Shape:
    """Which columns the values of a reading are, and how they become a row."""

    __slots__ = ("_pick", "_places", "_struct", "columns")

    def __init__(self, columns: tuple[str, ...]):
        self.columns = columns
        self._places = {name: place for place, name in enumerate(columns)}
        # struct takes the lengths as arguments too: they are appended to the values once and
        # picked from there, in the order of the table.
        lengths = {size: len(columns) + at for at, size in enumerate((2, 4, 8, -1))}
        formats, picks = ["!"], []
        for name, code in MEASURED.items():
            formats.append("i")
            if name in self._places:
                formats.append(code)
                picks += (lengths[_SIZES[code]], self._places[name])
            else:
                picks.append(lengths[-1])
        self._struct = Struct("".join(formats))
        self._pick = itemgetter(*picks)

    def value(self, values: tuple[int, ...], name: str) -> int | None:
        """Return one column's value; None where the reading lacks it."""
        place = self._places.get(name)
        return None if place is None else values[place]

    def pack(self, values: tuple[int, ...]) -> bytes:
        """Return all of `MEASURED` in binary COPY form."""
        return self._struct.pack(*self._pick((*values, 2, 4, 8, -1)))


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
        columns: tuple[str, ...],
        values: tuple[int, ...],
        clock: datetime | None = None,
        digest: bytes | None = None,
        frame: bytes | None = None,
    ):
        self.meter_id = meter_id
        self.link_id = link_id
        self.stamp = stamp
        self.source = source
        self.shape = shape(columns)
        self.values = values
        self.clock = clock
        self.digest = digest
        self.frame = frame

    def get(self, name: str) -> int | None:
        """Return one column; None where it was not read."""
        return self.shape.value(self.values, name)

    def encode(self) -> bytes:
        """Return the row of `COPY_COLUMNS` in binary COPY form."""
        # the last 8 is the length of meter_clock
        head = _HEAD.pack(_FIELDS, 8, self.stamp, 4, self.meter_id, 2, self.source, 8)
        if self.clock is None:
            clock = _NULL
            head = head[:-4]
        else:
            clock = to_stamp(self.clock).to_bytes(8, "big", signed=True)
        digest = self.digest
        tail = _NULL if digest is None else len(digest).to_bytes(4, "big") + digest
        return b"".join(
            (head, clock, _INT4.pack(4, self.link_id), tail, self.shape.pack(self.values))
        )


_FIELDS = len(COPY_COLUMNS)
COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER = b"\xff\xff"
