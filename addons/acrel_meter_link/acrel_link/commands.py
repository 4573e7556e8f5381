"""What the commands of the factory uplink carry: bodies in, frames out.

Bodies come from `frames.Decoder`. Every `parse_` function raises `ProtocolError` with a sentence
when a body is not what its command carries; none guesses.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from . import frames
from .crc import crc16
from .errors import BodyError
from .profiles import DEFAULT, Profile, profile
from .serials import SERIAL_SIZE, build_serial, parse_serial, parse_text
from .uploads import split_blocks

REGISTER = 0x84
SETPOINTS = 0x89
TRANSPARENT = 0x90
UPLOAD = 0x91
TIME = 0x93
HEARTBEAT = 0x94
ALARM = 0xA1
HEARTBEAT_NB = frames.HEARTBEAT_NB

# What the server answers; 93 and 90 have answers of their own, heartbeats none.
ACKS = {command: frames.encode(command) for command in (REGISTER, SETPOINTS, UPLOAD, ALARM)}
HEARTBEAT_FRAME = frames.encode(HEARTBEAT)

_REGISTER_SIZE = 58
_ICCID = slice(20, 50)


# === 84 register === #


class Registration(NamedTuple):
    """Command 84: who is calling."""

    serial: str
    iccid: str
    rssi: int
    firmware: tuple[str, str, str]
    upload_minutes: int


def parse_register(body: bytes) -> Registration:
    """Return what command 84 says."""
    if len(body) != _REGISTER_SIZE:
        raise BodyError(f"Command 84 carries {_REGISTER_SIZE} bytes, this one {len(body)}.")
    return Registration(
        parse_serial(body[:SERIAL_SIZE]),
        parse_text(body[_ICCID]),
        body[50],
        # BCD, so the hexadecimal digits are the number
        tuple(f"{body[i]:x}.{body[i + 1]:x}" for i in (51, 53, 55)),
        body[57],
    )


def register_body(registration: Registration) -> bytes:
    """Return the body of command 84."""
    versions = (part for version in registration.firmware for part in version.split("."))
    body = (
        build_serial(registration.serial)
        + registration.iccid.encode("ascii").ljust(30, b"\0")
        + bytes((registration.rssi, *(int(part, 16) for part in versions)))
        + bytes((registration.upload_minutes,))
    )
    if parse_register(body) != registration:
        raise BodyError(f"{registration} does not fit command 84.")
    return body


def build_register(registration: Registration) -> bytes:
    """Return command 84, as a meter sends it."""
    return frames.encode(REGISTER, register_body(registration))


# === 93 time === #

# Day numbers from Monday to Sunday. Vendor samples contradict one another; the ADW300 keeps no
# weekday, so it matters little. The first is the best attested one.
SUNDAY_ZERO = (1, 2, 3, 4, 5, 6, 0)
SUNDAY_SEVEN = (1, 2, 3, 4, 5, 6, 7)
SUNDAY_FIRST = (2, 3, 4, 5, 6, 7, 1)


def parse_time_request(body: bytes) -> str:
    """Return the serial number that asks for the time."""
    if len(body) != SERIAL_SIZE:
        raise BodyError(f"Command 93 carries {SERIAL_SIZE} bytes, this one {len(body)}.")
    return parse_serial(body)


def build_time_request(serial: str) -> bytes:
    """Return command 93, as a meter sends it."""
    return frames.encode(TIME, build_serial(serial))


def time_answer(local: datetime, weekdays: Sequence[int] = SUNDAY_ZERO) -> bytes:
    """Return the body of the answer to command 93: seven binary bytes of the meter's local time."""
    return bytes(
        (
            local.year % 100,
            local.month,
            local.day,
            weekdays[local.weekday()],
            local.hour,
            local.minute,
            local.second,
        )
    )


def build_time_answer(local: datetime, weekdays: Sequence[int] = SUNDAY_ZERO) -> bytes:
    """Return the answer to command 93."""
    return frames.encode(TIME, time_answer(local, weekdays))


def parse_time_answer(body: bytes) -> datetime:
    """Return the local time that the server told; its weekday is left aside."""
    if len(body) != 7:
        raise BodyError(f"The answer to command 93 carries 7 bytes, this one {len(body)}.")
    year, month, day, _weekday, hour, minute, second = body
    try:
        return datetime(2000 + year, month, day, hour, minute, second)
    except ValueError as error:
        raise BodyError(f"{body.hex(' ')} is no time: {error}.") from error


# === 90 transparent === #


class Transparent(NamedTuple):
    """Command 90: a Modbus RTU frame; empty where a firmware acknowledges with its serial only."""

    serial: str | None
    rtu: bytes


def parse_transparent(body: bytes) -> Transparent:
    """Return what command 90 carries, with or without the serial number before it."""
    if not crc16(body):
        return Transparent(None, body)
    if len(body) >= SERIAL_SIZE and (len(body) == SERIAL_SIZE or not crc16(body[SERIAL_SIZE:])):
        return Transparent(parse_serial(body[:SERIAL_SIZE]), body[SERIAL_SIZE:])
    raise BodyError(f"Command 90 carries no Modbus frame with a right CRC: {body[:8].hex(' ')} …")


@lru_cache(maxsize=4096)
def build_transparent(rtu: bytes, serial: str | None = None) -> bytes:
    """Return command 90 around an RTU frame; the server sends it without a serial number."""
    prefix = b"" if serial is None else build_serial(serial)
    return frames.encode(TRANSPARENT, prefix + rtu)


# === A1 alarm, AB heartbeat === #
# The set-points of 89 have no published layout: the server keeps the bytes and acknowledges.


class Alarm(NamedTuple):
    """Command A1: alarm registers by name, those of the status words among them."""

    serial: str | None
    slave: int
    registers: dict[str, int | tuple[int, ...] | bytes]


def parse_alarm(body: bytes, model: Profile | None = None) -> Alarm:
    """Return what command A1 says."""
    model = model or profile(DEFAULT)
    serial, blocks = split_blocks(body)
    if model.alarm_block is None:
        raise BodyError(f"{model.label} is not known to send command A1.")
    start, count = model.alarm_block
    if len(blocks) != 1 or len(data := blocks[0].registers()) != 2 * count:
        raise BodyError(
            f"Command A1 carries one block of {count} registers, this one {len(blocks)} blocks."
        )
    return Alarm(serial, blocks[0].slave, model.map.describe(start, data))


def parse_heartbeat_nb(body: bytes) -> str:
    """Return the serial number of an NB module's heartbeat."""
    return parse_serial(body)
