"""The published frames, byte for byte, in both directions."""

from datetime import datetime

import pytest

from acrel_link import commands, rtu
from acrel_link.crc import crc16, seal
from acrel_link.errors import RefusedError
from acrel_link.frames import Decoder, encode, encode_nb_heartbeat
from acrel_link.serials import build_serial

from . import vectors


def only(frame: bytes):
    (decoded,) = Decoder().feed(frame)
    return decoded


@pytest.mark.parametrize("name", vectors.FRAMES)
def test_published_frame_is_decoded_and_built_again(name):
    frame = vectors.FRAMES[name]
    command, body = only(frame)
    assert command == frame[2]
    if name == "HEARTBEAT_NB":
        assert encode_nb_heartbeat(body) == frame
    else:
        assert body == frame[3:-4]
        assert encode(command, body) == frame


def test_register():
    registration = commands.parse_register(only(vectors.REGISTER).body)
    assert registration == commands.Registration(
        vectors.SERIAL, "898604282219C0423610", 26, ("1.0", "1.0", "1.0"), 30
    )
    assert commands.build_register(registration) == vectors.REGISTER


@pytest.mark.parametrize(
    ("command", "frame"),
    [
        (commands.REGISTER, vectors.REGISTER_ACK),
        (commands.UPLOAD, vectors.UPLOAD_ACK),
        (commands.SETPOINTS, vectors.SETPOINTS_ACK),
        (commands.ALARM, vectors.ALARM_ACK),
    ],
    ids=["register", "upload", "setpoints", "alarm"],
)
def test_acknowledgement(command, frame):
    assert commands.ACKS[command] == frame


def test_heartbeat():
    assert commands.HEARTBEAT_FRAME == vectors.HEARTBEAT
    assert only(vectors.HEARTBEAT) == (commands.HEARTBEAT, b"")


def test_nb_heartbeat_has_no_crc():
    command, body = only(vectors.HEARTBEAT_NB)
    assert command == commands.HEARTBEAT_NB
    assert commands.parse_heartbeat_nb(body) == vectors.SERIAL


def test_time_request():
    assert commands.parse_time_request(only(vectors.TIME_REQUEST).body) == vectors.SERIAL
    assert commands.build_time_request(vectors.SERIAL) == vectors.TIME_REQUEST


def test_time_answer():
    moment = datetime(2023, 10, 10, 17, 7, 27)
    assert commands.build_time_answer(moment, commands.SUNDAY_FIRST) == vectors.TIME_ANSWER
    assert commands.parse_time_answer(only(vectors.TIME_ANSWER).body) == moment


@pytest.mark.parametrize(
    ("moment", "body"),
    [
        (datetime(2021, 10, 21, 19, 36, 42), "150a150413242a"),
        (datetime(2018, 4, 16, 13, 17, 26), "120410010d111a"),
    ],
    ids=["thursday_4", "monday_1"],
)
def test_time_answer_of_servers_that_count_from_monday(moment, body):
    assert only(commands.build_time_answer(moment)).body == bytes.fromhex(body)


def test_sunday_is_zero_by_default_and_settable():
    sunday = datetime(2026, 11, 22)
    assert only(commands.build_time_answer(sunday)).body[3] == 0
    assert only(commands.build_time_answer(sunday, commands.SUNDAY_SEVEN)).body[3] == 7
    assert only(commands.build_time_answer(sunday, commands.SUNDAY_FIRST)).body[3] == 1


@pytest.mark.parametrize("name", vectors.READS)
def test_read_request(name):
    block, request, frame = vectors.READS[name]
    assert rtu.read_request(1, *block) == bytes.fromhex(request)
    assert commands.build_transparent(rtu.read_request(1, *block)) == bytes.fromhex(frame)


@pytest.mark.parametrize("name", vectors.WRITES)
def test_write_request(name):
    (start, values), request, frame = vectors.WRITES[name]
    assert rtu.write_request(1, start, values) == bytes.fromhex(request)
    assert commands.build_transparent(rtu.write_request(1, start, values)) == bytes.fromhex(frame)


def test_vendor_samples():
    read = commands.parse_transparent(only(vectors.SAMPLE_READ).body).rtu
    assert read == rtu.read_request(1, 0x1033, 5)
    write = commands.parse_transparent(only(vectors.SAMPLE_WRITE).body).rtu
    assert write == rtu.write_request(1, 0x1033, (0x258, 0x50, 0x5A, 0x64, 0x78))


def test_write_acknowledgement():
    request = rtu.write_request(1, 0x01C2, (1,))
    plain = commands.parse_transparent(only(vectors.WRITE_ACK).body)
    assert plain == (None, vectors.WRITE_ACK_RTU)
    rtu.answered_write(request, plain.rtu)
    named = commands.parse_transparent(only(vectors.WRITE_ACK_WITH_SERIAL).body)
    assert named == (vectors.ACK_SERIAL, vectors.WRITE_ACK_RTU)


def test_write_acknowledged_by_the_serial_only():
    body = build_serial(vectors.SERIAL)
    assert commands.parse_transparent(body) == (vectors.SERIAL, b"")


def test_exception():
    reply = commands.parse_transparent(only(vectors.EXCEPTION).body).rtu
    assert reply == vectors.EXCEPTION_RTU
    with pytest.raises(RefusedError, match="it has no such register") as caught:
        rtu.answered_write(rtu.write_request(1, 0x01C2, (1,)), reply)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    "request_",
    [vectors.UPLOAD_PERIOD_RTU, vectors.BROADCAST_ON_RTU, vectors.BROADCAST_OFF_RTU],
    ids=["upload_period", "broadcast_on", "broadcast_off"],
)
def test_crc_of_other_published_requests(request_):
    assert seal(request_[:-2]) == request_


@pytest.mark.parametrize("size", vectors.TRANSPARENT_CRC)
def test_outer_crc_of_a_sealed_request_says_nothing(size):
    for filling in (0x00, 0x5A, 0xFF):
        frame = commands.build_transparent(seal(bytes([filling]) * (size - 2)))
        assert frame[-4:-2].hex().upper() == vectors.TRANSPARENT_CRC[size]


def test_crc_goes_on_from_an_earlier_result():
    data = vectors.REGISTER
    assert crc16(data[20:], crc16(data[:20])) == crc16(data)
    assert crc16(b"123456789") == 0x4B37  # the check value in every CRC catalogue
