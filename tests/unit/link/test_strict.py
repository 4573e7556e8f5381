"""The decoder of protected streams: frames one after the other, nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrel_link.channels.strict import NoFrameError, StrictDecoder
from acrel_link.frames import MAX_FRAME, Frame, encode, encode_nb_heartbeat

SERIAL = b"12345678901234".ljust(20, b"\0")
BODIES = st.binary(max_size=60) | st.lists(
    st.sampled_from([b"}}", b"{{", b"}", b"a"]), max_size=30
).map(b"".join)
FRAMES = st.builds(Frame, st.integers(0, 255), BODIES)


def decode(pieces) -> list[Frame]:
    decoder = StrictDecoder()
    return [frame for piece in pieces for frame in decoder.feed(piece)]


@given(st.lists(FRAMES, max_size=6), st.data())
def test_what_is_decoded_does_not_depend_on_the_cuts(frames, data):
    stream = b"".join(encode(*frame) for frame in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    outcomes = []
    for way in ([stream], pieces, [bytes((byte,)) for byte in stream]):
        try:
            outcomes.append(decode(way))
        except NoFrameError:
            outcomes.append("refused")
    assert outcomes[0] == outcomes[1] == outcomes[2]


@given(st.lists(FRAMES, max_size=6))
def test_frames_without_an_end_mark_inside_come_back(frames):
    kept = [frame for frame in frames if encode(*frame).find(b"}}", 2) == len(encode(*frame)) - 2]
    assert decode([encode(*frame) for frame in kept]) == kept


def test_an_end_mark_inside_a_body_does_not_end_the_frame():
    body = b"a}}b}}}c{{d"
    assert decode([encode(0x91, body), encode(0x94)]) == [Frame(0x91, body), Frame(0x94, b"")]


def test_the_heartbeat_without_a_crc_is_known():
    assert decode([encode_nb_heartbeat(SERIAL)]) == [Frame(0xAB, SERIAL)]


@pytest.mark.parametrize(
    "stream",
    [b"x", b"{x", b"}}", encode(0x94) + b"\0" + encode(0x94), b"{{" + bytes(MAX_FRAME)],
    ids=["byte", "half a mark", "end", "between", "endless"],
)
def test_anything_else_is_refused_however_it_is_cut(stream):
    for pieces in ([stream], [bytes((byte,)) for byte in stream]):
        with pytest.raises(NoFrameError):
            decode(pieces)


def test_frames_before_the_fault_are_told():
    with pytest.raises(NoFrameError) as caught:
        decode([encode(0x94) + encode(0x91, b"abc") + b"x"])
    assert caught.value.frames == [Frame(0x94, b""), Frame(0x91, b"abc")]


def test_an_unfinished_frame_is_pending():
    decoder = StrictDecoder()
    decoder.feed(encode(0x91, b"abc")[:-1])
    assert decoder.pending
    assert decoder.feed(b"}") == [Frame(0x91, b"abc")]
    assert not decoder.pending
