"""Command 91: blocks of registers that the meter sends by itself.

    [serial 20]  [[ id (( payload )) ]]  [[ id (( payload )) ]]  ...

A payload is a Modbus reply to 03H with its CRC. It does not say which register it starts at: that
is a convention of the firmware. A block is therefore known by profile, id and length, and refused
when it is none of those; so is one whose CRC is wrong.
"""

from operator import itemgetter
from struct import Struct
from typing import NamedTuple

from .crc import crc16, seal
from .errors import BlockError, BodyError
from .profiles import (
    DEFAULT,
    OUTPUTS,
    RAW,
    READING,
    SEQUENCE,
    SIGNAL,
    BlockRule,
    Profile,
    profile,
)
from .register_map import Layout, Section, layout
from .serials import SERIAL_SIZE, build_serial, parse_serial

_OPEN, _DATA, _CLOSE = b"[[", b"((", b"))]]"
_ID_SIZE = 16


class RawBlock(NamedTuple):
    """One block as it came."""

    id: str
    payload: bytes

    @property
    def slave(self) -> int:
        """The Modbus address that answered."""
        return self.payload[0]

    def registers(self) -> bytes:
        """Return the register bytes; raise `BlockError` when this is no sound Modbus reply."""
        payload = self.payload
        if len(payload) < 7 or payload[1] != 3 or payload[2] != len(payload) - 5 or payload[2] % 2:
            raise BlockError(f"Block {self.id} is no reply to a Modbus read.")
        if crc16(payload):
            raise BlockError(f"The CRC of block {self.id} is wrong.")
        return payload[3:-2]


def split_blocks(body: bytes) -> tuple[str | None, list[RawBlock]]:
    """Return the serial number, where there is one, and the blocks behind it."""
    serial, at = None, 0
    if not body.startswith(_OPEN):
        serial = parse_serial(body[:SERIAL_SIZE])
        at = SERIAL_SIZE
    blocks = []
    while at < len(body):
        data = body.find(_DATA, at + 2, at + 4 + _ID_SIZE)
        if body[at : at + 2] != _OPEN or data < 0:
            raise BodyError(f"At byte {at} of the body a block was expected: it starts with [[.")
        start = data + 2
        # a Modbus reply says how long it is, so )) and ]] may stand in its data
        end = start + body[start + 2] + 5 if len(body) > start + 2 else -1
        if body[start + 1 : start + 2] != b"\x03" or body[end : end + 4] != _CLOSE:
            end = body.find(_CLOSE, start)
        if end < 0:
            raise BodyError(f"The block at byte {at} of the body has no end: it ends with ))]].")
        blocks.append(RawBlock(body[at + 2 : data].decode("ascii", "replace"), body[start:end]))
        at = end + 4
    return serial, blocks


class Upload(NamedTuple):
    """Command 91. `layout` turns `data` into columns; None when no block held a reading.

    `outputs` are the bytes of the profile's output block.
    """

    serial: str | None
    slave: int
    layout: Layout | None
    data: bytes
    signal_bytes: bytes | None
    sequence_bytes: bytes | None
    outputs: bytes | None
    refused: tuple[str, ...]

    @property
    def signal(self) -> int | None:
        """The strength of its signal in dBm."""
        return _number(self.signal_bytes, signed=True)

    @property
    def sequence(self) -> int | None:
        """Its number."""
        return _number(self.sequence_bytes, signed=False)


def parse_upload(body: bytes, model: Profile | None = None) -> Upload:
    """Return what command 91 says; blocks that cannot be trusted are in `refused`, as sentences."""
    model = model or profile(DEFAULT)
    shape = _shapes.get((model.name, len(body), body.startswith(_OPEN)))
    if shape is not None and (upload := shape.parse(body)) is not None:
        return upload
    return _parse_slowly(body, model)


