"""Bodies of the commands: round trips, and sentences for what is none."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrel_link import commands
from acrel_link.crc import seal
from acrel_link.decoders import bits
from acrel_link.errors import ProtocolError
from acrel_link.frames import Decoder
from acrel_link.profiles import profile
from acrel_link.serials import build_serial, parse_serial
from acrel_link.uploads import build_upload, parse_upload

serials = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=20)
versions = st.builds("{:x}.{:x}".format, st.integers(0, 255), st.integers(0, 255))


def body_of(frame: bytes) -> bytes:
    (decoded,) = Decoder().feed(frame)
    return decoded.body


@given(
    st.builds(
        commands.Registration,
        serial=serials,
        iccid=st.text("0123456789ABCDEF", max_size=20),
        rssi=st.integers(0, 255),
        firmware=st.tuples(versions, versions, versions),
        upload_minutes=st.integers(0, 255),
    )
)
def test_register_round_trip(registration):
    assert commands.parse_register(body_of(commands.build_register(registration))) == registration


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)))
def test_time_round_trip(moment):
    moment = moment.replace(microsecond=0)
    assert commands.parse_time_answer(body_of(commands.build_time_answer(moment))) == moment


@given(st.binary(min_size=2, max_size=200).map(seal), st.one_of(st.none(), serials))
def test_transparent_round_trip(rtu, serial):
    body = body_of(commands.build_transparent(rtu, serial))
    assert commands.parse_transparent(body) == (serial, rtu)


@given(serials)
def test_serial_round_trip(serial):
    assert parse_serial(build_serial(serial)) == serial


@given(st.binary(max_size=200))
def test_any_body_is_understood_or_a_protocol_error(body):
    for parse in (
        commands.parse_register,
        commands.parse_time_request,
        commands.parse_time_answer,
        commands.parse_transparent,
        commands.parse_alarm,
        commands.parse_heartbeat_nb,
        parse_upload,
    ):
        try:
            parse(body)
        except ProtocolError as error:
            assert len(str(error)) > 10


@pytest.mark.parametrize(
    ("parse", "body", "message"),
    [
        (commands.parse_register, bytes(57), "carries 58 bytes, this one 57"),
        (commands.parse_register, bytes(58), "serial number is empty"),
        (commands.parse_register, b"1" * 20 + b"\xff" * 30 + bytes(8), "is no text"),
        (commands.parse_time_request, b"1" * 19, "carries 20 bytes"),
        (commands.parse_time_request, b"\x80" + b"1" * 19, "is no text"),
        (commands.parse_time_answer, bytes.fromhex("1a0d0100000000"), "is no time"),
        (commands.parse_time_answer, bytes(6), "carries 7 bytes"),
        (commands.parse_transparent, b"\1\2\3\4\5", "no Modbus frame"),
        (commands.parse_transparent, b"1" * 20 + b"\1\2\3\4\5", "no Modbus frame"),
        (commands.parse_heartbeat_nb, bytes(20), "serial number is empty"),
    ],
)
def test_a_body_that_is_none_says_why(parse, body, message):
    with pytest.raises(ProtocolError, match=message):
        parse(body)


@pytest.mark.parametrize("serial", ["", "1" * 21, "充电", "1\0", "a\nb"])
def test_a_serial_that_does_not_fit(serial):
    with pytest.raises(ProtocolError):
        build_serial(serial)


def test_alarm_as_captured():
    """Set-points and status of a published NB capture; the registers are written out by hand."""
    words = [0] * 42
    words[0] = 0x800F
    words[1:3] = 2650, 100
    words[3:5] = 1960, 100
    words[5:7] = 600, 100
    words[7:9] = 50, 100
    words[0x1EB - 0x1D0] = 0x0002
    block = b"".join(word.to_bytes(2, "big") for word in words)
    alarm = commands.parse_alarm(build_upload("12307210720085", 1, [block]))
    assert (alarm.serial, alarm.slave) == ("12307210720085", 1)
    word = profile("adw300").status[0]
    assert bits(word.events, alarm.registers[word.name]) == ("alarm_under_voltage",)
    assert bits(word.events, alarm.registers["alarm1_enable"]) == (
        "alarm_over_voltage",
        "alarm_under_voltage",
        "alarm_over_current",
        "alarm_under_current",
        "alarm_power_failure",
    )
    assert alarm.registers["alarm_over_u"] == 2650
    assert alarm.registers["alarm_under_i"] == 50
    assert alarm.registers["do1_mode"] == 0


def test_alarm_of_another_size_is_refused():
    with pytest.raises(ProtocolError, match="one block of 42 registers"):
        commands.parse_alarm(build_upload(None, 1, [bytes(82)]))
