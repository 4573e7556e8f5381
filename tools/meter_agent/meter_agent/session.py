"""One connection's life: registered, its spool drained, the server's requests answered.

An acknowledgement bears no number. So one upload is on its way at a time, and it is not sent
again on the same connection: a second acknowledgement would be taken for that of the next one.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping

from acrel_link import commands, rtu
from acrel_link.crc import seal
from acrel_link.errors import ProtocolError
from acrel_link.guard_order import (
    AGENT_MARK,
    GUARD,
    GuardReport,
    build_report,
    parse_order,
)
from acrel_link.serials import build_serial

from . import VERSION
from .clock import Clock
from .config import Config
from .errors import LineError
from .guards import Guards
from .meter import GATEWAY_NO_ANSWER, Meter
from .spool import Spool, Spooled
from .wires import Wire

log = logging.getLogger(__name__)

ANSWER_SECONDS = 30.0  # for the answers that a living server gives at once
ACKNOWLEDGE_SECONDS = 300.0  # an upload waits for the server's database
BEAT = 30.0  # s between heartbeats; every second one asks for an answer
WAITING_REQUESTS = 16
TIME_STEP = 2.0  # s; the server tells whole seconds, and its frames need their time
FIRMWARE = (f"{AGENT_MARK}1", VERSION, "0.0")
_FRAME_HEAD = 3  # of an encoded frame: marks and command
_FRAME_TAIL = 4  # CRC and marks


class Session:
    """One connection from its registration to its end."""

    def __init__(
        self,
        wire: Wire,
        config: Config,
        iccid: str,
        meters: Mapping[int, Meter],
        guards: Guards,
        spool: Spool,
        grew: asyncio.Event,
        clock: Clock,
        held: Callable[[], Collection[int]] = tuple,
    ):
        """`held` returns slaves whose uploads stay in the spool for now."""
        self._wire, self._config, self._iccid = wire, config, iccid
        self._meters, self._guards = meters, guards
        self._spool, self._grew, self._clock, self._held = spool, grew, clock, held
        self._knows_time = False  # from a guard, and not only as a local time
        self._registered = asyncio.Event()
        self._told_time = asyncio.Event()
        self._acknowledged = asyncio.Event()
        self._waits_for: int | None = None  # the command of the upload on its way
        self._asked: asyncio.Queue[bytes] = asyncio.Queue(WAITING_REQUESTS)
        self._serial = build_serial(config.serial)
        self.on_its_way: Spooled | None = None
        self._sent_at = 0.0

    async def run(self) -> None:
        """Speak until the line ends, which raises `LineError`."""
        if self._wire.server_time is not None:
            self._clock.follow(self._wire.server_time)
        tasks = [
            asyncio.create_task(part())
            for part in (self._listen, self._speak, self._answer, self._beat)
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def waited(self) -> float:
        """How many seconds ago the upload on its way was sent."""
        return time.monotonic() - self._sent_at

    async def register(self) -> None:
        """Register and wait for the acknowledgement, for a look at whether the line works."""
        listening = asyncio.create_task(self._listen())
        try:
            registering = asyncio.create_task(self._register())
            await asyncio.wait((listening, registering), return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                registering.cancel()
                listening.result()
            await registering
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    # === Up === #

    def tell(self, report: GuardReport) -> None:
        """Tell the server about a guard."""
        if self._registered.is_set():
            self._wire.send(GUARD, build_report(report))

    async def _register(self) -> None:
        minutes = min(min(meter.config.poll_idle for meter in self._meters.values()) // 60, 255)
        frame = commands.build_register(
            commands.Registration(
                self._config.serial, self._iccid, 0, FIRMWARE, max(int(minutes), 1)
            )
        )
        self._wire.send(commands.REGISTER, frame[_FRAME_HEAD:-_FRAME_TAIL])
        await _within(self._registered, ANSWER_SECONDS, "did not acknowledge the registration")

    async def _speak(self) -> None:
        """Register, tell what has tripped, then send upload after upload."""
        await self._register()
        log.info("Registered as %s.", self._config.serial)
        for report in self._guards.reports():
            self.tell(report)
        self._wire.send(commands.TIME, self._serial)
        while True:
            self._grew.clear()
            frame = self.on_its_way = self._spool.first(self._held())
            if frame is None:
                await self._grew.wait()
                continue
            self._sent_at = time.monotonic()
            self._acknowledged.clear()
            self._waits_for = frame.command
            self._wire.send(frame.command, self._serial + frame.body)
            await _within(self._acknowledged, ACKNOWLEDGE_SECONDS, "did not acknowledge an upload")
            self._spool.acknowledged(frame.id)
            self.on_its_way = None

    async def _beat(self) -> None:
        """Keep the line open, and find out when it is dead."""
        await self._registered.wait()
        while True:
            await asyncio.sleep(BEAT)
            self._wire.send(commands.HEARTBEAT)
            if self._wire.wants_reconnect:
                raise LineError("its keys have been used for long enough")
            await asyncio.sleep(BEAT)
            self._told_time.clear()
            self._wire.send(commands.TIME, self._serial)
            await _within(self._told_time, ANSWER_SECONDS, "does not answer any more")

    # === Down === #

    async def _listen(self) -> None:
        while True:
            for command, body in await self._wire.receive():
                try:
                    self._take(command, body)
                except ProtocolError as error:
                    log.warning("A frame %02X of the server is left out: %s", command, error)

    def _take(self, command: int, body: bytes) -> None:
        if command == commands.TRANSPARENT:
            if self._asked.full():
                log.warning("The server asks faster than it is answered: a request is left out.")
            else:
                self._asked.put_nowait(body)
        elif command == self._waits_for and not body:
            self._waits_for = None
            self._acknowledged.set()
        elif command == commands.REGISTER:
            self._registered.set()
        elif command == commands.TIME:
            self._time_told(body)
        elif command == GUARD:
            order, now = parse_order(body)
            self._time_by_guard(now)
            self._wire.send(GUARD, build_report(self._guards.take(order)))

    def _time_told(self, body: bytes) -> None:
        local = commands.parse_time_answer(body).replace(tzinfo=self._config.utc_offset)
        self._told_time.set()
        if self._wire.server_time is None and not self._knows_time:
            self._clock.follow(local.timestamp())

    def _time_by_guard(self, now: int) -> None:
        """Go by the server's own time where only local times were told so far."""
        if self._wire.server_time is None:
            self._knows_time = True
            if abs(now - self._clock.now()) > TIME_STEP:
                self._clock.follow(now)

    async def _answer(self) -> None:
        """Forward requests to the meters, one after the other."""
        while True:
            body = await self._asked.get()
            try:
                request = rtu.parse_request(body)
            except ProtocolError as error:
                log.warning("A request of the server is left out: %s", error)
                continue
            meter = self._meters.get(request.slave)
            if meter is None:
                log.warning("The server asked for slave %d, which is not here.", request.slave)
                reply = seal(bytes((request.slave, body[1] | rtu.EXCEPTION, GATEWAY_NO_ANSWER)))
            else:
                reply = await meter.answer(request)
            self._wire.send(commands.TRANSPARENT, self._serial + reply)


async def _within(event: asyncio.Event, seconds: float, otherwise: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError as error:
        raise LineError(f"the server {otherwise} within {seconds:g} s") from error
