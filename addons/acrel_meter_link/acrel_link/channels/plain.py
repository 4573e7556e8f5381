"""Factory frames as they are: for loopback, a private network or a lab."""

from collections.abc import Sequence
from functools import cache

from ..frames import Decoder, Frame, encode
from .base import Channel, ChannelError

NOISE_LIMIT = 4096  # bytes outside frames, beyond as many inside, that end a connection


class PlainChannel(Channel):
    """No key, no cipher; noise between frames is passed over, up to a limit."""

    name = "plain"
    secured = False

    proof = None
    held = 0.0

    __slots__ = ("_decoder", "pending")

    def __init__(self):
        self._decoder = Decoder()
        self.pending = False

    def feed(self, data: bytes) -> Sequence[Frame]:
        """Return the frames that the bytes complete."""
        decoder = self._decoder
        found = decoder.feed(data)
        self.pending = decoder.pending > 0
        if decoder.strict or decoder.noise > NOISE_LIMIT + decoder.framed:
            raise ChannelError("it sends bytes that are no frames", frames=found)
        return found

    def frame(self, command: int, body: bytes = b"") -> bytes:
        """Return a factory frame."""
        return encode(command, body) if body else _acknowledgement(command)


@cache
def _acknowledgement(command: int) -> bytes:
    return encode(command)
