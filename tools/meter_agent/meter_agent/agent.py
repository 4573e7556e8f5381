"""The whole agent: buses, meters, guards, spool and the line, for as long as it runs."""

import asyncio
import contextlib
import logging
import random
import signal

from acrel_link.commands import UPLOAD
from acrel_link.guard_order import GuardReport

from . import durable, systemd
from .bus import Bus
from .clock import Clock
from .config import Config
from .errors import LineError, StateError
from .guards import Guards
from .meter import Meter
from .refusals import Refusals
from .session import Session
from .spool import Spool
from .wires import Dialler

log = logging.getLogger(__name__)

BACKOFF_FIRST, BACKOFF_LAST = 1.0, 60.0  # s before a first and any later attempt to connect
SETTLED = 60.0  # s that a line must have held to begin with the first pause again
SPOOL_FILE, GUARDS_FILE = "spool.sqlite3", "guards.json"


class Agent:
    """One site's agent; only one may use a state folder."""

    def __init__(self, config: Config):
        self.config = config
        self.clock = Clock(durable.folder(config.state))
        with contextlib.ExitStack() as held:
            held.callback(durable.lock(config.state).close)
            self._dialler = Dialler(config)
            self.spool = Spool(config.state / SPOOL_FILE, config.spool_mb * 2**20, UPLOAD)
            held.callback(self.spool.close)
            self._build()
            self._held = held.pop_all()

    def _build(self) -> None:
        config = self.config
        self._full = False  # the disk takes nothing
        self._grew = asyncio.Event()
        self._session: Session | None = None
        self._refusals = Refusals()
        self.buses = [Bus(bus) for bus in config.buses]
        self.meters = {
            meter.slave: Meter(
                meter, bus, self.clock, config.utc_offset, config.maintenance, self._keep
            )
            for bus in self.buses
            for meter in bus.config.meters
        }
        self.guards = Guards(
            config.state / GUARDS_FILE,
            self.clock,
            set(self.meters),
            lambda slave, output: self.meters[slave].open(output),
            self._guard_opened,
        )
        for meter in self.meters.values():
            meter.guards = self.guards

    def _keep(self, slave: int, command: int, body: bytes) -> None:
        """Spool what a meter said; a disk that takes nothing costs the reading and no more."""
        try:
            self.spool.add(slave, command, body)
        except StateError as error:
            if not self._full:
                log.error("Readings are lost: %s", error)
            self._full = True
            return
        self._full = False
        self._grew.set()

    def _guard_opened(self, report: GuardReport) -> None:
        if self._session is not None:
            self._session.tell(report)

    async def run(self) -> None:
        """Poll, guard and speak until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.guards.run())
                group.create_task(self._dial())
                for meter in self.meters.values():
                    group.create_task(meter.run())
                systemd.notify("READY=1")
                group.create_task(systemd.watchdog())
        finally:
            for bus in self.buses:
                await bus.close()
            self._held.close()

    async def _dial(self) -> None:
        """Keep a line to the server; whatever ends it, a new one is tried."""
        loop = asyncio.get_running_loop()
        delay, told = BACKOFF_FIRST, ""
        while True:
            begun = loop.time()
            try:
                await self._speak()
            except (LineError, StateError) as error:
                if str(error) != told:
                    reason = str(error).rstrip(".")
                    log.warning("No line to the server: %s. %d frames wait.", reason,
                                self.spool.frames)  # fmt: skip
                    told = str(error)
            if loop.time() - begun > SETTLED:
                delay, told = BACKOFF_FIRST, ""
            # boxes of many sites do not come back all at once
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, BACKOFF_LAST)

    async def _speak(self) -> None:
        wire = await self._dialler.connect()
        self._session = Session(
            wire,
            self.config,
            self._dialler.iccid,
            self.meters,
            self.guards,
            self.spool,
            self._grew,
            self.clock,
            self._refusals.held,
        )
        try:
            await self._session.run()
        finally:
            self._refusals.ended(self._session.on_its_way, self._session.waited)
            self._session = None
            wire.close()


async def run(config: Config) -> None:
    """Run an agent until SIGTERM or SIGINT."""
    agent = Agent(config)
    running = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    log.info("%d meters on %d buses, the link %s to %s:%d by %s.", len(agent.meters),
             len(agent.buses), config.serial, config.host, config.port, config.channel)  # fmt: skip
    with contextlib.suppress(asyncio.CancelledError):
        await agent.run()
    systemd.notify("STOPPING=1")
    log.info("Stopped; %d frames wait in the spool.", agent.spool.frames)
