"""The decoder against its rule, however the stream is cut, on any bytes, in linear work."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from acrel_link import frames
from acrel_link.frames import MAX_FRAME, Decoder, encode
from acrel_link.simulator.noise import HOSTILE

from . import vectors
from .streams import COMMANDS, bodies, by_the_rule, cut, decode, marks, streams

cuts = st.lists(st.integers(0, 1 << 16), max_size=30)


@given(streams)
@example(b"{{" + vectors.HEARTBEAT)
@example(encode(0x90, b"{{" * 40 + b"}}" * 40) * 3)
@settings(max_examples=250)
def test_frames_are_what_the_rule_says(stream):
    found, decoder = decode([stream])
    assert not decoder.strict
    assert found == by_the_rule(stream)


@given(streams, cuts)
@settings(max_examples=250)
def test_same_frames_however_the_stream_is_cut(stream, places):
    whole, decoder = decode([stream])
    for segments in (cut(stream, places), [bytes([byte]) for byte in stream]):
        found, other = decode(segments)
        assert found == whole
        assert counters(other) == counters(decoder)


@given(st.data())
@settings(max_examples=500)
def test_same_frames_however_a_stream_of_noise_is_cut(data):
    """With no patience, so that nearly every stream becomes strict somewhere."""
    stream, places = data.draw(streams), data.draw(cuts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "PATIENCE", data.draw(st.integers(0, 6)))
        whole, decoder = decode([stream])
        for segments in (cut(stream, places), [bytes([byte]) for byte in stream]):
            found, other = decode(segments)
            assert found == whole
            assert counters(other) == counters(decoder)


def counters(decoder: Decoder) -> dict:
    return {
        name: getattr(decoder, name)
        for name in ("received", "framed", "noise", "pending", "strict", "crc_errors", "oversized")
    }


@given(st.lists(st.binary(max_size=3000), max_size=20))
def test_any_bytes_are_borne(segments):
    _, decoder = decode(segments)
    assert decoder.received == sum(map(len, segments))
    assert decoder.received == decoder.framed + decoder.noise + decoder.pending
    assert decoder.pending <= MAX_FRAME


@given(st.sampled_from(COMMANDS), st.one_of(bodies, st.binary(max_size=MAX_FRAME - 7)))
def test_round_trip(command, body):
    assert decode([encode(command, body)])[0] == [(command, body)]


@given(st.lists(st.one_of(marks, st.binary(max_size=40)), max_size=20).map(b"".join))
def test_noise_before_a_frame_costs_no_frame(noise):
    for frame in (vectors.REGISTER, vectors.HEARTBEAT, vectors.TIME_REQUEST):
        found, decoder = decode([noise, frame])
        assert found[-1] == (frame[2], frame[3:-4])
        assert decoder.pending == 0


def test_frames_of_any_length_up_to_the_limit():
    longest = encode(0x91, bytes(MAX_FRAME - 7))
    assert len(longest) == MAX_FRAME
    assert decode([longest])[0] == [(0x91, bytes(MAX_FRAME - 7))]
    found, decoder = decode([encode(0x91, bytes(MAX_FRAME - 6)), vectors.HEARTBEAT])
    assert found == [(0x94, b"")]
    assert decoder.oversized == 1


def test_a_mark_cut_in_two_is_no_noise_yet():
    decoder = Decoder()
    assert decoder.feed(b"noise{") == []
    assert decoder.noise == 5
    assert decoder.feed(vectors.HEARTBEAT[1:]) == [(0x94, b"")]
    assert decoder.noise == 5


def test_a_wrong_crc_costs_one_frame_and_is_counted():
    wrong = vectors.REGISTER[:-4] + b"\0\0}}"
    found, decoder = decode([wrong + vectors.TIME_REQUEST + vectors.REGISTER])
    assert [frame.command for frame in found] == [0x93, 0x84]
    assert decoder.crc_errors == 1
    assert decoder.noise == len(wrong)


def test_a_lost_tail_costs_one_frame():
    found, _ = decode([vectors.REGISTER[:30], vectors.TIME_REQUEST])
    assert [frame.command for frame in found] == [0x93]


@pytest.mark.parametrize("starts", range(1, 16))
def test_a_long_frame_behind_any_length_of_open_starts(starts):
    """One running CRC serves for longer than a frame: its keys are moved on while starts live."""
    noise = (b"{{x" + b"a" * 300) * starts
    body = b"q" * 500 + b"}}" + b"q" * 480
    assert decode([noise, encode(0x91, body)])[0] == [(0x91, body)]


def test_a_frame_is_found_at_once_behind_a_start_that_is_none():
    decoder = Decoder()
    assert decoder.feed(b"\x00\xdb\x84{{{") == []
    assert [frame.command for frame in decoder.feed(vectors.REGISTER)] == [0x84]


def test_bytes_like_input():
    assert Decoder().feed(bytearray(vectors.HEARTBEAT)) == [(0x94, b"")]
    assert Decoder().feed(memoryview(vectors.HEARTBEAT)) == [(0x94, b"")]


class Work:
    """Counts what the decoder does: CRC calls and the stream's bytes that they and marks see."""

    def __init__(self, patch: pytest.MonkeyPatch):
        self.steps = self.crc_bytes = 0
        real = frames.crc16

        def counted(data, initial=0xFFFF):
            self.steps += 1
            self.crc_bytes += 0 if not any(data) else len(data)
            return real(data, initial)

        patch.setattr(frames, "crc16", counted)


