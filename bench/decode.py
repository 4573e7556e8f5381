"""CPU per byte of the frame decoder: ordinary uploads against the worst streams that are known.

Each worst stream is measured in turns with the ordinary one, and the best of many short rounds
counts, so that other work on the machine weighs on both alike.
"""

import time
from collections.abc import Iterator, Sequence

from acrel_link import commands
from acrel_link.crc import seal
from acrel_link.frames import Decoder, encode
from acrel_link.simulator.noise import HOSTILE
from acrel_link.uploads import build_upload
from house.errors import Refused
from house.stage import Stage

LIMIT = 3.0  # a worst byte may cost so many times an ordinary one
SIZE = 1 << 18
SEGMENT = 4096


def run(stage: Stage, seconds: float) -> Iterator[tuple[str, float, str]]:
    """Measure the decoder alone; the stage is not needed."""
    ordinary = _ordinary()
    streams = {"ordinary": ordinary}
    for name, unit in HOSTILE.items():
        stream = unit * (SIZE // len(unit) + 1)
        streams[name] = [stream[at : at + SEGMENT] for at in range(0, SIZE, SEGMENT)]
    shortest = encode(commands.HEARTBEAT) * (SIZE // 7)
    streams["shortest_frames"] = [shortest[at : at + SEGMENT] for at in range(0, SIZE, SEGMENT)]
    best = dict.fromkeys(streams, float("inf"))
    ends_at = time.monotonic() + seconds
    while True:
        for name, segments in streams.items():
            best[name] = min(best[name], _nanoseconds_per_byte(segments))
        if time.monotonic() > ends_at:
            break
    base = best.pop("ordinary")
    frames = best.pop("shortest_frames")
    yield "ordinary_ns_per_byte", round(base, 2), "ns/B"
    yield "ordinary_us_per_frame", round(base * len(ordinary[0]) / 1000, 2), "us"
    for name, value in best.items():
        yield f"ratio_{name}", round(value / base, 2), "x"
    # a frame costs about the same however short it is: bounded by the server, not by the decoder
    yield "shortest_frames_us_per_frame", round(frames * 7 / 1000, 2), "us"
    worst = max(best.values()) / base
    yield "worst_ratio", round(worst, 2), "x"
    if worst > LIMIT:
        raise Refused(f"The worst stream costs {worst:.1f} times an ordinary one a byte.")


def _ordinary() -> list[bytes]:
    """Return uploads as NB meters send them and replies to polls, each in a segment of its own."""
    data = bytes(range(1, 113))
    upload = encode(commands.UPLOAD, build_upload("98000000000001", 1, [data[:76], data[:12]]))
    reply = commands.build_transparent(seal(b"\x01\x03\x70" + data), "98000000000001")
    return [upload, reply] * (SIZE // (len(upload) + len(reply)))


def _nanoseconds_per_byte(segments: Sequence[bytes]) -> float:
    feed = Decoder().feed
    begin = time.thread_time_ns()
    for segment in segments:
        feed(segment)
    return (time.thread_time_ns() - begin) / sum(map(len, segments))
