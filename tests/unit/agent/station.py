"""A server of the sealed channel, as far as an agent sees it, in the hand of a test."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from acrel_link import commands
from acrel_link.frames import Frame
from acrel_link.guard_order import GUARD, GuardOrder, GuardReport, build_order, parse_report
from acrel_link.sealed.errors import SealedError
from acrel_link.sealed.server import Server
from meter_agent import durable, keys
from meter_agent.agent import Agent
from meter_agent.config import BusConfig, Config, load

from .lines import until

SERIAL = "12307210720085"
KEY = bytes(range(32))


@dataclass
class Key:
    """The key of the one link there is."""

    link_id: int = 1
    serial: str = SERIAL
    version: int = 1
    key: bytes = KEY
    boot_counter: int = 0


@dataclass
class Order:
    version: int
    key: bytes = field(repr=False)
    current: Key = field(default_factory=Key)


class Ring:
    """Keys as the server looks them up."""

    def __init__(self):
        self.keys = {1: Key()}
        self.order: Order | None = None

    def find(self, serial: str, version: int) -> Key | None:
        key = self.keys.get(version)
        return key if key is not None and key.serial == serial else None

    def opened(self, key: Key, boot_counter: int, refused=None) -> None:
        assert boot_counter > key.boot_counter
        for each in self.keys.values():
            each.boot_counter = boot_counter

    def rekey_due(self, link_id: int) -> Order | None:
        return self.order

    def rekeyed(self, link_id: int, version: int, kcv: bytes) -> bool:
        self.order = None
        return True


class Station:
    """Takes one link's connections; what it answers by itself can be switched off."""

    def __init__(self):
        self.ring = Ring()
        self.acknowledging = True
        self.ahead_ms = 0
        self.stored: list[Frame] = []  # acknowledged uploads and alarms, in order
        self.frames: list[Frame] = []  # everything else that came
        self.registrations: list[commands.Registration] = []
        self.unwanted_slave: int | None = None
        self.port = 0
        self._listener: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._session = None
        self._tasks: set[asyncio.Task] = set()

    # === The line === #

    async def open(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Take no more connections and drop the one there is."""
        self._listener.close()
        self.drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    @property
    def online(self) -> bool:
        return self._session is not None

    async def _serve(self, reader, writer) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        session = Server(self.ring, now_ms=self._now_ms).session(writer.write)
        self._writer = writer
        try:
            while data := await reader.read(4096):
                for frame in session.feed(data):
                    self._session = session
                    self._take(frame)
        except (OSError, SealedError):
            pass  # the line is gone, or the agent's key is another one
        finally:
            writer.transport.abort()
            if self._session is session:
                self._session = None
            self._tasks.discard(task)

    def _now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def _take(self, frame: Frame) -> None:
        if frame.command == commands.REGISTER:
            self.registrations.append(commands.parse_register(frame.body))
            self._send(commands.REGISTER)
        elif frame.command in (commands.UPLOAD, commands.ALARM):
            if frame.body[20:].startswith(b"[[1-1((%c" % (self.unwanted_slave or 0)):
                self.drop()
            elif self.acknowledging:
                self.stored.append(frame)
                self._send(frame.command)
        else:
            self.frames.append(frame)

    def _send(self, command: int, body: bytes = b"") -> None:
        self._writer.write(self._session.frame(command, body))

    # === What a server asks === #

    async def reply(self, command: int) -> bytes:
        """Return the body of the next frame of a command."""
        found = await until(
            lambda: [frame for frame in self.frames if frame.command == command],
            f"a frame {command:02X}",
        )
        self.frames.remove(found[0])
        return found[0].body

    async def ask(self, request: bytes, *, guarded: bool = False, late: bool = False) -> bytes:
        """Send a Modbus request by 90; return the RTU reply."""
        if guarded:
            self._guarded(commands.TRANSPARENT, request, -1 if late else 20_000)
        else:
            self._send(commands.TRANSPARENT, request)
        return commands.parse_transparent(await self.reply(commands.TRANSPARENT)).rtu

    async def guard(self, order: GuardOrder) -> GuardReport:
        self._guarded(GUARD, build_order(order, self._now_ms() // 1000), 20_000)
        return parse_report(await self.reply(GUARD))

    def _guarded(self, command: int, body: bytes, milliseconds: int) -> None:
        not_after = self._now_ms() + milliseconds
        self._writer.write(self._session.guarded(command, body, os.urandom(16), not_after))


def config_for(folder: Path, port: int, *buses: BusConfig, **values) -> Config:
    """Return what an agent is told: the file's values, and buses as they are."""
    file = folder / "agent.toml"
    file.write_text(
        f"""
        [server]
        address = "127.0.0.1:{port}"
        channel = "sealed"
        [site]
        serial = "{SERIAL}"
        state = "{folder / "state"}"
        [[bus]]
        host = "127.0.0.1"
        [[bus.meter]]
        slave = 1
        """
    )
    return replace(load(file), buses=buses, **values)


def bring_key(config: Config, version: int = 1, key: bytes = KEY) -> None:
    durable.folder(config.state)
    keys.import_key(config.state, SERIAL, "89860123456789012345", version, key)


@contextlib.asynccontextmanager
async def agent(config: Config) -> AsyncIterator[Agent]:
    """Run an agent inside the test."""
    made = Agent(config)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def station() -> AsyncIterator[Station]:
    made = Station()
    await made.open()
    try:
        yield made
    finally:
        await made.close()
