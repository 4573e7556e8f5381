"""Command 91: blocks of registers that the meter sends by itself.

    [serial 20]  [[ id (( payload )) ]]  [[ id (( payload )) ]]  ...

A payload is a Modbus reply to 03H with its CRC. It does not say which register it starts at: that
is a convention of the firmware. A block is therefore known by profile, id and length, and refused
when it is none of those; so is one whose CRC is wrong.
"""

from typing import NamedTuple

from .crc import crc16, seal
from .errors import BlockError, BodyError
from .registers import BY_NAME, OUTPUT_BLOCK, Block, Layout, layout
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


# === Profiles === #


class BlockRule(NamedTuple):
    """A block that a firmware sends: its id, its first register, how many there may be."""

    id: str
    kind: str
    start: int
    least: int
    most: int


SIGNAL, SEQUENCE, OUTPUTS, READING = "signal", "sequence", "outputs", "reading"
_SIGNAL_AT = BY_NAME["signal"].address
_UA, _PT, _ENERGY = (BY_NAME[name].address for name in ("ua", "pt", "e_total"))

# NB firmware, from a capture: voltages to power factors, energies, then three short blocks.
NB = (
    BlockRule("1-1", READING, _UA, 38, 38),
    BlockRule("1-2", READING, _ENERGY, 6, 6),
    BlockRule("1-3", SIGNAL, _SIGNAL_AT, 1, 1),
    BlockRule("1-4", SEQUENCE, -1, 1, 1),
    BlockRule("1-5", OUTPUTS, OUTPUT_BLOCK[0], 2, 2),
)
# 4G firmware, from a server's source: ratios and clock to power factors or frequency, then
# energies with those of the phases.
FOUR_G = (
    BlockRule("1-1", READING, _PT, 44, 46),
    BlockRule("1-2", READING, _ENERGY, 32, 48),
)
PROFILES = {"adw300": (*NB, *FOUR_G), "adw300_nb": NB, "adw300_4g": FOUR_G}


class Upload(NamedTuple):
    """Command 91. `layout` turns `data` into columns; None when no block held a reading."""

    serial: str | None
    slave: int
    layout: Layout | None
    data: bytes
    signal: int | None
    sequence: int | None
    outputs: tuple[bool, bool] | None
    refused: tuple[str, ...]


def parse_upload(body: bytes, profile: str = "adw300") -> Upload:
    """Return what command 91 says; blocks that cannot be trusted are in `refused`, as sentences."""
    serial, blocks = split_blocks(body)
    rules = PROFILES[profile]
    found: list[Block] = []
    data, refused = [], []
    values: dict[str, bytes] = {}
    seen: set[str] = set()
    slave = -1
    for block in blocks:
        try:
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
        if rule.kind == READING:
            found.append((rule.start, len(registers) // 2))
            data.append(registers)
        else:
            values[rule.kind] = registers
    outputs = values.get(OUTPUTS)
    return Upload(
        serial,
        slave,
        layout(*found) if found else None,
        b"".join(data),
        _number(values.get(SIGNAL), signed=True),
        _number(values.get(SEQUENCE), signed=False),
        (bool(outputs[1] & 1), bool(outputs[3] & 1)) if outputs else None,
        tuple(refused),
    )


def _rule(rules: tuple[BlockRule, ...], name: str, count: int) -> BlockRule:
    for rule in rules:
        if rule.id == name and rule.least <= count <= rule.most:
            return rule
    raise BlockError(f"Block {name} of {count} registers is none that this meter's profile knows.")


def _number(registers: bytes | None, *, signed: bool) -> int | None:
    return None if registers is None else int.from_bytes(registers, "big", signed=signed)


def build_upload(serial: str | None, slave: int, blocks: list[bytes]) -> bytes:
    """Return the body of command 91 with blocks of register bytes, numbered from 1-1 on."""
    parts = [b"" if serial is None else build_serial(serial)]
    for number, registers in enumerate(blocks, 1):
        reply = seal(bytes((slave, 3, len(registers))) + registers)
        parts += (_OPEN, b"1-%d" % number, _DATA, reply, _CLOSE)
    return b"".join(parts)
