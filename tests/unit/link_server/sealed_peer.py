"""A meter on a real socket that speaks sealed, and lets a test see and spoil its bytes."""

import asyncio
from itertools import count

from acrel_link import commands
from acrel_link.frames import Frame
from acrel_link.sealed.device import Device
from acrel_link.sealed.store import MemoryStore, Slot
from acrel_link.uploads import build_upload

from .bed import DEADLINE, Bed, Link, registration, until
from .key_bench import KeyBench

# These meters answer no reads, so that none is asked for too often or missed too soon.
SETTINGS = {"listen_sealed": "127.0.0.1:0", "poll_idle": 60, "request_timeout": 60}
_energies = count(123456)


def upload_body(serial: str, slave: int = 1) -> bytes:
    """Return the body of an upload that no other is equal to."""
    energy = next(_energies).to_bytes(4, "big")
    return build_upload(serial, slave, [bytes(76), energy + energy + bytes(4)])


class SealedMeter:
    """A link with a device key: what of it outlives its connections."""

    def __init__(self, bed: Bed, bench: KeyBench, serial: str):
        self.bed, self.serial = bed, serial
        self.link_id, self.meter_id, _ = bed.add_link(serial, channel="sealed")
        [handed] = bench.issue(serial).links
        self.store = MemoryStore(serial, Slot(handed.key_version, handed.key))
        self.device = Device(self.store)

    async def known(self, link: Link) -> None:
        """Wait until the link process knows the link and its key."""
        version = self.store.slots()[0].version
        await until(
            lambda: (
                link.context.keys.find(self.serial, version)
                and self.serial in link.context.master.links
            ),
            f"{self.serial} is known",
        )

    async def dial(self, link: Link) -> "SealedPeer":
        """Connect and say hello."""
        reader, writer = await asyncio.open_connection(*link.server.addresses["sealed"])
        peer = SealedPeer(self, reader, writer)
        link.peers.append(peer)
        peer.begin()
        return peer

    async def connect(self, link: Link) -> "SealedPeer":
        """Connect, prove and register."""
        peer = await self.dial(link)
        await peer.open()
        await peer.register()
        return peer

    def readings(self) -> int:
        return self.bed.readings(self.meter_id)


class SealedPeer:
    """One connection. `sent` and `received` are its frames as they went over the wire."""

    def __init__(
        self, meter: SealedMeter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ):
        self.meter, self.reader, self.writer = meter, reader, writer
        self.sent: list[bytes] = []
        self.received: list[bytes] = []
        self.session = None
        self._frames: list[Frame] = []

    def begin(self) -> None:
        self.session = self.meter.device.connect(self.send)

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        self.writer.write(data)

    async def receive(self) -> bytes:
        """Return bytes as they came; none when the link closed the connection."""
        try:
            async with asyncio.timeout(DEADLINE):
                data = await self.reader.read(4096)
        except ConnectionError:
            return b""
        self.received.append(data)
        return data

    async def open(self) -> None:
        """Prove, and be proven to."""
        while not self.session.is_open:
            data = await self.receive()
            assert data, "the link closed the connection"
            self._frames += self.session.feed(data)

    async def register(self) -> None:
        self.send(self.session.frame(*_parts(registration(self.meter.serial))))
        await self.frame(commands.REGISTER)

    async def upload(self) -> None:
        """Upload, and wait until it is acknowledged."""
        self.send(self.sealed_upload())
        await self.frame(commands.UPLOAD)

    def sealed_upload(self) -> bytes:
        return self.session.frame(commands.UPLOAD, upload_body(self.meter.serial))

    async def frame(self, command: int) -> Frame:
        """Return the next frame of a command."""
        while True:
            while self._frames:
                frame = self._frames.pop(0)
                if frame.command == command:
                    return frame
            data = await self.receive()
            assert data, "the link closed the connection"
            self._frames += self.session.feed(data)

    async def closed(self) -> bool:
        """Wait until the link closes the connection."""
        while await self.receive():
            pass
        return True

    def hang_up(self) -> None:
        self.writer.transport.abort()


def _parts(frame: bytes) -> tuple[int, bytes]:
    return frame[2], frame[3:-4]
