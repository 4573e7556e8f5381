"""What the agent is known by: the device keys and their counters, or its certificate.

Device keys stand in two slots, as a rotation needs them. Everything here is on the disk before it
counts, so that neither a kill nor a power cut lets a counter repeat or a key get lost.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from acrel_link.sealed.device import Slot

from . import durable
from .errors import StateError

KEYS, COUNTER, COMMANDS = "keys.json", "boot_counter", "command_ids"
TLS_FILE, AUTHORITY_FILE = "tls.pem", "tls-authority.pem"
KEPT_COMMANDS = 64
_COMMAND = 16
_KEY = 32


class KeyStore:
    """The two key slots, the boot counter and the last command ids, in the state folder."""

    def __init__(self, state: Path, serial: str):
        """Open what was imported for this serial number; raise `StateError` when nothing was."""
        self._state, self.serial = state, serial
        stored = _read_keys(state)
        if stored is None:
            raise StateError(
                f"No device key was imported into {state}: run meter-agent import PACKAGE."
            )
        if stored["serial"] != serial:
            raise StateError(
                f"The device key in {state} is that of {stored['serial']}, but [site] names the "
                f"serial {serial}: correct the one that is wrong."
            )
        self.iccid: str = stored["iccid"]
        self._current = _slot(stored["current"])
        self._next = _slot(stored["next"])
        self._counter = _read_counter(state)
        self._commands = _read_commands(state)

    def slots(self) -> tuple[Slot, Slot | None]:
        """Return the current key and the next one."""
        return self._current, self._next

    def keep(self, current: Slot, following: Slot | None) -> None:
        """Store both slots in one step."""
        _write_keys(self._state, self.serial, self.iccid, current, following)
        self._current, self._next = current, following

    def count(self) -> int:
        """Return the boot counter, one higher than ever before and stored."""
        value = self._counter + 1
        durable.write(self._state / COUNTER, b"%d\n" % value)
        self._counter = value
        return value

    def command_ids(self) -> Sequence[bytes]:
        """Return the ids of the last commands, oldest first."""
        return tuple(self._commands)

    def remember(self, command_id: bytes) -> None:
        """Store the id of a command that is about to be carried out."""
        commands = [*self._commands, command_id][-KEPT_COMMANDS:]
        durable.write(self._state / COMMANDS, b"".join(commands))
        self._commands = commands


def imported_version(state: Path) -> tuple[str, int] | None:
    """Return serial number and newest key version of what was imported; None when nothing was."""
    stored = _read_keys(state)
    if stored is None:
        return None
    slots = [stored["current"], *([stored["next"]] if stored["next"] else [])]
    return stored["serial"], max(slot["version"] for slot in slots)


def import_key(state: Path, serial: str, iccid: str, version: int, key: bytes) -> None:
    """Make a key that was handed over the current one; there is no next one then.

    The boot counter stays: it may only grow, whatever is imported.
    """
    if len(key) != _KEY:
        raise StateError(f"A device key has {_KEY} bytes, this one {len(key)}.")
    _write_keys(state, serial, iccid, Slot(version, key), None)


def import_certificate(state: Path, key_and_certificate: bytes, authority: bytes) -> None:
    """Store a client certificate with its private key, and its authority's certificate."""
    durable.write(state / AUTHORITY_FILE, authority)
    durable.write(state / TLS_FILE, key_and_certificate)


def certificate_files(state: Path) -> tuple[Path, Path]:
    """Return the files of certificate and authority, both checked for who may read them."""
    files = state / TLS_FILE, state / AUTHORITY_FILE
    if any(durable.read(file) is None for file in files):
        raise StateError(
            f"No certificate was imported into {state}: run meter-agent import FILE.p12."
        )
    return files


def _read_keys(state: Path) -> dict | None:
    file = state / KEYS
    data = durable.read(file)
    if data is None:
        return None
    try:
        stored = json.loads(data)
        for name in ("current", "next"):
            _slot(stored[name])
        return {name: stored[name] for name in ("serial", "iccid", "current", "next")}
    except (ValueError, TypeError, KeyError):
        # the cause would show the content in a traceback
        raise StateError(f"{file} is damaged: import the package of this link again.") from None


def _write_keys(state: Path, serial: str, iccid: str, current: Slot, following: Slot | None):
    def row(slot: Slot | None) -> dict | None:
        return None if slot is None else {"version": slot.version, "key": slot.key.hex()}

    stored = {"serial": serial, "iccid": iccid, "current": row(current), "next": row(following)}
    durable.write(state / KEYS, json.dumps(stored).encode())


def _slot(row: dict | None) -> Slot | None:
    return None if row is None else Slot(int(row["version"]), bytes.fromhex(row["key"]))


def _read_counter(state: Path) -> int:
    data = durable.read(state / COUNTER)
    if data is None:
        return 0
    if not data.strip().isdigit():
        raise StateError(
            f"{state / COUNTER} is damaged. A lower counter would be refused: have the link's key "
            "handed over anew, and remove the file before the import."
        )
    return int(data)


def _read_commands(state: Path) -> list[bytes]:
    data = durable.read(state / COMMANDS) or b""
    return [data[at : at + _COMMAND] for at in range(0, len(data), _COMMAND)]
