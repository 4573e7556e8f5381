"""Factory frames inside the encrypted envelope of `acrel_link.sealed`."""

from collections.abc import Callable, Sequence

from ..frames import Frame
from ..sealed.errors import SealedError
from ..sealed.server import Server
from ..sealed.wire import HELLO, HELLO_SIZE, NO_SUITE, build_inner, enclose
from ..serials import SERIAL_SIZE
from .base import Channel, ChannelError, Proof

_HELLO = enclose(build_inner(HELLO, NO_SUITE, bytes(HELLO_SIZE)))
_HEAD, _WHOLE = _HELLO[:7], len(_HELLO)


class SealedChannel(Channel):
    """The server's side of one sealed connection.

    `hold` is told the 20 bytes of the serial number in a hello and returns for how many seconds
    its answer is held back: `held` has them then, and `release` gives the answer.
    """

    name = "sealed"
    secured = True

    __slots__ = ("_hello", "_hold", "_session", "held", "pending", "proof")

    def __init__(
        self,
        server: Server,
        send: Callable[[bytes], None],
        hold: Callable[[bytes], float],
        refused: Callable[[], None],
    ):
        self.pending = False
        self.proof = None
        self.held = 0.0
        self._session = server.session(send, refused=refused)
        self._hold = hold
        self._hello: bytes | None = b""  # what came of it; None once it was given on

    @property
    def serial(self) -> str | None:
        """The serial number that the hello claims."""
        return self._session.serial

    def feed(self, data: bytes) -> Sequence[Frame]:
        """Take bytes: of the handshake first, then of sealed frames."""
        if self.proof is None:
            return self._shake_hands(data)
        session = self._session
        try:
            return session.feed(data)
        except SealedError as error:
            raise ChannelError(_clause(error), frames=error.frames) from error
        finally:
            self.pending = session.pending > 0

    def _shake_hands(self, data: bytes) -> Sequence[Frame]:
        if self._hello is not None:
            self._hello += data
            begun = self._hello[: len(_HEAD)] == _HEAD[: len(self._hello)]
            if begun and len(self._hello) < _WHOLE:
                return ()
            if begun:
                self.held = self._hold(self._hello[len(_HEAD) : len(_HEAD) + SERIAL_SIZE])
                if self.held:
                    return ()
            data, self._hello = self._hello, None
        return self._feed_session(data)

    def release(self) -> Sequence[Frame]:
        """Give the answer that was held back."""
        self.held = 0.0
        data, self._hello = self._hello, None
        return self._feed_session(data)

    def _feed_session(self, data: bytes) -> Sequence[Frame]:
        session = self._session
        try:
            return session.feed(data)
        except SealedError as error:
            kind = "handshake_failed" if session.key is None else "link_abuse"
            raise ChannelError(_clause(error), kind, error.frames) from error
        finally:
            if (key := session.key) is not None:
                self.proof = Proof(key.link_id, "key", key.version, session.suite)
            self.pending = session.pending > 0

    def frame(self, command: int, body: bytes = b"") -> bytes:
        """Return a sealed frame."""
        return self._session.frame(command, body)

    def guarded(self, command: int, body: bytes, command_id: bytes, not_after: int) -> bytes:
        """Return a sealed frame that the meter obeys once and in time."""
        return self._session.guarded(command, body, command_id, not_after)

    def rekey(self) -> None:
        """Send the link's next key, if there is one that the meter has not answered."""
        self._session.rekey()


def _clause(error: SealedError) -> str:
    text = str(error).rstrip(".")
    return text[:1].lower() + text[1:]