@pytest.mark.parametrize("segment", [1, 700, 4096, 1 << 20])
@pytest.mark.parametrize("name", HOSTILE)
def test_work_is_linear_on_the_worst_streams(name, segment, monkeypatch):
    """Doubling a stream at most doubles the work, and a byte costs little, whatever the stream.

    Zero bytes move a key on and are no bytes of the stream; a step costs the same for any number.
    """
    size = 20_000
    works = []
    for times in (1, 2):
        stream = (HOSTILE[name] * (times * size // len(HOSTILE[name]) + 1))[: times * size]
        with pytest.MonkeyPatch.context() as patch:
            work = Work(patch)
            decoder = Decoder()
            for at in range(0, len(stream), segment):
                decoder.feed(stream[at : at + segment])
        works.append(work)
    first, second = works
    burst = 4 * 512
    assert second.steps <= 2 * first.steps + burst
    assert second.crc_bytes <= 2 * first.crc_bytes + 2 * MAX_FRAME + burst
    feeds = 2 * size / segment
    assert second.steps <= burst + feeds + 2 * size * 2 / 7
    assert second.crc_bytes <= 3 * 2 * size + burst


@pytest.mark.parametrize("name", HOSTILE)
def test_no_frame_is_lost_behind_the_worst_streams(name):
    for frame in sorted(vectors.FRAMES.values()):
        stream = HOSTILE[name] * (20_000 // len(HOSTILE[name]))
        found, decoder = decode([stream[at : at + 999] for at in range(0, len(stream), 999)])
        before = len(found)
        found += decoder.feed(frame)
        if decoder.strict and (len(frame) < 12 or frame == vectors.HEARTBEAT_NB):
            assert len(found) == before  # heartbeats, which say nothing, are not looked for
        else:
            body = frame[3:-2] if frame == vectors.HEARTBEAT_NB else frame[3:-4]
            assert found[before:] == [(frame[2], body)]


def test_noise_is_borne_for_a_while_and_then_strict_for_good():
    noise = b"{{}}"
    patience = Decoder()
    patience.feed(noise * (frames.PATIENCE // 4))
    assert not patience.strict
    assert patience.feed(encode(0x90, b"a}}b{{c")) == [(0x90, b"a}}b{{c")]
    patience.feed(noise * frames.PATIENCE)
    assert patience.strict
    assert patience.feed(encode(0x90, b"abcde")) == [(0x90, b"abcde")]
    assert patience.feed(encode(0x90, b"a}}b{{c")) == []


def test_a_healthy_stream_never_becomes_strict():
    """Registers may hold 7D7D and 7B7B by chance; a CRC ends in 7D once in 256 frames."""
    chance = random.Random(7)
    decoder = Decoder()
    sent = []
    for _ in range(20_000):
        body = chance.randbytes(120)
        sent.append((0x91, body))
        assert decoder.feed(encode(0x91, body)) == sent[-1:]
    assert not decoder.strict
