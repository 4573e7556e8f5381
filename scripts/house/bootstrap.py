"""The first steps of every command, under whatever Python the machine has."""

import os
import signal
import sys
from collections.abc import Sequence

from . import paths, venv
from .progress import Steps

STEPS_DONE = "ACREL_STEPS_DONE"


def enter(module: str, requirements: str, arguments: Sequence[str], total: int) -> None:
    """Install the Python packages, then go on as `module` inside the virtual environment."""
    # pip and apt must not go on when we are told to end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    steps = Steps(total)
    steps.step("Python packages")
    venv.ensure(paths.ROOT / requirements, steps.note)
    environment = {
        **os.environ,
        "PYTHONPATH": str(paths.ROOT / "scripts"),
        STEPS_DONE: f"{steps.number} {steps.began}",
    }
    sys.stdout.flush()
    os.execve(paths.PYTHON, [str(paths.PYTHON), "-m", module, *arguments], environment)


def steps(total: int) -> Steps:
    """Go on counting the steps where the bootstrap left off."""
    continued = Steps(total)
    number, began = os.environ.pop(STEPS_DONE, f"0 {continued.began}").split()
    continued.number, continued.began = int(number), float(began)
    return continued