def _parse_slowly(body: bytes, model: Profile) -> Upload:
    serial, blocks = split_blocks(body)
    rules = model.uploads
    accepted: list[tuple[BlockRule, bytes]] = []
    refused = []
    seen: set[str] = set()
    slave, raw = -1, False
    for block in blocks:
        try:
            if any(rule.kind == RAW and rule.id == block.id for rule in rules):
                raw = True
                continue
            registers = block.registers()
            rule = _rule(rules, block.id, len(registers) // 2)
            if block.id in seen:
                raise BlockError(f"Block {block.id} came twice in one upload.")
            if slave not in (-1, block.slave):
                raise BlockError(f"Block {block.id} is of another slave address than those before.")
        except BlockError as error:
            refused.append(str(error))
            continue
        slave = block.slave
        seen.add(block.id)
        accepted.append((rule, registers))
    if accepted and not refused and not raw:
        if len(_shapes) >= _MOST_SHAPES:
            _shapes.clear()
        _shapes[model.name, len(body), serial is None] = _Shape(serial, blocks, accepted)
    found = _sections(accepted)
    values = {rule.kind: registers for rule, registers in accepted}
    return Upload(
        serial,
        slave,
        layout(*found) if found else None,
        b"".join(registers for rule, registers in accepted if rule.kind == READING),
        values.get(SIGNAL),
        values.get(SEQUENCE),
        values.get(OUTPUTS),
        tuple(refused),
    )


class _Shape:
    """Where everything stands in the uploads of one firmware: they differ in their values only.

    An upload is looked at block by block once; the next one like it is cut by one struct, its
    unchanging parts are compared, its CRCs checked. What does not fit goes the slow way.
    """

    __slots__ = (
        "_fields",
        "_fixed",
        "_fixed_values",
        "_layout",
        "_payloads",
        "_readings",
        "_slave",
        "_struct",
    )

    def __init__(
        self,
        serial: str | None,
        blocks: list[RawBlock],
        accepted: list[tuple[BlockRule, bytes]],
    ):
        # fields: serial, then what stands before the registers of each block, and those, then the
        # end of the last; `payloads` are the same bytes cut into the blocks' Modbus replies
        size = 0 if serial is None else SERIAL_SIZE
        formats, payloads, fixed, before = [f"{size}s"], [f"{size}x"], [], b""
        for block in blocks:
            head = _OPEN + block.id.encode("ascii") + _DATA
            fixed.append(before + head + block.payload[:3])
            formats.append(f"{len(fixed[-1])}s{len(block.payload) - 5}s2x")
            payloads.append(f"{len(before) + len(head)}x{len(block.payload)}s")
            before = _CLOSE
        self._struct = Struct("".join((*formats, f"{len(_CLOSE)}s")))
        self._payloads = Struct("".join((*payloads, f"{len(_CLOSE)}x")))
        self._fixed = itemgetter(*range(1, 2 * len(blocks) + 2, 2))
        self._fixed_values = (*fixed, _CLOSE)
        kinds = [rule.kind for rule, _ in accepted]
        places = {kind: 2 * number + 2 for number, kind in enumerate(kinds)}
        self._fields = tuple(places.get(kind) for kind in (SIGNAL, SEQUENCE, OUTPUTS))
        self._readings = [2 * number + 2 for number, kind in enumerate(kinds) if kind == READING]
        found = _sections(accepted)
        self._layout = layout(*found) if found else None
        self._slave = blocks[0].slave

    def parse(self, body: bytes) -> Upload | None:
        """Return an upload of this shape, or None when it is of another."""
        fields = self._struct.unpack(body)
        if self._fixed(fields) != self._fixed_values:
            return None
        if any(map(crc16, self._payloads.unpack(body))):
            return None
        signal, sequence, outputs = self._fields
        return _new(
            Upload,
            (
                parse_serial(fields[0]) if fields[0] else None,
                self._slave,
                self._layout,
                b"".join([fields[place] for place in self._readings]),
                fields[signal] if signal else None,
                fields[sequence] if sequence else None,
                fields[outputs] if outputs else None,
                (),
            ),
        )


_new = tuple.__new__
_MOST_SHAPES = 256
_shapes: dict[tuple[str, int, bool], _Shape] = {}


def _rule(rules: tuple[BlockRule, ...], name: str, count: int) -> BlockRule:
    for rule in rules:
        if rule.id == name and rule.least <= count <= rule.most:
            return rule
    raise BlockError(f"Block {name} of {count} registers is none that this meter's profile knows.")


def _sections(accepted: list[tuple[BlockRule, bytes]]) -> list[Section]:
    """Return where the readings among the blocks stand in their maps."""
    return [
        Section(rule.map, rule.start, len(registers) // 2)
        for rule, registers in accepted
        if rule.kind == READING
    ]


def _number(registers: bytes | None, *, signed: bool) -> int | None:
    return None if registers is None else int.from_bytes(registers, "big", signed=signed)


def build_upload(serial: str | None, slave: int, blocks: list[bytes]) -> bytes:
    """Return the body of command 91 with blocks of register bytes, numbered from 1-1 on."""
    return build_blocks(
        serial,
        [
            (f"1-{number}", seal(bytes((slave, 3, len(registers))) + registers))
            for number, registers in enumerate(blocks, 1)
        ],
    )


def build_blocks(serial: str | None, blocks: list[tuple[str, bytes]]) -> bytes:
    """Return the body of command 91 of ids and payloads."""
    parts = [b"" if serial is None else build_serial(serial)]
    for name, payload in blocks:
        parts += (_OPEN, name.encode("ascii"), _DATA, payload, _CLOSE)
    return b"".join(parts)
