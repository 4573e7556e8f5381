"""The register image of a simulated meter, laid out by its profile's register map."""

from dataclasses import dataclass
from functools import cache
from itertools import groupby
from math import isqrt
from struct import Struct
from typing import NamedTuple

from ..profiles import Profile
from ..register_map import DECIMALS, Register, RegisterMap
from .quality import month_values, slow_values

_DEFAULTS = {
    "address": 1,
    "baud_code": 4,
    "pt": 1,
    "ct": 1,
    "temperature_n": 251,
    "signal": -67,
    "demand_period": 1,
    "alarm1_enable": 0x800F,
    "alarm_over_u": 2650,
    "alarm_over_u_delay": 100,
    "alarm_under_u": 1960,
    "alarm_under_u_delay": 100,
    "alarm_over_i": 600,
    "alarm_over_i_delay": 100,
    "alarm_under_i": 50,
    "alarm_under_i_delay": 100,
    "year_zones": bytes((1, 1, 1)) + bytes(9),
    "day_table_1": bytes((3, 0, 0, 2, 0, 8, 1, 0, 19, 4, 0, 23)) + bytes(30),
}

_CHANGING = (
    *(f"{kind}{phase}" for kind in ("u", "i", "p", "q", "s", "pf") for phase in "abc"),
    *("uab", "ubc", "uca", "p", "q", "s", "pf", "di", "frequency"),
    *("e_total", "e_forward", "e_reverse", "eq_forward", "eq_reverse", "i_vector_sum"),
)


class _Run(NamedTuple):
    """Registers without a gap, packed at once from the values of these names."""

    start: int
    struct: Struct
    names: tuple[tuple[str, int], ...]
    """With the power of ten by which the register counts finer than a reading does."""


@cache
def _runs(registers: RegisterMap) -> tuple[_Run, ...]:
    """Return what changes while a load flows."""
    changing = [
        (register, name)
        for register in registers.registers
        if (name := (register.reading or (register.name,))[0]) in _CHANGING
    ]
    runs = []
    for _, group in groupby(
        enumerate(changing), lambda each: each[1][0].address - _words_before(changing, each[0])
    ):
        members = [each for _, each in group]
        runs.append(
            _Run(
                2 * members[0][0].address,
                Struct(">" + "".join(register.format for register, _ in members)),
                tuple(
                    (name, register.decimals - DECIMALS.get(name, register.decimals))
                    for register, name in members
                ),
            )
        )
    return tuple(runs)


class _Place(NamedTuple):
    """Where a register's bytes are, how they are packed, and whose value they also hold."""

    at: int
    struct: Struct
    column: str | None


@cache
def _places(registers: RegisterMap) -> dict[str, _Place]:
    """Return the places of a map's registers by name."""
    return {
        register.name: _Place(
            2 * register.address, Struct(">" + register.format), *register.reading[:1] or (None,)
        )
        for register in registers.registers
    }


def _words_before(changing: list[tuple[Register, str]], place: int) -> int:
    return sum(register.words for register, _ in changing[:place])


def _scaled(value: int, shift: int) -> int:
    return value * 10**shift if shift >= 0 else value // 10**-shift


_POWER_FACTOR = 990  # per mille, of a car's charger


@dataclass(slots=True)
class Measured:
    """What the meter's inputs show: W, 0.1 V, bits, 0.01 Hz, 0.01 kWh."""

    power: int
    phases: int
    voltages: tuple[int, int, int]
    di: int
    frequency: int
    energy: int


def _phase_values(power: int, voltage: int) -> tuple[int, int, int, int]:
    """Return apparent power, reactive power, current in 0.01 A and power factor of a phase."""
    apparent = power * 1000 // _POWER_FACTOR
    reactive = isqrt(apparent * apparent - power * power)
    return apparent, reactive, apparent * 1000 // voltage, _POWER_FACTOR if power else 1000


