"""How each simulated meter proves itself on the channel that it speaks."""

from collections.abc import Callable, Mapping
from functools import partial

from ..sealed.device import Device
from ..sealed.store import Slot
from .credentials import Memory, load
from .lines import Line, PlainLine, SealedLine, TlsLine
from .memory import Kept
from .options import Options, OptionsError


class Proofs:
    """The credentials of a fleet; `stored` is called when a meter stored a new key."""

    def __init__(self, options: Options, kept: Mapping[str, Kept], stored: Callable[[], None]):
        self._options, self._kept, self._stored = options, kept, stored
        self._credentials = load(options.package, options.passphrase_file)
        self._memories: dict[str, Memory] = {}
        self._origins: dict[str, str] = {}

    def lines(self, serial: str) -> Callable[[], Line]:
        """Return what makes the way of frames of this meter's next connection."""
        if self._options.channel == "plain":
            return PlainLine
        if self._options.channel == "tls":
            context = self._known(self._credentials.contexts, serial, "certificate")
            return partial(TlsLine, context, self._options.connect[0])
        key = self._known(self._credentials.keys, serial, "device key")
        kept = self._kept.get(serial, Kept(0, 0))
        slots, origin = kept.slots, key.check_value.hex()
        if kept.origin != origin:
            slots = (Slot(key.key_version, key.key),)  # handed over anew
        self._origins[serial] = origin
        memory = Memory(serial, slots, kept.boot_counter, self._stored)
        self._memories[serial] = memory
        return partial(SealedLine, Device(memory, suites=self._options.suites))

    def _known(self, table: Mapping, serial: str, what: str):
        if serial not in table:
            raise OptionsError(
                f"No --package holds a {what} of the meter {serial}: issue one for it."
            )
        return table[serial]

    def kept(self, serial: str) -> tuple[int, tuple[Slot, ...], str]:
        """Return a meter's boot counter, key slots and their origin, for the state file."""
        memory = self._memories.get(serial)
        if memory is None:
            return 0, (), ""
        slots = tuple(slot for slot in memory.slots() if slot is not None)
        return memory.boot_counter, slots, self._origins[serial]
