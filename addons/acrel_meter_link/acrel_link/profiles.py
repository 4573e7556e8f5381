"""What a model of meter is, told by a file in `meters/`: its registers, blocks, outputs, uploads.

A new model is a new file and no code; docs/protocol.md says what stands in one. A profile with a
`base` has everything of that one that its own file does not say. A file that cannot be right is
refused when it is loaded, with the sentence why.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from .errors import ProfileError, RegisterError
from .events import METER_KINDS
from .register_map import Block, Layout, RegisterMap, Section, layout, load_map

MOST_REGISTERS = 125  # Modbus' own limit of one read
MOST_RELAYS = 256  # bytes of output blocks whose meaning is kept: a few come all the time
BILLING_COLUMN = "e_forward"

# What a block of command 91 is. Raw: no Modbus reply; unread: a reply that nothing is taken from.
READING, SIGNAL, SEQUENCE, OUTPUTS = "reading", "signal", "sequence", "outputs"
UNREAD, RAW = "unread", "raw"
KINDS = (READING, SIGNAL, SEQUENCE, OUTPUTS, UNREAD, RAW)


class BlockRule(NamedTuple):
    """A block that a firmware sends: its id, its first register, how many there may be."""

    id: str
    kind: str
    map: RegisterMap
    start: int
    least: int
    most: int


@dataclass(frozen=True)
class OutputDrive:
    """How an output is driven and read back."""

    number: int
    register: int
    close: tuple[int, ...]
    open: tuple[int, ...]
    mask: tuple[int, ...]
    mode: str | None = None
    """Register that tells whether it gives pulses (1) instead of a level; None: a level."""
    width: str | None = None
    driver: str | None = None
    """Register that tells who drives it: 0 = this link."""

    def state(self, block: Block, data: bytes) -> bool | None:
        """Return whether it is closed, of a block that holds its registers; None: neither."""
        at = 2 * (self.register - block[0])
        words = [
            int.from_bytes(data[at + 2 * place : at + 2 * place + 2], "big") & mask
            for place, mask in enumerate(self.mask)
        ]
        for values, closed in ((self.close, True), (self.open, False)):
            if all(
                word == value & mask
                for word, value, mask in zip(words, values, self.mask, strict=True)
            ):
                return closed
        return None


class Inputs(NamedTuple):
    """The digital inputs: one register, one bit each."""

    register: int
    count: int


class StatusWord(NamedTuple):
    """A word of alarms: kinds of events, from bit 0 on."""

    name: str
    register: int
    events: tuple[str, ...]


class History(NamedTuple):
    """Rows of the past, one map, at regular distances, the newest first."""

    map: RegisterMap
    first: int
    step: int
    rows: int

    def blocks(self, row: int) -> list[Block]:
        """Return the reads that make one row."""
        start, most = self.first + row * self.step, 48
        return [(start + at, min(most, self.map.size - at)) for at in range(0, self.map.size, most)]


@dataclass(frozen=True, eq=False)
class Profile:
    """One model of meter with one firmware."""

    name: str
    label: str
    map: RegisterMap
    phases: int
    billing: tuple[Block, ...]
    billing_parts: tuple[Block, ...]
    outputs: Mapping[int, OutputDrive]
    inputs: Inputs | None
    uploads: tuple[BlockRule, ...]
    upload_serial: bool
    alarm_block: Block | None
    status: tuple[StatusWord, ...]
    thresholds: Mapping[str, str]
    """Kind of event: the register of its threshold."""
    snapshots: Mapping[str, tuple[Block, ...]]
    history: Mapping[str, History]
    _layouts: dict[tuple[Block, ...], Layout] = field(default_factory=dict, repr=False)
    _relays: dict[tuple[int, bytes], bool | None] = field(default_factory=dict, repr=False)

    def layout(self, *blocks: Block) -> Layout:
        """Return how blocks of this meter's registers become columns of a reading."""
        found = self._layouts.get(blocks)
        if found is None:
            found = layout(*(Section(self.map, *block) for block in blocks))
            self._layouts[blocks] = found
        return found

    def relay_state(self, number: int, data: bytes) -> bool | None:
        """Return an output's state, of the bytes of the output block, as `OutputDrive.state`."""
        key = number, data
        if key not in self._relays:
            if len(self._relays) >= MOST_RELAYS:
                self._relays.clear()
            self._relays[key] = self.outputs[number].state(self.output_block, data)
        return self._relays[key]

    @property
    def output_block(self) -> Block | None:
        """The registers that tell the states of all outputs; None without outputs."""
        if not self.outputs:
            return None
        drives = self.outputs.values()
        start = min(drive.register for drive in drives)
        return start, max(drive.register + len(drive.close) for drive in drives) - start

    @property
    def status_blocks(self) -> list[Block]:
        """The reads that tell all status words, as few as they stand side by side."""
        blocks: list[Block] = []
        for word in sorted(self.status, key=lambda word: word.register):
            if blocks and sum(blocks[-1]) == word.register:
                blocks[-1] = (blocks[-1][0], blocks[-1][1] + 1)
            else:
                blocks.append((word.register, 1))
        return blocks

    @property
    def input_block(self) -> Block | None:
        """The register of the digital inputs; None without inputs."""
        return (self.inputs.register, 1) if self.inputs else None


