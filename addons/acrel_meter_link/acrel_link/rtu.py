"""Modbus RTU as the ADW300 speaks it: read holding registers (03H), write multiple (10H).

Requests are built by pymodbus and remembered, since a network asks few different ones. Replies
are read here with slices: they come thousands of times a second.
"""

from functools import lru_cache
from typing import NamedTuple

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    WriteMultipleRegistersRequest,
)

from .crc import crc16
from .errors import RefusedError, RtuError

READ, WRITE, EXCEPTION = 0x03, 0x10, 0x80
MAX_SLAVE = 247
MAX_READ, MAX_WRITE = 125, 123  # registers, Modbus' own limits

EXCEPTION_NAMES = {
    1: "it does not know the function",
    2: "it has no such register",
    3: "it does not accept the value",
    4: "it failed",
    5: "it is still working on it",
    6: "it is busy",
}

_FRAMER = FramerRTU(DecodePDU(is_server=False))


class ReadReply(NamedTuple):
    """Reply to 03H: the registers as they came, two bytes each, high byte first."""

    slave: int
    data: bytes


class WriteReply(NamedTuple):
    """Reply to 10H: what was written."""

    slave: int
    start: int
    count: int


class ExceptionReply(NamedTuple):
    """The meter's refusal of a request."""

    slave: int
    function: int
    code: int


Reply = ReadReply | WriteReply | ExceptionReply


def _check_request(slave: int, start: int, count: int, most: int) -> None:
    if not 1 <= slave <= MAX_SLAVE:
        raise RtuError(f"Slave address {slave} cannot be asked: it must be 1 to {MAX_SLAVE}.")
    if not 1 <= count <= most:
        raise RtuError(f"{count} registers cannot be asked at once: it must be 1 to {most}.")
    if not 0 <= start <= 0x10000 - count:
        raise RtuError(f"Registers {start:04X}H and {count - 1} more are beyond the address range.")


@lru_cache(maxsize=4096)
def read_request(slave: int, start: int, count: int) -> bytes:
    """Return the RTU frame that reads `count` registers from `start` on."""
    _check_request(slave, start, count, MAX_READ)
    return _FRAMER.buildFrame(ReadHoldingRegistersRequest(address=start, count=count, dev_id=slave))


@lru_cache(maxsize=4096)
def write_request(slave: int, start: int, values: tuple[int, ...]) -> bytes:
    """Return the RTU frame that writes 16-bit values from register `start` on."""
    _check_request(slave, start, len(values), MAX_WRITE)
    for value in values:
        if not 0 <= value <= 0xFFFF:
            raise RtuError(f"Value {value} does not fit a register: it must be 0 to 65535.")
    return _FRAMER.buildFrame(
        WriteMultipleRegistersRequest(address=start, registers=list(values), dev_id=slave)
    )


def parse_reply(rtu: bytes) -> Reply:
    """Return what an RTU reply says; raise `RtuError` when it is none."""
    size = len(rtu)
    if size < 5:
        raise RtuError(f"A Modbus reply has at least 5 bytes, this one has {size}.")
    if crc16(rtu):
        raise RtuError(f"The CRC of the Modbus reply {rtu[:8].hex(' ')} … is wrong.")
    slave, function = rtu[0], rtu[1]
    if function == READ:
        length = rtu[2]
        if length % 2 or size != length + 5:
            raise RtuError(f"A Modbus reply announces {length} data bytes but is {size} long.")
        return ReadReply(slave, rtu[3:-2])
    if function == WRITE:
        if size != 8:
            raise RtuError(f"The answer to a Modbus write has 8 bytes, this one has {size}.")
        return WriteReply(slave, rtu[2] << 8 | rtu[3], rtu[4] << 8 | rtu[5])
    if function & EXCEPTION:
        if size != 5:
            raise RtuError(f"A Modbus exception has 5 bytes, this one has {size}.")
        return ExceptionReply(slave, function & 0x7F, rtu[2])
    raise RtuError(f"Modbus function {function:02X}H is none that a meter answers.")


def _check_reply(request: bytes, reply: Reply) -> None:
    slave, function = request[0], request[1]
    if reply.slave != slave:
        raise RtuError(f"Slave {slave} was asked, but slave {reply.slave} answered.")
    if isinstance(reply, ExceptionReply):
        if reply.function != function:
            raise RtuError(
                f"Function {function:02X}H was asked, but {reply.function:02X}H was refused."
            )
        raise refused(request, reply.code)


def refused(request: bytes, code: int) -> RefusedError:
    """Return what a Modbus exception says of a request."""
    reason = EXCEPTION_NAMES.get(code, "it gives no known reason")
    return RefusedError(
        f"The meter at slave address {request[0]} refused function {request[1]:02X}H on register"
        f" {request[2] << 8 | request[3]:04X}H: {reason} (exception {code}).",
        code,
    )


def answered_read(request: bytes, rtu: bytes) -> bytes:
    """Return the register bytes with which `rtu` answers a read request.

    Raise `RefusedError` when the meter refused it, `RtuError` when this is no answer to it.
    """
    # what comes thousands of times a second: the right slave, function and length
    if (
        rtu[:2] == request[:2]
        and request[1] == READ
        and len(rtu) == 2 * request[5] + 5
        and rtu[2] == 2 * request[5]
        and not crc16(rtu)
    ):
        return rtu[3:-2]
    reply = parse_reply(rtu)
    _check_reply(request, reply)
    count = request[4] << 8 | request[5]
    if not isinstance(reply, ReadReply) or request[1] != READ:
        raise RtuError("The Modbus reply does not answer the read that was asked.")
    raise RtuError(f"{count} registers were asked, {len(reply.data) // 2} came.")


def answered_write(request: bytes, rtu: bytes) -> None:
    """Return when `rtu` acknowledges a write request, raise as `answered_read` does."""
    reply = parse_reply(rtu)
    _check_reply(request, reply)
    if not isinstance(reply, WriteReply) or rtu[1:6] != request[1:6]:
        raise RtuError("The Modbus reply does not acknowledge the write that was sent.")


class ReadRequest(NamedTuple):
    """A read as a slave sees it."""

    slave: int
    start: int
    count: int


class WriteRequest(NamedTuple):
    """A write as a slave sees it."""

    slave: int
    start: int
    values: tuple[int, ...]


_REQUESTS = DecodePDU(is_server=True)


def parse_request(rtu: bytes) -> ReadRequest | WriteRequest:
    """Return what an RTU request asks, as a slave or an agent beside one reads it."""
    size = len(rtu)
    if size < 8 or crc16(rtu):
        raise RtuError(f"{rtu[:8].hex(' ')} … is no whole Modbus request.")
    slave, function, count = rtu[0], rtu[1], rtu[4] << 8 | rtu[5]
    if function == READ and size == 8 and 0 < count <= MAX_READ:
        pdu = _REQUESTS.decode(rtu[1:-2])
        return ReadRequest(slave, pdu.address, pdu.count)
    if function == WRITE and 0 < count <= MAX_WRITE and size == 9 + rtu[6] == 9 + 2 * count:
        pdu = _REQUESTS.decode(rtu[1:-2])
        return WriteRequest(slave, pdu.address, tuple(pdu.registers))
    raise RtuError(f"{rtu[:8].hex(' ')} … is no request that a meter knows.")
