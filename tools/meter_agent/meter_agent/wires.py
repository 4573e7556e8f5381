"""The secured line to the server: TLS or the sealed channel behind one interface.

Both carry the factory's frames. A byte that is not where a frame begins ends the line.
"""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Sequence

from acrel_link.channels.strict import NoFrameError, StrictDecoder
from acrel_link.frames import Frame, encode
from acrel_link.sealed.device import Device, DeviceSession
from acrel_link.sealed.errors import SealedError

from . import keys
from .clock import elapsed
from .config import TLS, Config
from .errors import LineError, StateError

CONNECT_SECONDS = 30.0
_CHUNK = 65536


class Wire(ABC):
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self._writer = reader, writer
        self._broken: LineError | None = None

    @property
    def server_time(self) -> float | None:
        """The server's time in Unix seconds, where the channel itself tells it."""
        return None

    @property
    def wants_reconnect(self) -> bool:
        """Whether the channel's keys have been used for long enough."""
        return False

    @abstractmethod
    def send(self, command: int, body: bytes = b"") -> None:
        """Send a frame."""

    @abstractmethod
    def _feed(self, data: bytes) -> Sequence[Frame]: ...

    async def receive(self) -> Sequence[Frame]:
        """Return the frames that came; raise `LineError` when the line is gone."""
        if self._broken is not None:
            raise self._broken
        try:
            data = await self._reader.read(_CHUNK)
        except OSError as error:
            raise LineError(f"the line broke: {error.strerror or error}") from error
        if not data:
            raise LineError("the server closed the line")
        try:
            return self._feed(data)
        except (NoFrameError, SealedError) as error:
            # what stood before it counts; the next look ends the line
            self._broken = LineError(f"the server broke the rules of the channel: {error}")
            self._broken.__cause__ = error
            return error.frames

    def close(self) -> None:
        """Drop the connection."""
        self._writer.transport.abort()


class TlsWire(Wire):
    """Factory frames in TLS 1.3, the certificate of the link on this side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        super().__init__(reader, writer)
        self._decoder = StrictDecoder()

    def send(self, command: int, body: bytes = b"") -> None:
        """Send a frame."""
        self._writer.write(encode(command, body))

    def _feed(self, data: bytes) -> Sequence[Frame]:
        return self._decoder.feed(data)


class SealedWire(Wire):
    """Factory frames in the sealed channel's envelope."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, device: Device):
        super().__init__(reader, writer)
        self.session: DeviceSession = device.connect(writer.write)
        self._early: list[Frame] = []  # came in one piece with the end of the handshake

    @property
    def server_time(self) -> float | None:
        """The time that the handshake told, and what went by since."""
        return self.session.server_time_ms() / 1000

    @property
    def wants_reconnect(self) -> bool:
        """Whether the session's keys have been used for long enough."""
        return self.session.wants_reconnect

    def send(self, command: int, body: bytes = b"") -> None:
        """Send a frame."""
        self._writer.write(self.session.frame(command, body))

    async def handshake(self) -> None:
        """Go on until the server has proven itself."""
        while not self.session.is_open:
            self._early += await self.receive()

    async def receive(self) -> Sequence[Frame]:
        """Return the frames that came; raise `LineError` when the line is gone."""
        if self._early and self.session.is_open:
            early, self._early = self._early, []
            return early
        return await super().receive()

    def _feed(self, data: bytes) -> Sequence[Frame]:
        return self.session.feed(data)


class Dialler:
    """Connects, with what was imported."""

    def __init__(self, config: Config):
        """Look at the keys; raise `StateError` when they are missing or of another link."""
        self._config = config
        self.iccid = config.iccid
        self._tls: ssl.SSLContext | None = None
        if config.channel == TLS:
            self._tls = _tls_context(config)
        else:
            self.store = keys.KeyStore(config.state, config.serial)
            self.iccid = config.iccid or self.store.iccid
            self._device = Device(self.store, monotonic=elapsed)

    async def connect(self) -> Wire:
        """Return an open wire; raise `LineError` with the reason when there is none."""
        where = _where(self._config)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._open()
        except TimeoutError as error:
            raise LineError(f"{where} did not answer in time") from error
        except ssl.SSLError as error:
            reason = error.reason or error
            raise LineError(f"{where} and this box do not agree on TLS: {reason}") from error
        except OSError as error:
            raise LineError(f"{where} cannot be reached: {error.strerror or error}") from error

    async def _open(self) -> Wire:
        config = self._config
        name = None if self._tls is None else config.server_name or config.host
        reader, writer = await asyncio.open_connection(
            config.host, config.port, ssl=self._tls, server_hostname=name
        )
        try:
            if self._tls is not None:
                return TlsWire(reader, writer)
            wire = SealedWire(reader, writer, self._device)
            await wire.handshake()
        except BaseException:
            writer.transport.abort()
            raise
        return wire


def _where(config: Config) -> str:
    return f"{config.host}:{config.port}"


def _tls_context(config: Config) -> ssl.SSLContext:
    certificate, authority = keys.certificate_files(config.state)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(certificate)
        context.load_verify_locations(authority)
    except (ssl.SSLError, OSError) as error:
        raise StateError(
            f"The certificate in {config.state} cannot be used ({error}): import it again."
        ) from error
    return context
