"""Streams for the decoder: hypothesis strategies, ways to cut them, and the rule in plain words."""

from hypothesis import strategies as st

from acrel_link.crc import crc16
from acrel_link.frames import MAX_FRAME, Decoder, Frame, encode, encode_nb_heartbeat

from . import vectors

COMMANDS = (0x31, 0x82, 0x84, 0x89, 0x90, 0x91, 0x93, 0x94, 0xA1, 0xAB)

marks = st.sampled_from([b"{{", b"}}", b"{", b"}", b"}}}", b"{{{", b"{{}}", b"{{\xab"])
# bodies with the marks inside that make a frame's end doubtful
bodies = st.lists(st.one_of(marks, st.binary(max_size=12)), max_size=12).map(b"".join)
framed = st.builds(encode, st.sampled_from(COMMANDS), bodies)
published = st.sampled_from(sorted(vectors.FRAMES.values()))
heartbeats_nb = st.text("0123456789ABCDEFGHIJ", min_size=1, max_size=20).map(
    lambda text: encode_nb_heartbeat(text.encode().ljust(20, b"\0"))
)
broken = st.builds(
    lambda frame, at: frame[:at] + bytes([frame[at] ^ 0x41]) + frame[at + 1 :],
    published,
    st.integers(2, 6),
)
truncated = st.builds(lambda frame, size: frame[:size], published, st.integers(1, 40))
# long enough that starts are given up
fillers = st.integers(0, 1200).map(lambda size: b"\x5a" * size)

streams = st.lists(
    st.one_of(framed, published, heartbeats_nb, broken, truncated, marks, fillers, st.binary()),
    max_size=14,
).map(b"".join)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Return the stream in segments that end at these places (modulo its length)."""
    ends = sorted({place % (len(stream) + 1) for place in places} | {len(stream)})
    return [stream[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def decode(segments: list[bytes]) -> tuple[list[Frame], Decoder]:
    """Return the frames of a stream and the decoder that found them."""
    decoder = Decoder()
    return [frame for segment in segments for frame in decoder.feed(segment)], decoder


def by_the_rule(stream: bytes) -> list[Frame]:
    """Return what the rule of frames.py says, without any of its shortcuts."""
    frames, floor = [], 0
    for end in range(len(stream) - 1):
        if stream[end : end + 2] != b"}}":
            continue
        first = max(floor, end + 2 - MAX_FRAME)
        starts = [at for at in range(first, end - 4) if stream[at : at + 2] == b"{{"]
        for start in starts:
            inner = stream[start + 2 : end]
            if not crc16(inner):
                frames.append(Frame(inner[0], inner[1:-2]))
                floor = end + 2
                break
        else:
            inner = stream[end - 21 : end]
            if end - 23 in starts and inner[0] == 0xAB:
                name = inner[1:].rstrip(b"\0")
                if name and all(0x21 <= byte <= 0x7A for byte in name):
                    frames.append(Frame(inner[0], inner[1:]))
                    floor = end + 2
    return frames