class Image:
    """Sixteen-bit registers as bytes, high byte first."""

    def __init__(self, profile: Profile):
        self.profile = profile
        self._map = profile.map
        self._bytes = bytearray(2 * self._map.size)
        self.edition = 0  # another one after each change
        self._values: dict[str, int] = {}
        self._slow: dict[str, int] | None = None  # the values that the slow registers follow
        self._runs = _runs(self._map)
        self._places = _places(self._map)
        # the row of the past that was read last: of which values, its first register, its bytes
        self._past: tuple[dict[str, int], int, bytes] = ({}, 0, b"")
        for name, value in _DEFAULTS.items():
            if name in self._places:
                self.set(name, value)

    def get(self, name: str) -> int:
        """Return a register by name."""
        place = self._places[name]
        return place.struct.unpack_from(self._bytes, place.at)[0]

    def set(self, name: str, value: int | bytes | tuple[int, ...]) -> None:
        """Set a register by name."""
        place = self._places[name]
        values = value if isinstance(value, tuple) else (value,)
        place.struct.pack_into(self._bytes, place.at, *values)
        self.edition += 1

    def set_bytes(self, register: Register, data: bytes) -> None:
        """Set a register that is no number."""
        self._bytes[2 * register.address : 2 * register.end] = data
        self.edition += 1

    def words(self, start: int, count: int) -> bytes:
        """Return registers as they stand, whether the map names them or not."""
        return bytes(self._bytes[2 * start : 2 * (start + count)])

    def read(self, start: int, count: int) -> bytes | None:
        """Return registers, or None where the meter does not have all of them."""
        if not self._has(start, count):
            return self._read_past(start, count)
        fast = any(
            run.start <= 2 * start and 2 * (start + count) <= run.start + run.struct.size
            for run in self._runs
        )
        if not fast and self._slow is not self._values:
            self._slow = self._values
            for name, value in slow_values(self._values).items():
                if name in self._places:
                    self.set(name, value)
        return self.words(start, count)

    def _read_past(self, start: int, count: int) -> bytes | None:
        """Return registers of a row of the past."""
        for history in self.profile.history.values():
            row, offset = divmod(start - history.first, history.step)
            if 0 <= row < history.rows and offset + count <= history.map.size:
                values, first, data = self._past
                if values is not self._values or first != start - offset:
                    data = _packed(history.map, month_values(self._values, row))
                    self._past = self._values, start - offset, data
                return data[2 * offset : 2 * (offset + count)]
        return None

    def write(self, start: int, values: tuple[int, ...]) -> bool:
        """Write registers that may be written; change nothing and return False for others."""
        if not self._has(start, len(values)) or any(
            "W" not in self._map.at(address).access for address in range(start, start + len(values))
        ):
            return False
        for address, value in enumerate(values, start):
            self._bytes[2 * address : 2 * address + 2] = value.to_bytes(2, "big")
        self.edition += 1
        return True

    def _has(self, start: int, count: int) -> bool:
        return all(self._map.at(address) for address in range(start, start + count))

    def upload_block(self, own: RegisterMap, start: int, count: int) -> bytes:
        """Return a block of an upload whose map may be another than the meter's own."""
        if own is self._map:
            return self.words(start, count)
        values = slow_values(self._values) | self._values
        for register in own.registers:
            if register.name in self._map.by_name and register.name not in values:
                values[register.name] = self.get(register.name)
        return _packed(own, values).ljust(2 * (start + count), b"\0")[2 * start :]

    def measure(self, measured: Measured) -> None:
        """Show what the inputs show."""
        phases, energy = measured.phases, measured.energy
        pa, pb, pc = shares = [
            (measured.power + phases - 1 - phase) // phases if phase < phases else 0
            for phase in range(3)
        ]
        ua, ub, uc = measured.voltages
        per_phase = map(_phase_values, shares, measured.voltages)
        (sa, qa, ia, pfa), (sb, qb, ib, pfb), (sc, qc, ic, pfc) = per_phase
        s = sa + sb + sc
        self._values = values = {
            **{"ua": ua, "ub": ub, "uc": uc, "ia": ia, "ib": ib, "ic": ic},
            **{"pa": pa, "pb": pb, "pc": pc, "p": measured.power},
            **{"qa": qa, "qb": qb, "qc": qc, "q": qa + qb + qc},
            **{"sa": sa, "sb": sb, "sc": sc, "s": s},
            **{"pfa": pfa, "pfb": pfb, "pfc": pfc, "pf": measured.power * 1000 // s if s else 1000},
            # phases stand 120 degrees apart
            "uab": isqrt(ua * ua + ub * ub + ua * ub),
            "ubc": isqrt(ub * ub + uc * uc + ub * uc),
            "uca": isqrt(uc * uc + ua * ua + uc * ua),
            "i_vector_sum": max(ia, ib, ic) - min(ia, ib, ic),
            "di": measured.di,
            "frequency": measured.frequency,
            **{"e_total": energy, "e_forward": energy, "e_reverse": 0},
            **{"eq_forward": energy // 7, "eq_reverse": 0},
        }
        self.edition += 1
        for run in self._runs:
            run.struct.pack_into(
                self._bytes,
                run.start,
                *[
                    values[name] if not shift else _scaled(values[name], shift)
                    for name, shift in run.names
                ],
            )


def _packed(registers: RegisterMap, values: dict[str, int | bytes]) -> bytes:
    """Return a whole map's bytes; registers without a value hold zeros."""
    data = bytearray(2 * registers.size)
    for name, place in _places(registers).items():
        value = values.get(name, values.get(place.column))
        if value is not None:
            place.struct.pack_into(data, place.at, value)
    return bytes(data)
