"""What every channel does: bytes in and factory frames out, frames in and bytes out. No I/O.

A channel belongs to one connection. What a connection has proven is the only identity that it
has; on a channel that proves nothing that is the serial number it registers with.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..frames import Frame


class ChannelError(Exception):
    """What the peer sent ends its connection; the text is a clause that says why.

    `kind` is the event to raise, empty for none; `frames` came whole before the fault and count.
    `link_id` is whose event it is where the connection itself has not proven that.
    """

    def __init__(
        self,
        reason: str,
        kind: str = "link_abuse",
        frames: Sequence[Frame] = (),
        link_id: int | None = None,
    ):
        super().__init__(reason)
        self.kind = kind
        self.frames = frames
        self.link_id = link_id


class Proof(NamedTuple):
    """What a secured channel has proven: whose connection it is, and by which credential."""

    link_id: int
    by: str
    """'certificate' or 'key'"""
    key_version: int | None = None
    suite: int | None = None
    fingerprint: bytes | None = None


class Channel:
    """The way of one connection's frames."""

    __slots__ = ()

    name: str
    secured: bool
    pending: bool
    """Whether a frame has begun and is not complete."""
    proof: Proof | None
    """Set by `feed` as soon as the peer of a secured channel has proven itself."""
    held: float
    """Seconds for which the answer to the peer's hello is held back; `release` gives it."""

    def feed(self, data: bytes) -> Sequence[Frame]:
        """Take bytes, however they are cut; return the factory frames that they complete.

        :raise ChannelError: when what came ends the connection
        """
        raise NotImplementedError

    def release(self) -> Sequence[Frame]:
        """Give the answer that was held back; return what came with the hello."""
        raise NotImplementedError

    def rekey(self) -> None:
        """Send the link's next key, where the channel carries keys and the meter has not it yet."""

    def frame(self, command: int, body: bytes = b"") -> bytes:
        """Return the wire bytes of a frame that changes nothing in the meter."""
        raise NotImplementedError

    def guarded(self, command: int, body: bytes, command_id: bytes, not_after: int) -> bytes:
        """Return the wire bytes of a write; a channel without guards sends it as any frame.

        :param command_id: 16 bytes; the meter carries out each once
        :param not_after: Unix milliseconds of the link's clock; the meter drops what comes later
        """
        return self.frame(command, body)
