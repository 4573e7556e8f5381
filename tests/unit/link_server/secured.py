"""A link process with all three listeners, keys from the real command line, and peers to it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from acrel_link import commands
from acrel_link.frames import Frame
from acrel_link.keys.package import Payload
from acrel_link.sealed.device import Device
from acrel_link.sealed.store import MemoryStore, Slot
from acrel_link.simulator.credentials import load
from acrel_link.simulator.lines import Line, LineError, SealedLine, TlsLine

from .bed import DEADLINE, Bed, Link
from .key_bench import KeyBench

SERIAL, OTHER = "99000000000001", "99000000000002"


class Secured:
    """What a test of the secured channels needs; links are made by `bed.add_link`."""

    def __init__(self, bed: Bed, folder: Path):
        self.bed, self.bench = bed, KeyBench(bed, folder)
        self.authority, self.certificate, self.key = (self.bench.file() for _ in range(3))
        self._counters: dict[str, int] = {}

    def make_authority(self) -> None:
        """Make the operator's authority and the listener's certificate."""
        self.bench.do("authority", "--out", self.authority)
        self.certify_listener()

    def certify_listener(self) -> None:
        """Make a certificate of the listener, in place of the one that it has."""
        made = [self.bench.file(), self.bench.file()]
        self.bench.do(
            *("listener-certificate", "--name", "127.0.0.1"),
            *("--certificate-out", made[0], "--key-out", made[1]),
        )
        made[1].replace(self.key)
        made[0].replace(self.certificate)

    @contextlib.asynccontextmanager
    async def link(self, **values) -> AsyncIterator[Link]:
        """Run a link process on all three channels; on tls where there is an authority."""
        told = {"listen_sealed": "127.0.0.1:0", "root_key_file": self.bench.root_file}
        if self.authority.exists():
            told |= {
                "listen_tls": "127.0.0.1:0",
                "tls_certificate": self.certificate,
                "tls_key": self.key,
                "tls_authority": self.authority,
            }
        async with self.bed.link(**told | values) as link:
            yield link

    def package(self, *serials: str) -> Path:
        """Issue keys to a passphrase; return the package's file."""
        named = [word for serial in serials for word in ("--serial", serial)]
        path = self.bench.file()
        self.bench.do(
            *("issue", *named, "--out", path, "--passphrase-file", self.bench.passphrase_file)
        )
        return path

    def pkcs12(self, serial: str, *words) -> Path:
        """Certify a link; return its PKCS#12 file."""
        path = self.bench.file()
        self.bench.do(
            *("certificate", "--serial", serial, "--out", path, *words),
            *("--passphrase-file", self.bench.passphrase_file),
        )
        return path

    def context(self, pkcs12: Path) -> ssl.SSLContext:
        """Return what a client with this certificate shows."""
        [context] = load([pkcs12], self.bench.passphrase_file).contexts.values()
        return context

    def device(self, payload: Payload, serial: str = SERIAL, **options) -> Device:
        """Return the meter's side of a key in a package."""
        [key] = [key for key in payload.links if key.serial == serial]
        return self.device_of(serial, key.key, key.key_version, **options)

    def device_of(self, serial: str, key: bytes, version: int = 1, **options) -> Device:
        """Return the meter's side of any key; each one goes on counting."""
        count = self._counters[serial] = self._counters.get(serial, 0) + 1000
        store = MemoryStore(serial, Slot(version, key), boot_counter=count)
        return Device(store, **options)

    async def sealed(self, link: Link, device: Device, host: str = "127.0.0.1") -> "SecuredPeer":
        """Connect to the sealed listener from an address and say hello."""
        return await SecuredPeer.connect(link, "sealed", SealedLine(device), host)

    async def tls(self, link: Link, pkcs12: Path) -> "SecuredPeer":
        """Connect to the TLS listener."""
        return await SecuredPeer.connect(link, "tls", TlsLine(self.context(pkcs12), "127.0.0.1"))


class SecuredPeer:
    """A meter's side of a secured connection, frame by frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line):
        self.reader, self.writer, self.line = reader, writer, line
        self.refused: LineError | None = None
        self._frames: list[Frame] = []

    @classmethod
    async def connect(cls, link: Link, channel: str, line: Line, host="127.0.0.1") -> "SecuredPeer":
        reader, writer = await asyncio.open_connection(
            *link.server.addresses[channel], local_addr=(host, 0)
        )
        peer = cls(reader, writer, line)
        link.peers.append(peer)
        line.start(writer.write)
        return peer

    async def _read(self) -> bool:
        """Take what came; False when the link closed the connection."""
        try:
            data = await self.reader.read(65536)
            if data:
                self._frames += self.line.feed(data)
        except ConnectionError:
            return False
        except LineError as error:
            self.refused = error
            return False
        return bool(data)

    async def opened(self) -> bool:
        """Wait for the end of the handshake, as far as the meter sees it."""
        async with asyncio.timeout(DEADLINE):
            while not self.line.is_open:
                if not await self._read():
                    return False
        return True

    def send(self, command: int, body: bytes = b"") -> None:
        self.writer.write(self.line.wrap(self.line.frame(command, body)))

    async def register(self, serial: str, iccid: str = "89860123456789012345") -> bool:
        """Open and register; tell whether that was acknowledged."""
        if not await self.opened():
            return False
        told = commands.Registration(serial, iccid, 26, ("1.0", "1.0", "1.0"), 30)
        self.send(commands.REGISTER, commands.register_body(told))
        return await self.frame(commands.REGISTER) is not None

    async def frame(self, *wanted: int) -> Frame | None:
        """Return the next frame of these commands; None when the connection is closed."""
        async with asyncio.timeout(DEADLINE):
            while True:
                while self._frames:
                    frame = self._frames.pop(0)
                    if not wanted or frame.command in wanted:
                        return frame
                if not await self._read():
                    return None

    async def closed(self) -> bool:
        """Wait until the link closes the connection."""
        while await self.frame() is not None:
            pass
        return True


def serials(count: int, first: int = 99_000_000_000_001) -> Sequence[str]:
    """Return consecutive serial numbers."""
    return [str(first + number) for number in range(count)]
