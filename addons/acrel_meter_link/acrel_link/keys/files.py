"""Files of the command line that hold secrets: never open to others, never overwritten."""

import getpass
import os
import sys
from pathlib import Path

from .errors import KeysError
from .package import MOST_BYTES


def write_secret(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600.

    :raise KeysError: when it exists already or cannot be written
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise KeysError(f"{path} exists already and is not overwritten: name another.") from error
    except OSError as error:
        raise KeysError(f"{path} cannot be written: {error.strerror}.") from error


def check_new(path: Path) -> None:
    """Refuse a file that `write_secret` would refuse, before anything is done for it."""
    if path.exists():
        raise KeysError(f"{path} exists already and is not overwritten: name another.")
    if not os.access(path.absolute().parent, os.W_OK):
        raise KeysError(f"{path} cannot be written: its folder is missing or not yours.")


def read(path: Path) -> bytes:
    """Read a file that somebody names."""
    try:
        with open(path, "rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise KeysError(f"{path} cannot be read: {error.strerror}.") from error


def passphrase(path: Path | None, twice: bool = False) -> str:
    """Take a passphrase from the first line of a file, or from the keyboard."""
    if path is not None:
        try:
            lines = read(path).decode().splitlines()
        except UnicodeDecodeError:
            raise KeysError(f"{path} holds no passphrase: its first line must be text.") from None
        return lines[0] if lines else ""
    if not sys.stdin.isatty():
        raise KeysError("There is no keyboard to ask at: name a file with --passphrase-file.")
    first = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Again: ") != first:
        raise KeysError("The two passphrases differ: nothing was done.")
    return first
