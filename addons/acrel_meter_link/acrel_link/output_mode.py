"""How an output is set up in its meter: a level or pulses, and who drives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import rtu
from .errors import RefusedError
from .profiles import OutputDrive

if TYPE_CHECKING:
    from .unit import Unit


class OutputMode(NamedTuple):
    """What the meter's own settings make of an output."""

    pulse: bool = False
    width: int = 0
    """Seconds that a pulse lasts."""
    driver: int = 0
    """0: this link."""


async def read_mode(unit: Unit, drive: OutputDrive) -> OutputMode:
    """Read an output's settings; those of a plain level where the model has none of them."""
    names = [name for name in (drive.mode, drive.width, drive.driver) if name is not None]
    if not names:
        return OutputMode()
    registers = [unit.profile.map.by_name[name] for name in names]
    start = min(register.address for register in registers)
    count = max(register.end for register in registers) - start
    try:
        data = await unit.line.requests.ask(rtu.read_request(unit.spec.slave, start, count))
    except RefusedError:
        return OutputMode()  # a firmware without these settings
    held = unit.profile.map.describe(start, data)
    return OutputMode(
        pulse=held.get(drive.mode) == 1,
        width=held.get(drive.width, 0),
        driver=held.get(drive.driver, 0),
    )
