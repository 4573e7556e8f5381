"""Runs a tool of the machine and keeps its words for the sentence when it fails."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import Refused


def need(tool: str, why: str) -> str:
    """Find a tool of the machine, or say what it is needed for."""
    path = shutil.which(tool)
    if not path:
        raise Refused(f"The program {tool!r} is missing on this machine; it is needed {why}.")
    return path


def run(
    command: Sequence[str | os.PathLike],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    fails: str,
    stdin: str | None = None,
) -> str:
    """Run a tool and return what it printed; `fails` begins the sentence when it fails."""
    done = subprocess.run(
        [os.fspath(word) for word in command],
        cwd=cwd,
        env=dict(env) if env is not None else None,
        input=stdin if stdin is not None else "",
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        words = " / ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-4:])
        raise Refused(f"{fails} {Path(command[0]).name} ended with {done.returncode}: {words}")
    return done.stdout
