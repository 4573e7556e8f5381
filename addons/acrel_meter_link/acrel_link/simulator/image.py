"""The register image of a simulated meter, laid out by the register map."""

from dataclasses import dataclass
from math import isqrt
from struct import Struct

from ..registers import BY_NAME, REGISTERS, Register

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
}

# What changes while a load flows: one run of registers, packed at once.
_RUN = [
    register
    for register in REGISTERS
    if BY_NAME["ua"].address <= register.address < BY_NAME["eq_reverse"].end
]
_RUN_STRUCT = Struct(">" + "".join(register.format for register in _RUN))
_RUN_START = 2 * _RUN[0].address
_SIZE = max(register.end for register in REGISTERS)
_HELD = [None] * _SIZE
for _register in REGISTERS:
    for _address in range(_register.address, _register.end):
        _HELD[_address] = _register

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

    def __init__(self):
        self._bytes = bytearray(2 * _SIZE)
        self._last: Measured | None = None
        for name, value in _DEFAULTS.items():
            self.set(name, value)

    def get(self, name: str) -> int:
        """Return a register by name."""
        register = BY_NAME[name]
        return Struct(">" + register.format).unpack_from(self._bytes, 2 * register.address)[0]

    def set(self, name: str, value: int) -> None:
        """Set a register by name."""
        register = BY_NAME[name]
        Struct(">" + register.format).pack_into(self._bytes, 2 * register.address, value)

    def set_bytes(self, register: Register, data: bytes) -> None:
        """Set a register that is no number."""
        self._bytes[2 * register.address : 2 * register.end] = data

    def read(self, start: int, count: int) -> bytes | None:
        """Return registers, or None where the meter does not have all of them."""
        if not self._has(start, count):
            return None
        return bytes(self._bytes[2 * start : 2 * (start + count)])

    def write(self, start: int, values: tuple[int, ...]) -> bool:
        """Write registers that may be written; change nothing and return False for others."""
        if not self._has(start, len(values)) or any(
            "W" not in _HELD[address].access for address in range(start, start + len(values))
        ):
            return False
        for address, value in enumerate(values, start):
            self._bytes[2 * address : 2 * address + 2] = value.to_bytes(2, "big")
        return True

    @staticmethod
    def _has(start: int, count: int) -> bool:
        return start + count <= _SIZE and all(_HELD[start : start + count])

    def measure(self, measured: Measured) -> None:
        """Show what the inputs show."""
        if measured == self._last:
            return
        self._last = measured
        phases = measured.phases
        shares = [
            (measured.power + phases - 1 - phase) // phases if phase < phases else 0
            for phase in range(3)
        ]
        per_phase = [
            _phase_values(share, voltage)
            for share, voltage in zip(shares, measured.voltages, strict=True)
        ]
        apparent, reactive, currents, factors = zip(*per_phase, strict=True)
        total_apparent = sum(apparent)
        values = dict(
            zip(
                ("ua", "ub", "uc", "ia", "ib", "ic", "pa", "pb", "pc", "sa", "sb", "sc"),
                (*measured.voltages, *currents, *shares, *apparent),
                strict=True,
            )
        )
        values.update(zip(("qa", "qb", "qc"), reactive, strict=True))
        values.update(zip(("pfa", "pfb", "pfc"), factors, strict=True))
        ua, ub, uc = measured.voltages
        values.update(
            # phases stand 120 degrees apart
            uab=isqrt(ua * ua + ub * ub + ua * ub),
            ubc=isqrt(ub * ub + uc * uc + ub * uc),
            uca=isqrt(uc * uc + ua * ua + uc * ua),
            i_vector_sum=max(currents) - min(currents),
            p=measured.power,
            q=sum(reactive),
            s=total_apparent,
            pf=measured.power * 1000 // total_apparent if total_apparent else 1000,
            di=measured.di,
            frequency=measured.frequency,
            e_total=measured.energy,
            e_forward=measured.energy,
            e_reverse=0,
            eq_forward=measured.energy // 7,
            eq_reverse=0,
        )
        _RUN_STRUCT.pack_into(
            self._bytes, _RUN_START, *(values[register.name] for register in _RUN)
        )
