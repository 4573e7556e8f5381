"""A server's side of real sockets, as small as it can be, for the simulator's tests."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import datetime

from acrel_link import commands, rtu
from acrel_link.frames import Decoder, Frame
from acrel_link.uploads import Upload, parse_upload

PATIENCE = 10.0


class Line(asyncio.Protocol):
    """One connection: everything that came, and requests through command 90."""

    def __init__(self, listener: "Listener"):
        self.listener = listener
        self.decoder = Decoder()
        self.frames: list[Frame] = []
        self.segments = 0
        self.closed = False
        self._replies: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport):
        self.transport = transport
        self.listener.lines.append(self)

    def connection_lost(self, error):
        self.closed = True

    def data_received(self, data):
        self.segments += 1
        for frame in self.decoder.feed(data):
            self.frames.append(frame)
            if frame.command == commands.TRANSPARENT:
                self._replies.put_nowait(commands.parse_transparent(frame.body).rtu)
            elif frame.command == commands.TIME:
                self.transport.write(commands.build_time_answer(self.listener.time))
            elif frame.command in commands.ACKS and self.listener.acknowledges(frame):
                self.transport.write(commands.ACKS[frame.command])

    def uploads(self) -> list[Upload]:
        return [parse_upload(frame.body) for frame in self.frames if frame.command == 0x91]

    async def ask(self, request: bytes, timeout: float = PATIENCE) -> bytes:
        self.transport.write(commands.build_transparent(request))
        return await asyncio.wait_for(self._replies.get(), timeout)

    async def read(self, start: int, count: int) -> bytes:
        request = rtu.read_request(1, start, count)
        return rtu.answered_read(request, await self.ask(request))

    async def number(self, start: int, count: int = 1) -> int:
        return int.from_bytes(await self.read(start, count), "big")

    async def switch(self, closed: bool, register: int = 0x01C2) -> None:
        request = rtu.write_request(1, register, (int(closed),))
        rtu.answered_write(request, await self.ask(request))


class Listener:
    """Listens on a port of its own."""

    def __init__(self):
        self.lines: list[Line] = []
        self.time = datetime(2031, 5, 6, 7, 8, 9)
        self.acknowledges: Callable[[Frame], bool] = lambda frame: True

    @property
    def line(self) -> Line:
        return self.lines[-1]


@asynccontextmanager
async def listening():
    listener = Listener()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Line(listener), "127.0.0.1", 0)
    listener.address = server.sockets[0].getsockname()
    try:
        yield listener
    finally:
        server.close()
        for line in listener.lines:
            line.transport.abort()
        await server.wait_closed()


async def until(condition: Callable[[], object], timeout: float = PATIENCE):
    """Return the condition's value as soon as it is true."""
    async with asyncio.timeout(timeout):
        while not (value := condition()):
            await asyncio.sleep(0.005)
        return value
