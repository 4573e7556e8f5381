"""What a simulated meter keeps over a restart: its registers only grow, its uploads go on."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from .options import OptionsError


class Kept(NamedTuple):
    """Energy ever drawn in W·ns, and the number of the last upload."""

    energy: int
    sequence: int


def load(file: Path) -> dict[str, Kept]:
    """Return what was kept, by serial number; nothing when there is no file yet."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return {
            str(serial): Kept(int(energy), int(number)) for serial, (energy, number) in kept.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise OptionsError(
            f"--state {file} cannot be read ({error}): remove it to begin with new registers."
        ) from error


def save(file: Path, kept: dict[str, Kept]) -> None:
    """Write it in one step, so that a kill leaves the old file or the new one."""
    new = file.with_name(file.name + ".new")
    new.write_text(json.dumps(kept), encoding="utf-8")
    os.replace(new, file)
