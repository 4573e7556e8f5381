"""Command 91: which block is which, and what is refused."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrel_link.crc import seal
from acrel_link.errors import BodyError
from acrel_link.frames import Decoder, encode
from acrel_link.profiles import profile as model
from acrel_link.uploads import _parse_slowly, build_upload, parse_upload, split_blocks

SERIAL = "12306130940002"
SERIAL_20 = SERIAL.encode() + bytes(6)


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "big", signed=value < 0) for value in values)


def block(name: str, registers: bytes, slave: int = 1) -> bytes:
    reply = seal(bytes((slave, 3, len(registers))) + registers)
    return b"[[" + name.encode() + b"((" + reply + b"))]]"


# Ua..PF as 38 words from 0014 and the energies as 6 words from 003C, as the NB firmware sends.
INSTANT = words(
    *(2301, 2302, 2303, 3981, 3982, 3983, 1001, 1002, 1003, 7),
    *(0, 2300, 0, 2301, 0xFFFF, 0xFFFF, 0, 4600),
    *(0, 100, 0, 101, 0, 102, 0, 303),
    *(0, 2310, 0, 2311, 0, 2312, 1, 0),
    *(995, 996, -997, 998),
)
ENERGIES = words(0, 12345, 1, 2, 0, 3)
EXPECTED = {
    "ua": 2301, "ub": 2302, "uc": 2303, "uab": 3981, "ubc": 3982, "uca": 3983,
    "ia": 1001, "ib": 1002, "ic": 1003, "pa": 2300, "pb": 2301, "pc": -1, "p": 4600,
    "qa": 100, "qb": 101, "qc": 102, "q": 303, "sa": 2310, "sb": 2311, "sc": 2312, "s": 65536,
    "pfa": 995, "pfb": 996, "pfc": -997, "pf": 998,
    "e_total": 12345, "e_forward": 65538, "e_reverse": 3,
}  # fmt: skip


def columns(upload) -> dict:
    return dict(zip(upload.layout.columns, upload.layout.unpack(upload.data), strict=True))


def test_nb_upload():
    body = SERIAL_20 + block("1-1", INSTANT) + block("1-2", ENERGIES)
    frame = encode(0x91, body)
    assert len(frame) == 147  # as the published capture
    assert body == build_upload(SERIAL, 1, [INSTANT, ENERGIES])
    upload = parse_upload(Decoder().feed(frame)[0].body)
    assert (upload.serial, upload.slave, upload.refused) == (SERIAL, 1, ())
    assert columns(upload) == EXPECTED
    assert (upload.signal, upload.sequence, upload.outputs) == (None, None, None)


def test_nb_upload_with_signal_sequence_and_outputs():
    body = SERIAL_20 + b"".join(
        (
            block("1-1", INSTANT),
            block("1-2", ENERGIES),
            block("1-3", words(-67)),
            block("1-4", words(0xFFFE)),
            block("1-5", words(1, 0)),
        )
    )
    upload = parse_upload(body)
    assert (upload.signal, upload.sequence, upload.outputs) == (-67, 0xFFFE, words(1, 0))
    assert columns(upload) == EXPECTED


def test_4g_upload_starts_at_the_ratios_and_has_a_clock():
    first = words(3, 40, -5) + bytes.fromhex("1e3b0b160b1a") + INSTANT + words(0b0001, 5001)
    upload = parse_upload(block("1-1", first) + block("1-2", ENERGIES + bytes(54)))
    assert upload.serial is None
    values = columns(upload)
    assert {name: values[name] for name in EXPECTED} == EXPECTED
    assert (values["pt"], values["ct"], values["temperature_n"]) == (3, 40, -5)
    assert (values["di"], values["frequency"]) == (1, 5001)
    clock = upload.layout.clock(upload.data, date(2026, 11, 22))
    assert clock == datetime(2026, 11, 22, 11, 59, 30)


def test_marks_of_blocks_inside_register_data():
    data = bytearray(INSTANT)
    data[8:12] = b"))]]"
    data[20:24] = b"[[1-"
    upload = parse_upload(SERIAL_20 + block("1-1", bytes(data)) + block("1-2", ENERGIES))
    assert upload.refused == ()
    assert columns(upload)["ubc"] == 0x2929


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (block("1-2", ENERGIES)[:-6] + b"\0\0))]]", "CRC of block 1-2 is wrong"),
        (block("1-2", ENERGIES[:-4]), "Block 1-2 of 4 registers"),
        (block("2-1", ENERGIES), "Block 2-1 of 6 registers"),
        (block("1-2", ENERGIES, slave=2), "another slave address"),
        (block("1-1", INSTANT), "came twice"),
        (b"[[1-2((un answered))]]", "Block 1-2 is no reply"),
        (b"[[1-2((" + bytes(360) + b"))]]", "Block 1-2 is no reply"),
    ],
    ids=["crc", "length", "id", "slave", "twice", "text", "raw"],
)
def test_a_block_that_cannot_be_trusted_is_refused_alone(second, message):
    upload = parse_upload(SERIAL_20 + block("1-1", INSTANT) + second)
    assert len(upload.refused) == 1
    assert message in upload.refused[0]
    assert columns(upload)["ua"] == 2301
    assert "e_forward" not in columns(upload)


NB_UPLOAD = build_upload(SERIAL, 1, [INSTANT, ENERGIES, words(-67), words(9), words(1, 0)])


@given(
    st.lists(st.tuples(st.integers(0, len(NB_UPLOAD) - 1), st.integers(1, 255)), max_size=3),
    st.binary(min_size=88, max_size=88),
)
def test_an_upload_of_a_known_shape_is_read_as_if_it_were_the_first(changes, registers):
    parse_upload(NB_UPLOAD)
    sound = build_upload(
        "9" * 14, 1, [registers[:76], registers[76:], words(-9), words(10), words(0, 1)]
    )
    assert outcome(parse_upload, sound) == outcome(_parse_slowly, sound)
    assert parse_upload(sound).data == registers
    broken = bytearray(NB_UPLOAD)
    for place, change in changes:
        broken[place] ^= change
    assert outcome(parse_upload, bytes(broken)) == outcome(_parse_slowly, bytes(broken))


def outcome(parse, body: bytes):
    try:
        return parse(body, model("adw300"))
    except BodyError as error:
        return str(error)


def test_an_upload_without_a_reading():
    upload = parse_upload(SERIAL_20)
    assert (upload.layout, upload.data, upload.refused) == (None, b"", ())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "serial number has 20 bytes"),
        (b"\xff" * 30, "is no text"),
        (SERIAL_20 + b"x", "At byte 20 of the body a block was expected"),
        (SERIAL_20 + b"[[1-1((\x01\x03", "has no end"),
        (SERIAL_20 + b"[[" + b"1" * 30 + b"((", "a block was expected"),
    ],
)
def test_a_body_that_is_no_upload(body, message):
    with pytest.raises(BodyError, match=message):
        split_blocks(body)


def test_a_profile_knows_only_its_own_blocks():
    upload = parse_upload(SERIAL_20 + block("1-1", INSTANT), model("adw300_4g"))
    assert upload.layout is None
    assert "none that this meter's profile knows" in upload.refused[0]
