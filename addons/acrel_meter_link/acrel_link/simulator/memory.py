"""What a simulated meter keeps over a restart: its registers only grow, its uploads go on."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from ..sealed.store import Slot
from .options import OptionsError


class Kept(NamedTuple):
    """Energy ever drawn in W·ns, the number of the last upload, boot counter and key slots.

    `origin` is the check value of the key that was handed over, from which the slots descend.
    """

    energy: int
    sequence: int
    boot_counter: int = 0
    slots: tuple[Slot, ...] = ()
    origin: str = ""


def load(file: Path) -> dict[str, Kept]:
    """Return what was kept, by serial number; nothing when there is no file yet."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return {str(serial): _kept(*row) for serial, row in kept.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise OptionsError(
            f"--state {file} cannot be read ({error}): remove it to begin with new registers."
        ) from error


def save(file: Path, kept: dict[str, Kept]) -> None:
    """Write it in one step, so that a kill leaves the old file or the new one.

    It may hold device keys, so only its owner may read it.
    """
    rows = {
        serial: (
            *(row.energy, row.sequence, row.boot_counter),
            [(slot.version, slot.key.hex()) for slot in row.slots],
            row.origin,
        )
        for serial, row in kept.items()
    }
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(rows, stream)
    os.replace(new, file)


def _kept(energy, number, boot_counter=0, slots=(), origin="") -> Kept:
    """Return a row of the file; one of a meter without keys may lack the last values."""
    return Kept(
        int(energy),
        int(number),
        int(boot_counter),
        tuple(Slot(int(version), bytes.fromhex(key)) for version, key in slots),
        str(origin),
    )
