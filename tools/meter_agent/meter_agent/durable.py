"""Files that survive a power cut: written beside, synced, put in place in one step."""

import fcntl
import os
import stat
from pathlib import Path
from typing import IO

from .errors import LockedError, StateError


def folder(path: Path) -> Path:
    """Make the state folder, or refuse one that others may look into."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode
    except OSError as error:
        raise StateError(f"The state folder {path} cannot be used: {error.strerror}.") from error
    if not stat.S_ISDIR(mode) or mode & 0o077:
        raise StateError(
            f"The state folder {path} holds keys and must be its owner's alone: chmod 700 {path}."
        )
    return path


def lock(path: Path) -> IO[bytes]:
    """Return the lock of a state folder; two agents with one identity would shut each other out."""
    file = open(path / "lock", "ab", opener=_private)  # noqa: SIM115 - held until the process ends
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise LockedError(
            f"Another meter-agent uses the state folder {path}: stop it first."
        ) from error
    return file


def write(path: Path, data: bytes) -> None:
    """Replace a file's content in one step that is on the disk when this returns."""
    new = path.with_name(path.name + ".new")
    try:
        with open(new, "wb", opener=_private) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        sync(path.parent)
    except OSError as error:
        raise StateError(f"{path} cannot be written: {error.strerror}.") from error


def read(path: Path) -> bytes | None:
    """Return a file's content, None when there is no such file."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise StateError(
                    f"{path} can be read by others than its owner: chmod 600 {path}, and if "
                    "somebody may have read it, have its keys revoked."
                )
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}.") from error


def sync(path: Path) -> None:
    """Bring a folder's entries to the disk."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
