"""What may be written into a meter, and because of which right: the allow-list.

A register that the map gives no right for is written by nobody. An order of a person writes
thresholds and the clock; a maintenance order configuration as well; outputs are switched by their
wanted state alone, never by an order.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .errors import WriteRefusedError
from .profiles import Profile
from .register_map import Register

ORDERED = {"write": ("threshold", "clock"), "configure": ("threshold", "clock", "configuration")}
"""Kind of order: the rights that it has."""

FRAMES = {0x82: "device parameters", 0x87: "restart", 0x88: "server address"}
"""Commands beside Modbus that a maintenance order may send."""

_MOST = 24  # registers written at once
_RANGES = {"u16": (0, 0xFFFF), "i16": (-0x8000, 0x7FFF), "bits": (0, 0xFFFF), "enum": (0, 0xFFFF)}
_RANGES |= {"u32": (0, 0xFFFFFFFF), "i32": (-0x80000000, 0x7FFFFFFF)}


class Write(NamedTuple):
    """One write: registers from an address on."""

    start: int
    words: tuple[int, ...]

    @property
    def data(self) -> bytes:
        """The bytes that the registers hold after it."""
        return b"".join(word.to_bytes(2, "big") for word in self.words)


def plan_writes(
    model: Profile, values: Mapping[str, int | str], rights: Sequence[str]
) -> list[Write]:
    """Return the writes that set registers by name, few where they lie side by side.

    :param values: raw counts; the bytes of a register that is no number in hexadecimal
    :raise WriteRefusedError: when one of them may not be written; then none is
    """
    if not values:
        raise WriteRefusedError("Nothing was written: no register is named.")
    chosen = sorted((_allowed(model, name, rights), value) for name, value in values.items())
    writes: list[Write] = []
    for register, value in chosen:
        words = _words(register, value)
        last = writes[-1] if writes else None
        if (
            last is not None
            and last.start + len(last.words) == register.address
            and len(last.words) + len(words) <= _MOST
        ):
            writes[-1] = Write(last.start, last.words + words)
        else:
            writes.append(Write(register.address, words))
    return writes


def _allowed(model: Profile, name: str, rights: Sequence[str]) -> Register:
    register = model.map.by_name.get(name)
    if register is None:
        raise WriteRefusedError(f"Nothing was written: {model.label} has no register {name}.")
    if register.write not in rights:
        why = {
            "": "it is on no list of registers that may be written",
            "output": "an output is switched by its wanted state alone",
            "configuration": "that needs a maintenance order",
        }.get(register.write, f"the order has no right to write a {register.write}")
        raise WriteRefusedError(
            f"Nothing was written: register {register.address:04X}H ({name}) is refused, {why}."
        )
    return register


def _words(register: Register, value: int | str) -> tuple[int, ...]:
    """Return a value as words; raise `WriteRefusedError` when it does not fit."""
    where = f"register {register.address:04X}H ({register.name})"
    if register.values == 1:
        low, high = register.range or _RANGES[register.type]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise WriteRefusedError(
                f"Nothing was written: {value!r} does not fit {where}, which takes {low} to {high}."
            )
        size = 2 * register.words
        data = value.to_bytes(size, "big", signed=value < 0)
    else:
        try:
            data = bytes.fromhex(value) if isinstance(value, str) else b""
        except ValueError:
            data = b""
        if len(data) != 2 * register.words:
            raise WriteRefusedError(
                f"Nothing was written: {where} takes {2 * register.words} bytes in hexadecimal."
            )
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))


def plan_frame(command: int, body: str) -> bytes:
    """Return the body of a maintenance command; raise `WriteRefusedError` when it cannot be."""
    try:
        data = bytes.fromhex(body)
    except ValueError as error:
        raise WriteRefusedError("Nothing was sent: the body is not hexadecimal.") from error
    if command not in FRAMES:
        raise WriteRefusedError(f"Nothing was sent: command {command:02X} is not on the list.")
    if command == 0x88 and (len(data) != 6 or data[0] in (0, 255) or data[4:] == b"\0\0"):
        raise WriteRefusedError(
            "Nothing was sent: a server address is 4 bytes of IP address and 2 of port."
        )
    if command == 0x87 and data:
        raise WriteRefusedError("Nothing was sent: a restart carries nothing.")
    if len(data) > 64:
        raise WriteRefusedError("Nothing was sent: parameters are 64 bytes at most.")
    return data