# === Loading === #


def _blocks(listed: Sequence[Sequence[int]]) -> tuple[Block, ...]:
    blocks = tuple((start, count) for start, count in listed)
    for start, count in blocks:
        if not 0 < count <= MOST_REGISTERS or not 0 <= start <= 0x10000 - count:
            raise ProfileError(f"{count} registers from {start:04X}H on cannot be read at once")
    return blocks


def _rule(told: Mapping[str, Any], registers: RegisterMap) -> BlockRule:
    if told["kind"] not in KINDS:
        raise ProfileError(f"block {told['id']} is of the unknown kind {told['kind']}")
    least, most = told["words"]
    own = load_map(told["map"]) if "map" in told else registers
    return BlockRule(told["id"], told["kind"], own, told.get("start", 0), least, most)


def _drive(told: Mapping[str, Any], registers: RegisterMap) -> OutputDrive:
    words = {name: tuple(told[name]) for name in ("close", "open", "mask")}
    if len({len(each) for each in words.values()}) != 1 or words["close"] == words["open"]:
        raise ProfileError(f"output {told['number']}: close, open and mask do not fit together")
    for address in range(told["register"], told["register"] + len(words["close"])):
        held = registers.at(address)
        if held is None or held.write != "output":
            raise ProfileError(f"output {told['number']}: {address:04X}H is no output register")
    names = {name: told.get(name) for name in ("mode", "width", "driver")}
    for name in filter(None, names.values()):
        if name not in registers.by_name:
            raise ProfileError(f"output {told['number']}: there is no register {name}")
    return OutputDrive(told["number"], told["register"], **words, **names)


def _status(told: Mapping[str, Any], registers: RegisterMap) -> StatusWord:
    unknown = set(told["events"]) - set(METER_KINDS)
    if unknown:
        raise ProfileError(f"{sorted(unknown)} are no kinds of events of events.py")
    register = registers.by_name[told["register"]]
    return StatusWord(register.name, register.address, tuple(told["events"]))


def _thresholds(told: Mapping[str, str], registers: RegisterMap) -> Mapping[str, str]:
    for kind, name in told.items():
        if kind not in METER_KINDS or registers.by_name[name].write != "threshold":
            raise ProfileError(f"{name} is no threshold of {kind}")
    return told


def _told(name: str) -> dict[str, Any]:
    """Return what a profile's file and those it is based on say."""
    with (files(__package__) / "meters" / f"{name}.toml").open("rb") as opened:
        told = tomllib.load(opened)
    base = told.pop("base", None)
    return told if base is None else _told(base) | told


def read_profile(name: str, told: Mapping[str, Any]) -> Profile:
    """Return a profile of what its file says; raise `ProfileError` when that cannot be right."""
    try:
        registers = load_map(told["map"])
        inputs = told.get("inputs")
        alarm = told.get("alarm_frame")
        profile = Profile(
            name=name,
            label=told["label"],
            map=registers,
            phases=told["phases"],
            billing=_blocks(told["billing"]),
            billing_parts=_blocks(told["billing_parts"]),
            outputs={each["number"]: _drive(each, registers) for each in told.get("outputs", ())},
            inputs=inputs
            and Inputs(registers.by_name[inputs["register"]].address, inputs["count"]),
            uploads=tuple(_rule(each, registers) for each in told.get("uploads", ())),
            upload_serial=told.get("upload_serial", False),
            alarm_block=alarm and _blocks([alarm["block"]])[0],
            status=tuple(_status(each, registers) for each in told.get("status", ())),
            thresholds=_thresholds(told.get("thresholds", {}), registers),
            snapshots={kind: _blocks(each) for kind, each in told.get("snapshots", {}).items()},
            history={
                kind: History(load_map(each["map"]), each["first"], each["step"], each["rows"])
                for kind, each in told.get("history", {}).items()
            },
        )
        for blocks in (profile.billing, profile.billing_parts):
            if BILLING_COLUMN not in profile.layout(*blocks).columns:
                raise ProfileError(f"the blocks {blocks} do not hold the billing register")
    except (ProfileError, RegisterError, KeyError, TypeError, ValueError, OSError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise ProfileError(f"The profile {name} cannot be used: {what}.") from error
    return profile


@cache
def profile(name: str) -> Profile:
    """Return a profile by name, one object each."""
    if name not in names():
        raise ProfileError(f"There is no profile {name!r}; there are {', '.join(names())}.")
    return read_profile(name, _told(name))


@cache
def names() -> tuple[str, ...]:
    """Return the names of all profiles, in the order of their labels."""
    found = (file.name for file in (files(__package__) / "meters").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


DEFAULT = "adw300"
"""The profile of a meter of which nothing else is told."""
