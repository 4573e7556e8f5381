"""Modbus requests and replies against pymodbus, the reference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
)

from acrel_link import rtu
from acrel_link.crc import crc16, seal
from acrel_link.errors import RefusedError, RtuError

server = FramerRTU(DecodePDU(is_server=True))
client = FramerRTU(DecodePDU(is_server=False))

slaves = st.integers(1, 247)
starts = st.integers(0, 0xFF00)
words = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=123)


@given(st.binary(max_size=300))
def test_crc_equals_pymodbus(data):
    assert crc16(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big")


@given(slaves, starts, st.integers(1, 125))
def test_read_request_is_what_pymodbus_reads(slave, start, count):
    frame = rtu.read_request(slave, start, count)
    used, device, _, pdu = server.decode(frame)
    assert (used, device) == (8, slave)
    request = server.decoder.decode(pdu)
    assert isinstance(request, ReadHoldingRegistersRequest)
    assert (request.address, request.count) == (start, count)
    assert rtu.parse_request(frame) == (slave, start, count)


@given(slaves, starts, words)
def test_write_request_is_what_pymodbus_reads(slave, start, values):
    frame = rtu.write_request(slave, start, tuple(values))
    _, device, _, pdu = server.decode(frame)
    request = server.decoder.decode(pdu)
    assert isinstance(request, WriteMultipleRegistersRequest)
    assert (device, request.address, request.registers) == (slave, start, values)
    assert rtu.parse_request(frame) == (slave, start, tuple(values))


@given(slaves, words)
def test_read_reply_of_pymodbus_is_read(slave, values):
    reply = client.buildFrame(ReadHoldingRegistersResponse(registers=values, dev_id=slave))
    data = b"".join(value.to_bytes(2, "big") for value in values)
    assert rtu.parse_reply(reply) == rtu.ReadReply(slave, data)
    assert rtu.answered_read(rtu.read_request(slave, 14, len(values)), reply) == data


@given(slaves, starts, words)
def test_write_reply_of_pymodbus_is_read(slave, start, values):
    response = WriteMultipleRegistersResponse(address=start, count=len(values), dev_id=slave)
    reply = client.buildFrame(response)
    assert rtu.parse_reply(reply) == rtu.WriteReply(slave, start, len(values))
    rtu.answered_write(rtu.write_request(slave, start, tuple(values)), reply)


@given(slaves, st.integers(1, 11))
def test_exception_of_pymodbus_is_read(slave, code):
    reply = client.buildFrame(ExceptionResponse(3, code, device_id=slave))
    assert rtu.parse_reply(reply) == rtu.ExceptionReply(slave, 3, code)
    with pytest.raises(RefusedError) as caught:
        rtu.answered_read(rtu.read_request(slave, 14, 2), reply)
    assert caught.value.code == code


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(seal)))
def test_any_bytes_are_a_reply_or_an_rtu_error(data):
    request = rtu.read_request(1, 14, 2)
    for read in (rtu.parse_reply, rtu.parse_request, lambda each: rtu.answered_read(request, each)):
        try:
            read(data)
        except RtuError as error:
            assert str(error).endswith((".", "…", ")."))


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (seal(bytes.fromhex("020304") + bytes(4)), "slave 2 answered"),
        (seal(bytes.fromhex("010302") + bytes(2)), "2 registers were asked, 1 came"),
        (seal(bytes.fromhex("011001C20001")), "does not answer the read"),
        (seal(bytes.fromhex("019002")), "03H was asked, but 10H was refused"),
        (seal(bytes.fromhex("010303") + bytes(3)), "announces 3 data bytes"),
        (seal(bytes.fromhex("010304") + bytes(4))[:-1] + b"\0", "CRC"),
        (b"\x01\x03", "at least 5 bytes"),
        (seal(bytes.fromhex("010500000000")), "05H is none"),
    ],
)
def test_what_does_not_answer_a_read_is_refused(reply, message):
    with pytest.raises(RtuError, match=message):
        rtu.answered_read(rtu.read_request(1, 14, 2), reply)


@pytest.mark.parametrize(
    "reply",
    ["011001C30001", "011001C20002", "010302" + "0001"],
    ids=["other_register", "other_count", "a_read"],
)
def test_what_does_not_acknowledge_a_write_is_refused(reply):
    with pytest.raises(RtuError, match="does not acknowledge"):
        rtu.answered_write(rtu.write_request(1, 0x01C2, (1,)), seal(bytes.fromhex(reply)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: rtu.read_request(0, 14, 2), "Slave address 0"),
        (lambda: rtu.read_request(248, 14, 2), "Slave address 248"),
        (lambda: rtu.read_request(1, 14, 126), "126 registers"),
        (lambda: rtu.read_request(1, 14, 0), "0 registers"),
        (lambda: rtu.read_request(1, 0xFFFF, 2), "beyond the address range"),
        (lambda: rtu.write_request(1, 14, (0x10000,)), "Value 65536"),
        (lambda: rtu.write_request(1, 14, ()), "0 registers"),
    ],
)
def test_what_may_not_be_asked(build, message):
    with pytest.raises(RtuError, match=message):
        build()


@pytest.mark.parametrize(
    "request_",
    ["0103000E0000", "0103000E007E", "010300", "011001C20001030001", "011001C2000202000100"],
    ids=["none", "too_many", "short", "odd_count", "count_and_length_differ"],
)
def test_what_is_no_request(request_):
    with pytest.raises(RtuError, match="is no"):
        rtu.parse_request(seal(bytes.fromhex(request_)))
