"""The virtual environment `.local/venv` with the pinned packages."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from . import apt, paths
from .errors import Refused
from .shell import run

OLDEST_PYTHON = (3, 11)


def ensure(requirements: Path, note: Callable[[str], None]) -> None:
    """Make the environment when it is missing; install the packages when their list changed."""
    if sys.version_info < OLDEST_PYTHON:
        raise Refused(
            f"Python {sys.version_info[0]}.{sys.version_info[1]} is too old; "
            "start this with Python 3.11 or newer."
        )
    with paths.only_one("venv"):
        stamp = paths.VENV / f".{requirements.stem}.stamp"
        wanted = _digest(requirements)
        if stamp.exists() and stamp.read_text() == wanted and paths.PYTHON.exists():
            return
        pip = _pip(note)
        note(f"      installing {requirements.name} (a minute or two the first time)")
        _install(pip, requirements)
        stamp.write_text(wanted)


def _digest(requirements: Path) -> str:
    """Digest the lists of packages and Python's version: what the environment depends on."""
    parts = [sys.version, *(file.read_text() for file in _lists(requirements))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _lists(requirements: Path) -> list[Path]:
    files = [requirements]
    for line in requirements.read_text().splitlines():
        if line.startswith("-r "):
            files += _lists(requirements.parent / line.removeprefix("-r ").strip())
    return files


def _pip(note: Callable[[str], None]) -> list[str]:
    """Make the environment and give the command that runs pip in it."""
    if not paths.PYTHON.exists():
        run(
            [sys.executable, "-m", "venv", "--without-pip", "--clear", paths.VENV],
            fails="The virtual environment .local/venv cannot be made:",
        )
    pip = [str(paths.PYTHON), "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode == 0:
        return pip
    bundled = subprocess.run(
        [paths.PYTHON, "-m", "ensurepip", "--default-pip"], capture_output=True, check=False
    )
    if bundled.returncode == 0:
        return pip
    # Debian ships Python without pip; a wheel can be run from inside its archive.
    root = paths.LOCAL / "pip"
    apt.unpack(apt.Apt(paths.cache(), apt.OWN, note).fetch(["python3-pip-whl"]), root)
    wheel = next((root / "usr/share/python-wheels").glob("pip-*.whl"))
    run(
        [paths.PYTHON, wheel / "pip", "install", "--quiet", "--no-index", wheel],
        fails="pip cannot be installed into .local/venv:",
    )
    return pip


def _install(pip: list[str], requirements: Path) -> None:
    log = paths.make(paths.LOGS) / "pip.log"
    environment = {"PIP_CACHE_DIR": str(paths.cache() / "pip"), **os.environ}
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    with open(log, "w") as out:
        done = subprocess.run(
            [*pip, "install", "--no-input", "--prefer-binary", "--no-compile", "-r", requirements],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        errors = [line for line in log.read_text().splitlines() if line.startswith("ERROR")]
        raise Refused(
            f"The Python packages of {requirements.name} cannot be installed: "
            f"{' '.join(errors[:2]) or 'pip failed'} (all of it in {log}). "
            "Check the network and pip's index settings, then start again."
        )
