"""Register maps: data, and how blocks of registers become the columns of a reading.

A map is a file in `meters/`; offsets, types, scales and who may write stand there and nowhere
else. Columns: address (hexadecimal), words, type, decimals, unit, access, write, range, name,
reading, item, source (document and section; the abbreviations are explained in docs/protocol.md).

Types: u16, i16, u32, i32 (high word first), bits, enum, and bytes with a meaning of their own
(`decoders.py`): clock, calendar, moment, zones, periods, packed, reserved. More words than the
type needs make an array. `write` says what right a write needs: output, clock, threshold,
configuration; empty: nobody writes it. `range` bounds the raw counts that are written. `reading`
names the columns of `acrel_reading_raw` that the register fills.
"""

import csv
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from operator import itemgetter
from struct import Struct
from typing import NamedTuple

from .decoders import decode_calendar, decode_clock
from .errors import RegisterError
from .reading import shape

_STRUCT_CODES = {"u16": "H", "i16": "h", "bits": "H", "enum": "H", "u32": "I", "i32": "i"}
_WORDS = {"u32": 2, "i32": 2}
_CLOCKS = {"clock": decode_clock, "calendar": decode_calendar}
CLOCK_COLUMN = "meter_clock"
WRITES = ("", "output", "clock", "threshold", "configuration")

# Decimals of the columns of acrel_reading_raw; a model that counts otherwise is converted.
DECIMALS = {
    **dict.fromkeys(("ua", "ub", "uc", "uab", "ubc", "uca", "temperature_n"), 1),
    **dict.fromkeys(("ia", "ib", "ic", "frequency"), 2),
    **dict.fromkeys(("pa", "pb", "pc", "p", "qa", "qb", "qc", "q"), 3),
    **dict.fromkeys(("sa", "sb", "sc", "s", "pfa", "pfb", "pfc", "pf"), 3),
    **dict.fromkeys(("e_total", "e_forward", "e_reverse", "eq_forward", "eq_reverse"), 2),
    **dict.fromkeys(("di", "pt", "ct"), 0),
}

Block = tuple[int, int]
"""The first register and how many."""


class Register(NamedTuple):
    """One line of a map."""

    address: int
    words: int
    type: str
    decimals: int
    unit: str
    access: str
    write: str
    range: tuple[int, int] | None
    name: str
    reading: tuple[str, ...]
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


def _register(row: dict[str, str]) -> Register:
    low, _, high = row["range"].partition("..")
    register = Register(
        int(row["address"], 16),
        int(row["words"]),
        row["type"],
        int(row["decimals"]),
        row["unit"],
        row["access"],
        row["write"],
        (int(low), int(high)) if high else None,
        row["name"],
        tuple(row["reading"].split()),
        row["item"],
        row["source"],
    )
    unknown = set(register.reading) - {*DECIMALS, CLOCK_COLUMN}
    if unknown or register.write not in WRITES:
        raise RegisterError(
            f"Register {register.name}: no reading has {sorted(unknown)}, or nobody has the right "
            f"{register.write!r}."
        )
    return register


