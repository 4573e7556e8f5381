"""The ADW300's register map, and how a block of registers becomes the columns of a reading.

The map is data (`adw300.csv`): offsets, types and scales stand there and nowhere else. Columns:
address (hexadecimal), words, type, decimals, unit, access, name, reading (y: a column of
`acrel_reading_raw`), item, source (document and section; the abbreviations are explained in
docs/protocol.md). Types: u16, i16, u32, i32 (high word first), bits, enum, clock, packed (bytes
with a meaning of their own), reserved. More words than the type needs make an array.
"""

import csv
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files
from struct import Struct
from typing import NamedTuple

from .errors import RegisterError

_STRUCT_CODES = {"u16": "H", "i16": "h", "bits": "H", "enum": "H", "u32": "I", "i32": "i"}
_WORDS = {"u32": 2, "i32": 2}


class Register(NamedTuple):
    """One line of the map."""

    address: int
    words: int
    type: str
    decimals: int
    unit: str
    access: str
    name: str
    reading: bool
    item: str
    source: str

    @property
    def end(self) -> int:
        """The address behind this register."""
        return self.address + self.words

    @property
    def values(self) -> int:
        """How many values it holds; 0 where its bytes are no numbers."""
        return self.words // _WORDS.get(self.type, 1) if self.type in _STRUCT_CODES else 0

    @property
    def format(self) -> str:
        """Its bytes as a struct format, without byte order."""
        return _STRUCT_CODES[self.type] * self.values if self.values else f"{2 * self.words}s"

    def scaled(self, raw: int) -> Decimal:
        """Return a raw count in the register's unit, exactly."""
        return Decimal(raw).scaleb(-self.decimals)


def _load() -> tuple[Register, ...]:
    with (files(__package__) / "adw300.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Register(
                int(row["address"], 16),
                int(row["words"]),
                row["type"],
                int(row["decimals"]),
                row["unit"],
                row["access"],
                row["name"],
                row["reading"] == "y",
                row["item"],
                row["source"],
            )
            for row in csv.DictReader(file)
        )


REGISTERS = _load()
BY_NAME = {register.name: register for register in REGISTERS}
CLOCK = BY_NAME["meter_clock"]
OUTPUTS = {1: BY_NAME["do1"], 2: BY_NAME["do2"]}

# What the link reads, as (first register, number of registers).
BILLING_BLOCK = (BY_NAME["pt"].address, BY_NAME["eq_reverse"].end - BY_NAME["pt"].address)
OUTPUT_BLOCK = (OUTPUTS[1].address, OUTPUTS[2].end - OUTPUTS[1].address)
INPUT_BLOCK = (BY_NAME["di"].address, 1)
ALARM_BLOCK = (
    BY_NAME["alarm1_enable"].address,
    0x1FA - BY_NAME["alarm1_enable"].address,
)

Block = tuple[int, int]


def registers_in(start: int, count: int) -> list[Register]:
    """Return the registers that lie wholly in a block."""
    return [
        register
        for register in REGISTERS
        if start <= register.address and register.end <= start + count
    ]


class Layout:
    """How the bytes of one or more register blocks, one behind the other, become columns.

    `columns` names what `unpack` returns, in the same order. Made once per combination of blocks
    by `layout`; several blocks may not both hold a column.
    """

    __slots__ = ("_clock", "_struct", "columns", "size")

    def __init__(self, blocks: Sequence[Block], wanted: Iterable[Register]):
        chosen = {register.name for register in wanted}
        formats, columns = [], []
        self._clock: slice | None = None
        position = 0
        for start, count in blocks:
            if count < 1:
                raise RegisterError(f"A block of {count} registers holds nothing.")
            address = start
            for register in registers_in(start, count):
                formats.append(f"{2 * (register.address - address)}x")
                address = register.end
                if register.name not in chosen:
                    formats.append(f"{2 * register.words}x")
                    continue
                if register is CLOCK:
                    offset = position + 2 * (register.address - start)
                    self._clock = slice(offset, offset + 2 * register.words)
                    formats.append(f"{2 * register.words}x")
                    continue
                formats.append(register.format)
                columns.append(register.name)
            formats.append(f"{2 * (start + count - address)}x")
            position += 2 * count
        if len(set(columns)) != len(columns):
            raise RegisterError(f"The register blocks {list(blocks)} overlap.")
        self._struct = Struct(">" + "".join(formats))
        self.columns = tuple(columns)
        self.size = self._struct.size

    def unpack(self, data: bytes) -> tuple[int, ...]:
        """Return the raw integers of `columns`."""
        if len(data) != self.size:
            raise RegisterError(
                f"A register block of {self.size} bytes was expected, {len(data)} came."
            )
        return self._struct.unpack(data)

    def clock(self, data: bytes, near: date) -> datetime | None:
        """Return the meter's clock, its local time; see `decode_clock`."""
        return decode_clock(data[self._clock], near) if self._clock else None


@cache
def layout(*blocks: Block) -> Layout:
    """Return how register blocks become columns of a reading."""
    return Layout(blocks, (register for register in REGISTERS if register.reading))


def describe(start: int, data: bytes) -> dict[str, int | tuple[int, ...] | bytes]:
    """Return every register of a block by name: integers, tuples of them, or bytes."""
    result = {}
    for register in registers_in(start, len(data) // 2):
        offset = 2 * (register.address - start)
        values = Struct(">" + register.format).unpack_from(data, offset)
        result[register.name] = values[0] if len(values) == 1 else values
    return result


# === The clock === #

_IMPLAUSIBLE = timedelta(days=730)
_BCD = bytes(
    10 * (byte >> 4) + (byte & 15) if byte >> 4 < 10 and byte & 15 < 10 else 255
    for byte in range(256)
)


@lru_cache(maxsize=8192)
def decode_clock(raw: bytes, near: date) -> datetime | None:
    """Return what the clock's six bytes say: second, minute, hour, day, month, year.

    Whether they are BCD or binary is not published, so the reading that is nearer to `near` (the
    day of receipt) is taken, and neither when both are more than two years away from it: in this
    century the two readings of a year differ by six years and more from 2010 on.
    """
    best, distance = None, _IMPLAUSIBLE
    for values in (raw, raw.translate(_BCD)):
        second, minute, hour, day, month, year = values
        try:
            moment = datetime(2000 + year, month, day, hour, minute, second)
        except ValueError:
            continue  # this reading is no date
        if (apart := abs(moment.date() - near)) < distance:
            best, distance = moment, apart
    return best
