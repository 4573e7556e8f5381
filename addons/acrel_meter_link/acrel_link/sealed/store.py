"""What a meter's side keeps over a power cycle."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .rules import KEPT_COMMAND_IDS


@dataclass(frozen=True)
class Slot:
    """A device key and its version."""

    version: int
    key: bytes = field(repr=False)


class Store(Protocol):
    """Non-volatile memory; what a call changed is stored when it returns, or it raises."""

    serial: str

    def slots(self) -> tuple[Slot, Slot | None]:
        """Return the current key, and the next one where there is one."""

    def keep(self, current: Slot, following: Slot | None) -> None:
        """Store both slots in one step."""

    def count(self) -> int:
        """Add one to the boot counter, and return it once it is stored."""

    def command_ids(self) -> Sequence[bytes]:
        """Return at least the last 64 ids that were remembered, the oldest first."""

    def remember(self, command_id: bytes) -> None:
        """Store the id of a command that is about to be carried out."""


class MemoryStore:
    """A store for simulators, which lasts as long as the object."""

    def __init__(
        self, serial: str, current: Slot, following: Slot | None = None, boot_counter: int = 0
    ):
        self.serial = serial
        self.boot_counter = boot_counter
        self._slots = current, following
        self._command_ids: deque[bytes] = deque(maxlen=KEPT_COMMAND_IDS)

    def slots(self) -> tuple[Slot, Slot | None]:
        """Return the current key, and the next one where there is one."""
        return self._slots

    def keep(self, current: Slot, following: Slot | None) -> None:
        """Keep both slots."""
        self._slots = current, following

    def count(self) -> int:
        """Add one to the boot counter and return it."""
        self.boot_counter += 1
        return self.boot_counter

    def command_ids(self) -> Sequence[bytes]:
        """Return the last ids."""
        return tuple(self._command_ids)

    def remember(self, command_id: bytes) -> None:
        """Keep an id."""
        self._command_ids.append(command_id)
