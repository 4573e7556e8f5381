"""The decoder: exact, without a second chance, and the same however the stream is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrel_link.crc import crc16
from acrel_link.sealed import wire
from acrel_link.sealed.errors import Fault, SealedError

from .vectors import VECTORS

V = VECTORS[0x01]
cuts = st.lists(st.integers(0, 1 << 16), max_size=20)


def decoder_of_data() -> wire.Decoder:
    decoder = wire.Decoder()
    decoder.expect(wire.DATA, 0x01, wire.MIN_DATA, wire.MAX_BODY)
    return decoder


def decode(segments) -> tuple[list[bytes], Fault | None, int]:
    """Return the frames, the fault that ended them, and how many bytes wait."""
    decoder, found = decoder_of_data(), []
    for segment in segments:
        decoder.push(segment)
        try:
            while (inner := decoder.pull()) is not None:
                found.append(inner)
        except SealedError as error:
            return found, error.fault, 0
    return found, None, decoder.pending


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(stream) + 1) for place in places} | {len(stream)})
    return [stream[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def data_frame(size: int, filler: bytes = b"}") -> bytes:
    return wire.enclose(wire.build_inner(wire.DATA, 0x01, filler * size))


frames = st.integers(wire.MIN_DATA, 200).map(data_frame)
near = st.builds(
    lambda frame, at, byte: (
        frame[: at % len(frame)] + bytes((byte,)) + frame[at % len(frame) + 1 :]
    ),
    frames,
    st.integers(0, 1 << 16),
    st.integers(0, 255),
)
streams = st.lists(
    st.one_of(frames, frames, near, st.binary(max_size=12), frames.map(lambda frame: frame[:-3])),
    max_size=8,
).map(b"".join)


@given(streams, cuts)
def test_same_frames_and_fault_however_the_stream_is_cut(stream, places):
    whole = decode([stream])
    assert decode(cut(stream, places)) == whole
    assert decode([bytes((byte,)) for byte in stream]) == whole


@given(st.lists(st.binary(max_size=3000), max_size=6))
def test_any_bytes_are_borne(segments):
    _, fault, pending = decode(segments)
    assert fault is not None or pending == sum(map(len, segments))
    assert pending < wire.MAX_BODY + 11


@given(st.integers(wire.MIN_DATA, wire.MAX_BODY), st.binary(max_size=5))
def test_a_frame_is_what_was_enclosed(size, begun):
    frame = data_frame(size)
    found, fault, pending = decode([frame + b"{{\xe4\x01\x01"[: len(begun)]])
    assert (fault, pending) == (None, len(begun))
    assert found == [frame[2:-2]]
    assert not crc16(found[0])


def test_marks_may_stand_inside():
    body = b"}}{{" * 20
    assert decode([wire.enclose(wire.build_inner(wire.DATA, 1, body)) * 3])[0][2][5:-2] == body


@pytest.mark.parametrize(
    ("at", "byte", "fault"),
    [
        (0, 0x7A, Fault.NOISE),
        (1, 0x7D, Fault.NOISE),
        (2, 0xE3, Fault.UNEXPECTED),
        (2, 0x84, Fault.UNEXPECTED),
        (3, 0x02, Fault.UNEXPECTED),
        (4, 0x02, Fault.UNEXPECTED),
        (5, 0x08, Fault.LENGTH),
        (30, 0x55, Fault.CRC),
        (-4, 0x55, Fault.CRC),
        (-2, 0x00, Fault.NOISE),
        (-1, 0x00, Fault.NOISE),
    ],
)
def test_one_wrong_byte_is_found_where_it_stands(at, byte, fault):
    good = data_frame(0x60, b"\x11")
    wrong = bytearray(good)
    wrong[at] = byte
    assert decode([good + wrong + good]) == ([good[2:-2]], fault, 0)
    if 0 <= at <= 4:  # known before the frame is there
        assert decode([good, bytes(wrong[: at + 1])])[1] == fault
        assert decode([good, bytes(wrong[:at])])[1] is None


@pytest.mark.parametrize("size", [0, wire.MIN_DATA - 1, wire.MAX_BODY + 1, 0xFFFF])
def test_a_length_that_is_not_allowed_closes_before_its_bytes_came(size):
    head = b"{{" + bytes((wire.DATA, wire.VERSION, 0x01)) + size.to_bytes(2, "big")
    assert decode([head])[1] is Fault.LENGTH
    assert decode([head[:-1]])[1] is None


def test_no_more_than_one_unfinished_frame_is_kept():
    decoder = decoder_of_data()
    frame = data_frame(2000)
    decoder.push(frame * 30 + frame[:100])
    while decoder.pull() is not None:
        pass
    assert decoder.pending == 100
    assert len(decoder._data) == 100


@pytest.mark.parametrize("vector", VECTORS.values(), ids=lambda v: f"{v.suite:02x}")
def test_bodies_round_trip(vector):
    challenge = wire.parse_challenge(vector.e2[2:-4])
    assert wire.enclose(wire.build_challenge(challenge)) == vector.e2
    assert challenge.server_time == vector.server_time_ms
    hello = wire.parse_hello(vector.e1[2:-4])
    assert (hello.serial, hello.boot_counter) == (vector.serial, vector.boot_counter)
    rebuilt = wire.build_hello(
        hello.sn, hello.key_version, hello.suites, 513, hello.nonce[8:], hello.share
    )
    assert wire.enclose(rebuilt) == vector.e1


@pytest.mark.parametrize(
    ("at", "content"),
    [
        (0, bytes(20)),  # no serial number
        (0, b"1234\0\0\0\x005678"),  # NUL inside
        (0, b"\xb5"),
        (20, b"\0"),  # no version at all
    ],
)
def test_a_hello_that_names_no_meter_is_malformed(at, content):
    inner = bytearray(V.e1[2:-4])
    inner[5 + at : 5 + at + len(content)] = content
    with pytest.raises(SealedError) as caught:
        wire.parse_hello(bytes(inner))
    assert caught.value.fault is Fault.MALFORMED


def test_a_challenge_of_two_suites_is_malformed():
    inner = bytearray(V.e2[2:-4])
    inner[2] = 0x02
    with pytest.raises(SealedError, match="two suites"):
        wire.parse_challenge(bytes(inner))
