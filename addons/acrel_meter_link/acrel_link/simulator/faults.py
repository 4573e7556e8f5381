"""What can go wrong with a simulated meter, switched on and off while it runs."""

from dataclasses import dataclass, field

FAULTS = {
    # name: (what its value means, default)
    "vanish": ("seconds without connection; 0 = until cleared", 0.0),
    "stuck": ("the contactor does not open", 1),
    "no_close": ("the contactor does not close", 1),
    "opens_itself": ("the contactor falls open now, until DO1 is opened", 1),
    "zero_register": ("so many replies and uploads with energies of zero", 1),
    "backwards": ("the energy registers stand lower by so many counts", 100),
    "no_reply": ("so many requests stay unanswered; 0 = until cleared", 0),
    "slow": ("seconds that a reply takes", 3.0),
    "wrong_crc": ("so many frames with a wrong CRC", 1),
    "garbage": ("so many bytes of noise before each frame", 16),
    "split": ("each byte in a segment of its own", 1),
    "duplicate": ("each upload is sent twice", 1),
}
_COUNTED = ("zero_register", "wrong_crc")


class FaultError(Exception):
    """A fault that does not exist, or a value that it does not take."""


@dataclass(slots=True)
class Faults:
    """The faults of one meter; None = not set. `on`: there is one."""

    on: bool = field(default=False, init=False)
    vanish: float | None = None
    stuck: float | None = None
    no_close: float | None = None
    opens_itself: float | None = None
    zero_register: float | None = None
    backwards: float | None = None
    no_reply: float | None = None
    slow: float | None = None
    wrong_crc: float | None = None
    garbage: float | None = None
    split: float | None = None
    duplicate: float | None = None

    def set(self, name: str, value: float | None = None) -> None:
        """Switch a fault on."""
        if name not in FAULTS:
            raise FaultError(f"There is no fault {name!r}; there are {', '.join(FAULTS)}.")
        value = FAULTS[name][1] if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise FaultError(f"Fault {name} takes a number that is not negative, not {value!r}.")
        if name in _COUNTED and value < 1:
            raise FaultError(f"Fault {name} takes a number of times, 1 or more.")
        self._become(name, value)

    def clear(self, name: str | None = None) -> None:
        """Switch a fault off, or all."""
        if name is not None and name not in FAULTS:
            raise FaultError(f"There is no fault {name!r}; there are {', '.join(FAULTS)}.")
        for each in FAULTS if name is None else (name,):
            self._become(each, None)

    def _become(self, name: str, value: float | None) -> None:
        setattr(self, name, value)
        self.on = bool(self.active())

    def active(self) -> dict[str, float]:
        """Return the faults that are on, with their values."""
        return {name: value for name in FAULTS if (value := getattr(self, name)) is not None}

    def take(self, name: str) -> bool:
        """Tell whether a counted fault strikes this time, and count it down."""
        left = getattr(self, name)
        if left is None:
            return False
        self._become(name, left - 1 if left > 1 else None)
        return True
