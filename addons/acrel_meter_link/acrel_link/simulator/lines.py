"""How a simulated meter's frames go over its connection: plain, inside TLS, or sealed."""

import ssl
from collections.abc import Callable, Sequence
from typing import Protocol

from ..channels.strict import StrictDecoder
from ..errors import ProtocolError
from ..frames import Decoder, Frame, encode
from ..sealed.device import Device


class LineError(Exception):
    """The server is not the one that it should be, or broke a rule of the channel."""


class Line(Protocol):
    """One connection's way of frames."""

    is_open: bool
    """Frames may be sent."""
    worn_out: bool
    """It is time for a new connection."""

    def start(self, send: Callable[[bytes], None]) -> None:
        """Begin, on a connection that stands."""

    def feed(self, data: bytes) -> Sequence[Frame]:
        """Take bytes; return the frames in them, or raise `LineError`."""

    def frame(self, command: int, body: bytes = b"") -> bytes:
        """Return a frame."""

    def wrap(self, text: bytes) -> bytes:
        """Return what goes over the wire for these bytes."""


class PlainLine:
    """Factory frames as they are."""

    is_open = True
    worn_out = False

    def __init__(self):
        self._decoder = Decoder()

    def start(self, send: Callable[[bytes], None]) -> None:
        """Need nothing."""

    def feed(self, data: bytes) -> Sequence[Frame]:
        """Return the frames among the bytes."""
        return self._decoder.feed(data)

    def frame(self, command: int, body: bytes = b"") -> bytes:
        """Return a factory frame."""
        return encode(command, body)

    def wrap(self, text: bytes) -> bytes:
        """Return the bytes."""
        return text


class TlsLine:
    """Factory frames inside TLS, over memory instead of a socket."""

    worn_out = False

    def __init__(self, context: ssl.SSLContext, server: str):
        self.is_open = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server)
        self._decoder = StrictDecoder()
        self._send: Callable[[bytes], None] | None = None

    def start(self, send: Callable[[bytes], None]) -> None:
        """Begin the handshake."""
        self._send = send
        self._shake_hands()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
            self.is_open = True
        except ssl.SSLWantReadError:
            pass  # the server's next message is under way
        finally:
            self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._send(self._outgoing.read())

    def feed(self, data: bytes) -> Sequence[Frame]:
        """Take bytes of the handshake, then return the frames in what they protect."""
        self._incoming.write(data)
        frames: list[Frame] = []
        try:
            if not self.is_open:
                self._shake_hands()
            while self.is_open and (text := self._tls.read(16384)):
                frames += self._decoder.feed(text)
        except ssl.SSLWantReadError:
            pass  # the rest is under way
        except (ssl.SSLError, ProtocolError) as error:
            raise LineError(str(error)) from error
        return frames

    def frame(self, command: int, body: bytes = b"") -> bytes:
        """Return a factory frame."""
        return encode(command, body)

    def wrap(self, text: bytes) -> bytes:
        """Return a record around the bytes."""
        self._tls.write(text)
        return self._outgoing.read()


class SealedLine:
    """Factory frames in the encrypted envelope."""

    def __init__(self, device: Device):
        self._device = device
        self._session = None

    @property
    def is_open(self) -> bool:
        """Whether the server has proven itself."""
        return self._session is not None and self._session.is_open

    @property
    def worn_out(self) -> bool:
        """Whether its session keys were used long enough."""
        return self._session.wants_reconnect

    def start(self, send: Callable[[bytes], None]) -> None:
        """Say hello."""
        self._session = self._device.connect(send)

    def feed(self, data: bytes) -> Sequence[Frame]:
        """Return the commands to obey."""
        try:
            return self._session.feed(data)
        except ProtocolError as error:
            raise LineError(str(error)) from error

    def frame(self, command: int, body: bytes = b"") -> bytes:
        """Return a sealed frame."""
        return self._session.frame(command, body)

    def wrap(self, text: bytes) -> bytes:
        """Return the bytes."""
        return text
