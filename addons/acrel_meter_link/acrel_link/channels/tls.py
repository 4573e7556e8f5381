"""Factory frames inside TLS 1.3 with mutual certificates.

The record of credentials decides: a certificate that the authority signed is believed only if its
fingerprint stands there, so taking it out of the record revokes it.
"""

import ssl
from collections.abc import Callable, Sequence
from hashlib import sha256

from ..frames import Frame, encode
from .base import Channel, ChannelError, Proof
from .strict import NoFrameError, StrictDecoder

_RECORD = 16384  # bytes in a record at most
_NONE_SHOWN = "PEER_DID_NOT_RETURN_A_CERTIFICATE"


class TlsChannel(Channel):
    """The server's side of one TLS connection, over memory instead of a socket.

    `send` takes what the handshake answers. `prove` is told the certificate's SHA-256 and the
    names that it bears in both its subject and its alternative names; it returns whose it is or
    raises `ChannelError`.
    """

    name = "tls"
    secured = True
    held = 0.0

    __slots__ = (
        "_decoder",
        "_incoming",
        "_outgoing",
        "_prove",
        "_send",
        "_tls",
        "pending",
        "proof",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        send: Callable[[bytes], None],
        prove: Callable[[bytes, frozenset[str]], Proof],
    ):
        self.pending = False
        self.proof = None
        self._send, self._prove = send, prove
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._decoder = StrictDecoder()

    def feed(self, data: bytes) -> Sequence[Frame]:
        """Take bytes: of the handshake first, then of frames."""
        self._incoming.write(data)
        if self.proof is None and not self._shake_hands():
            return ()
        frames: list[Frame] = []
        try:
            while self._incoming.pending or self._tls.pending():
                # an empty answer is the peer's farewell
                if not (text := self._tls.read(_RECORD)):
                    raise ChannelError("it ended the TLS session", "", frames)
                frames += self._decoder.feed(text)
        except ssl.SSLWantReadError:
            pass  # the rest of a record is under way
        except NoFrameError as error:
            raise ChannelError(str(error), frames=frames + error.frames) from error
        except ssl.SSLError as error:
            raise ChannelError(f"TLS: {_reason(error)}", frames=frames) from error
        finally:
            self._flush()
        self.pending = self._decoder.pending
        return frames

    def _shake_hands(self) -> bool:
        """Go on with the handshake; return whether the peer has proven itself."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            # what does not come as far as certificates is only counted: ports are scanned all day
            shown = isinstance(error, ssl.SSLCertVerificationError) or error.reason == _NONE_SHOWN
            raise ChannelError(
                f"its TLS handshake failed: {_reason(error)}",
                "certificate_refused" if shown else "",
            ) from error
        finally:
            self._flush()
        fingerprint = sha256(self._tls.getpeercert(binary_form=True)).digest()
        self.proof = self._prove(fingerprint, _names(self._tls.getpeercert()))
        return True

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._send(self._outgoing.read())

    def frame(self, command: int, body: bytes = b"") -> bytes:
        """Return a factory frame in a record of its own."""
        self._tls.write(encode(command, body))
        return self._outgoing.read()


def _names(certificate: dict) -> frozenset[str]:
    """Return the names that stand in a certificate's subject and in its alternative names."""
    common = {
        value
        for parts in certificate.get("subject", ())
        for name, value in parts
        if name == "commonName"
    }
    alternative = {value for _, value in certificate.get("subjectAltName", ())}
    return frozenset(common & alternative)


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted, {error.verify_message}"
    return (error.reason or str(error)).replace("_", " ").lower()
