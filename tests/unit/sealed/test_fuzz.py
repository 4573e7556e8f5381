"""200,000 mutated and random frames, seeded, over the decoders of every channel and all parsers."""

import gc

import pytest

from acrel_link.sealed import wire
from acrel_link.sealed.device import DeviceSession
from acrel_link.sealed.errors import SealedError
from acrel_link.sealed.server import ServerSession

from . import torture
from .mutation import Mutator

SEED = 20_260
BOTH_SIDES = pytest.mark.parametrize("at_server", [True, False], ids=["server", "meter"])


def test_90_000_frames_on_the_plain_channel():
    toll = torture.plain(SEED, 90_000)
    assert toll.right > 12_000  # it reached what stands behind the decoder
    assert toll.closed > 3


def test_50_000_frames_inside_tls():
    toll = torture.inside_tls(SEED, 50_000)
    assert toll.right > 2_000
    assert toll.closed > 500


@BOTH_SIDES
def test_15_000_sealed_contents_of_a_peer_gone_mad(at_server):
    toll = torture.mad_peer(SEED + at_server, 15_000, at_server=at_server)
    assert toll.right > (2_000 if at_server else 150)
    assert toll.closed > 1000


@BOTH_SIDES
def test_15_000_frames_of_a_stranger_in_every_state(at_server):
    answered = torture.stranger(SEED + 2 + at_server, 15_000, at_server=at_server)
    assert answered > 80 if at_server else answered == 0


def test_nothing_is_left_of_sessions_that_are_over():
    mutator = Mutator(SEED)
    for _ in range(300):
        line = torture.open_line(mutator)
        with pytest.raises(SealedError):
            line.server.feed(b"\0")
    del line
    gc.collect()
    kinds = (ServerSession, DeviceSession, wire.Decoder)
    assert not [thing for thing in gc.get_objects() if isinstance(thing, kinds)]