class RegisterMap:
    """All registers of a model, in the order of their addresses."""

    def __init__(self, file: str, registers: Sequence[Register]):
        self.file = file
        self.registers = tuple(sorted(registers))
        self.by_name = {register.name: register for register in self.registers}
        self.size = max(register.end for register in self.registers)
        self._held = {
            address: register
            for register in self.registers
            for address in range(register.address, register.end)
        }
        if len(self._held) != sum(register.words for register in self.registers):
            raise RegisterError(f"Registers of {file} overlap.")
        if len(self.by_name) != len(self.registers):
            raise RegisterError(f"Two registers of {file} have one name.")

    def at(self, address: int) -> Register | None:
        """Return the register that holds an address."""
        return self._held.get(address)

    def inside(self, start: int, count: int) -> list[Register]:
        """Return the registers that lie wholly in a block."""
        held = dict.fromkeys(map(self._held.get, range(start, start + count)))
        return [
            register
            for register in held
            if register is not None and start <= register.address and register.end <= start + count
        ]

    def describe(self, start: int, data: bytes) -> dict[str, int | tuple[int, ...] | bytes]:
        """Return every register of a block by name: integers, tuples of them, or bytes."""
        result = {}
        for register in self.inside(start, len(data) // 2):
            offset = 2 * (register.address - start)
            values = Struct(">" + register.format).unpack_from(data, offset)
            result[register.name] = values[0] if len(values) == 1 else values
        return result


@cache
def load_map(file: str) -> RegisterMap:
    """Return a map of `meters/`, one object a file."""
    with (files(__package__) / "meters" / file).open(encoding="utf-8", newline="") as opened:
        return RegisterMap(file, [_register(row) for row in csv.DictReader(opened)])


class Section(NamedTuple):
    """A block of registers, and the map that says what they are."""

    map: RegisterMap
    start: int
    count: int


class Layout:
    """How the bytes of one or more sections, one behind the other, become columns.

    `columns` names what `unpack` returns, in the same order; `shape` is how a reading holds it.
    Made once per combination of sections by `layout`; several sections may not both hold a column.
    """

    __slots__ = ("_clock", "_convert", "_decode_clock", "_struct", "columns", "shape", "size")

    def __init__(self, sections: Sequence[Section]):
        formats, found = [], []
        self._clock: slice | None = None
        position = 0
        for registers, start, count in sections:
            if count < 1:
                raise RegisterError(f"A block of {count} registers holds nothing.")
            address = start
            for register in registers.inside(start, count):
                formats.append(f"{2 * (register.address - address)}x")
                address = register.end
                if register.type in _CLOCKS and CLOCK_COLUMN in register.reading:
                    offset = position + 2 * (register.address - start)
                    self._clock = slice(offset, offset + 2 * register.words)
                    self._decode_clock: Callable = _CLOCKS[register.type]
                elif register.reading:
                    formats.append(register.format)
                    found.append(register)
                    continue
                formats.append(f"{2 * register.words}x")
            formats.append(f"{2 * (start + count - address)}x")
            position += 2 * count
        self._struct = Struct(">" + "".join(formats))
        self.columns = tuple(column for register in found for column in register.reading)
        self.shape = shape(self.columns)
        self.size = self._struct.size
        if len(set(self.columns)) != len(self.columns):
            blocks = [(start, count) for _, start, count in sections]
            raise RegisterError(f"The register blocks {blocks} overlap.")
        self._convert = _conversion(found)

    def unpack(self, data: bytes) -> tuple[int, ...]:
        """Return the raw integers of `columns`."""
        if len(data) != self.size:
            raise RegisterError(
                f"A register block of {self.size} bytes was expected, {len(data)} came."
            )
        values = self._struct.unpack(data)
        return values if self._convert is None else self._convert(values)

    def clock(self, data: bytes, near: date) -> datetime | None:
        """Return the meter's clock, its local time; see `decode_clock`."""
        return self._decode_clock(data[self._clock], near) if self._clock else None

    def clock_bytes(self, data: bytes) -> bytes | None:
        """Return the clock as the meter keeps it; None where the blocks do not hold it."""
        return data[self._clock] if self._clock else None


def _conversion(found: Sequence[Register]) -> Callable | None:
    """Return what turns unpacked values into columns; None where they are the same."""
    plan = [
        (place, DECIMALS[column] - register.decimals)
        for place, register in enumerate(found)
        for column in register.reading
    ]
    if all(shift == 0 and place == at for at, (place, shift) in enumerate(plan)):
        return None
    if all(shift == 0 for _, shift in plan) and len(plan) > 1:
        return itemgetter(*(place for place, _ in plan))
    # a coarser count is multiplied, a finer one rounded down, so that a register never falls
    return lambda values: tuple(
        values[place] * 10**shift if shift >= 0 else values[place] // 10**-shift
        for place, shift in plan
    )


@cache
def layout(*sections: Section) -> Layout:
    """Return how register blocks become columns of a reading."""
    return Layout(sections)
