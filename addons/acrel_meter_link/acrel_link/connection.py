"""One socket of a meter's module: registered, answered, bound to its serial number."""

import asyncio
import logging
from collections import deque
from collections.abc import Hashable, Iterable
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b

from . import commands, rtu
from .clock import to_datetime
from .commands import ACKS, Registration
from .context import Context
from .errors import ProtocolError
from .frames import Decoder, Frame
from .incidents import Subject
from .master import LinkSpec
from .reading import UPLOAD, Reading
from .registers import OUTPUT_BLOCK
from .transparent import GoneError, Requests
from .unit import Unit
from .uploads import PROFILES, Upload, parse_upload

log = logging.getLogger(__name__)

NOISE_LIMIT = 4096  # bytes outside frames, beyond as many inside, that end a connection
UNSTORED_LIMIT = 64  # frames of one connection that wait for their commit before it is read on
MISSED_LIMIT = 3  # unanswered requests in a row that end a silent connection


class Connection(asyncio.Protocol):
    """A peer: new, then waiting or registered, then closed. Its faults cost only itself."""

    def __init__(self, server, context: Context):
        self.link: LinkSpec | None = None
        self.registration: Registration | None = None
        self.requests: Requests | None = None
        self.epoch: int | None = None
        self.closed = False
        self.peer = ""
        self.connected_at: datetime | None = None
        self._server, self._context = server, context
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._decoder = Decoder()
        self._units: dict[int, Unit] = {}
        self._profile = "adw300"
        self._since = self._last = self._loop.time()
        self._begun: float | None = None  # since when a frame is incomplete
        self._rival: Connection | None = None  # waits until this connection proves to be dead
        self._waiting = False  # is such a rival itself
        self._unstored: set[Hashable] = set()  # frames that wait for their commit
        self._backlog: deque[Frame] = deque()  # received, but too many wait
        self._paused = self._hushed = False
        self._alarms: dict[int, tuple[str, ...]] = {}
        self._alarm_changes = 0
        self._handlers = {
            commands.REGISTER: self._registered_again,
            commands.UPLOAD: self._uploaded,
            commands.TRANSPARENT: self._replied,
            commands.TIME: self._asked_time,
            commands.ALARM: self._alarmed,
            commands.SETPOINTS: self._told_setpoints,
            commands.HEARTBEAT_NB: self._beat,
        }

    def __str__(self):
        return f"{self.link.serial if self.link else 'unregistered'} at {self.peer}"

    @property
    def seen_at(self) -> datetime:
        """When the last bytes came."""
        return self._context.clock.now() - timedelta(seconds=self._loop.time() - self._last)

    @property
    def units(self) -> Iterable[Unit]:
        """The meters behind it."""
        return self._units.values()

    # === Transport === #

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take the socket, if this peer may have one."""
        self._transport = transport
        name = transport.get_extra_info("peername")  # None when the peer is gone already
        self.peer = f"{name[0]}:{name[1]}" if name else ""
        if not name or not self._server.welcome(self, name[0]):
            self.closed = True
            transport.abort()
            return
        transport.set_write_buffer_limits(high=65536)
        self.connected_at = self._context.clock.now()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything; a waiting rival registers at once."""
        self.closed = True
        for unit in self._units.values():
            unit.stop()
        self._units = {}
        if self.requests is not None:
            self.requests.close()
        self._server.gone(self)
        rival, self._rival = self._rival, None
        if rival is not None and not rival.closed:
            self._server.register(rival)

    def pause_writing(self) -> None:
        """Give up a peer that does not read what it is sent."""
        self.cut("it does not read what it is sent")

    def data_received(self, data: bytes) -> None:
        """Take bytes, however they are cut."""
        if self.closed:
            return
        self._last = now = self._loop.time()
        decoder = self._decoder
        found = decoder.feed(data)
        if not decoder.pending:
            self._begun = None
        elif found or self._begun is None:
            self._begun = now
        self._backlog.extend(found)
        self._work_off()
        if self.closed:
            return
        if decoder.strict or decoder.noise > NOISE_LIMIT + decoder.framed:
            self.abuse("it sends bytes that are no frames")

    def tick(self, now: float) -> None:
        """End what takes too long; called about once a second."""
        settings = self._context.settings
        if self.link is None:
            limit = settings.register_timeout
            if self._waiting:
                limit += 2 * settings.probe_timeout
            if now - self._since > limit:
                self.cut("it did not register in time")
        elif now - self._last > settings.idle_timeout:
            self.cut("it was silent for too long")
        elif (
            self.requests.missed >= MISSED_LIMIT and now - self._last > 2 * settings.request_timeout
        ):
            self.cut("it does not answer")
        if self._paused:
            return
        if self._begun is not None and now - self._begun > settings.frame_timeout:
            self.abuse("it began a frame and did not complete it")

    def hush(self) -> None:
        """Take no more bytes; what was received is still acknowledged."""
        if not self.closed:
            self._hushed = True
            self._pause()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _work_off(self) -> None:
        """Handle what was received, until too much of it waits for its commit."""
        while self._backlog and not self.closed and len(self._unstored) < UNSTORED_LIMIT:
            self._take(self._backlog.popleft())
        if not self.closed and len(self._unstored) >= UNSTORED_LIMIT:
            self._pause()

    def _committed(self, key: Hashable, command: int) -> None:
        """Acknowledge a frame that is stored, and go on where too many waited."""
        self._unstored.discard(key)
        self._ack(command)
        if not self._paused or self._hushed or self.closed:
            return
        self._work_off()
        if not self.closed and len(self._unstored) < UNSTORED_LIMIT:
            self._paused = False
            if self._begun is not None:
                self._begun = self._loop.time()
            self._transport.resume_reading()

    def abuse(self, reason: str) -> None:
        """Cut a connection for its bytes, with an event where it is known whose it is."""
        if self.link is not None:
            self._context.incidents.note(
                "link_abuse", Subject(link=self.link.id), f"{self.peer} was cut: {reason}."
            )
        self.cut(reason)

    def cut(self, reason: str) -> None:
        """Close the socket; nothing is sent or handled any more."""
        if not self.closed:
            log.info("%s: closed, %s.", self, reason)
            self.closed = True
            self._transport.abort()

    def lost_epoch(self) -> None:
        """Another process owns the link now: this connection sends nothing any more."""
        self.cut("another process has taken over its link")

    async def check_epoch(self) -> None:
        """Ask the database whether this connection still owns its link."""
        rows = await self._context.control.fetch(
            "SELECT epoch FROM acrel_link_live WHERE link_id = %s", [self.link.id]
        )
        if rows and self.epoch is not None and rows[0][0] != self.epoch:
            self.lost_epoch()

    # === Registration === #

    def accept(self, link: LinkSpec) -> None:
        """Become the connection of a link: acknowledge, look at its meters, poll them."""
        self._waiting = False
        self.requests = Requests(self._send, self._context.settings.request_timeout)
        self._transport.write(ACKS[commands.REGISTER])
        log.info("%s registers as %s.", self.peer, link.serial)
        self.bind(link)

    def bind(self, link: LinkSpec) -> None:
        """Take the meters that are behind the link now."""
        for unit in self._units.values():
            unit.stop()
        self.link = link
        self._units = {}
        for spec in link.meters:
            outputs = [self._server.output(spec.id, output) for output in spec.outputs]
            self._units[spec.slave] = Unit(self, spec, outputs, self._context)
        self._profile = next(
            (spec.profile for spec in link.meters if spec.profile in PROFILES), "adw300"
        )
        for unit in self._units.values():
            unit.start()

    def claimed(self, epoch: int) -> None:
        """Own the link: what must be claimed may be sent from now on."""
        self.epoch = epoch
        for unit in self._units.values():
            for output in unit.outputs:
                output.claimed()

    def wait_behind(self, other: "Connection") -> None:
        """Wait until the link's present connection has shown whether it lives."""
        self._waiting = True
        other.challenge(self)

    def challenge(self, rival: "Connection") -> None:
        """Prove to be alive, or make room."""
        before, self._rival = self._rival, rival
        if before is not None:
            before.cut("a newer connection of its serial number waits")
            return
        self._probe(self._loop.time() + self._context.settings.probe_timeout)

    def _probe(self, until: float) -> None:
        slave = next(iter(self._units), 1)

        def answered(data: bytes, error: Exception | None) -> None:
            rival = self._rival
            if rival is None or isinstance(error, GoneError):
                return  # connection_lost sees to the rival
            if error is None or isinstance(error, ProtocolError):
                self._rival = None
                self._context.incidents.note(
                    "link_mismatch",
                    Subject(link=self.link.id),
                    f"A second connection from {rival.peer} was refused: the one from "
                    f"{self.peer} is alive.",
                )
                rival.cut("the link's first connection is alive")
            elif self._loop.time() < until:
                self._probe(until)
            else:
                self._context.incidents.note(
                    "link_replaced",
                    Subject(link=self.link.id),
                    f"The connection from {self.peer} did not answer and gave way to the one "
                    f"from {rival.peer}.",
                )
                self.cut("a newer connection takes its place")

        self.requests.submit(rtu.read_request(slave, *OUTPUT_BLOCK), answered, urgent=True)

    def _send(self, request: bytes) -> None:
        if not self.closed:
            self._transport.write(commands.build_transparent(request))

    # === Frames === #

    def _take(self, frame: Frame) -> None:
        if self.link is not None:
            handler = self._handlers.get(frame.command)
            if handler is not None:
                try:
                    handler(frame.body)
                except ProtocolError as error:
                    self._refuse_frame(frame, str(error))
        elif frame.command == commands.REGISTER and not self._waiting:
            try:
                self.registration = commands.parse_register(frame.body)
            except ProtocolError as error:
                self.cut(f"its registration is wrong: {error}")
                return
            self._server.register(self)
        elif not self._waiting:
            self.cut("its first frame is no registration")

    def _refuse_frame(self, frame: Frame, reason: str) -> None:
        """Keep a frame whose body is wrong, acknowledged like a right one, or it comes for ever."""
        log.info("%s: a frame %02X is refused: %s", self, frame.command, reason)
        if frame.command not in (commands.UPLOAD, commands.ALARM, commands.SETPOINTS):
            return
        self._context.incidents.note(
            "reading_refused", Subject(link=self.link.id), f"A frame was refused: {reason}"
        )
        self._keep(reason, frame.command, frame.body)

    def _keep(self, reason: str, command: int, body: bytes) -> None:
        frame = bytes((command,)) + body
        digest = _digest(frame)
        if digest in self._unstored:
            return  # sent again before its commit, as in `_store_upload`
        self._unstored.add(digest)
        self._context.writer.quarantine(
            reason, frame, self.link.id, waiting=partial(self._committed, digest, command)
        )

    def _ack(self, command: int) -> None:
        if not self.closed:
            self._transport.write(ACKS[command])

    def _is_mine(self, serial: str | None) -> bool:
        """Compare the serial number in a frame with the registered one; a stranger's ends it."""
        if serial is None or serial == self.link.serial:
            return True
        self._context.incidents.note(
            "link_mismatch",
            Subject(link=self.link.id),
            f"{self.peer} registered as {self.link.serial} and sent a frame of {serial}.",
        )
        self.cut("it sent a frame of another serial number")
        return False

    def _registered_again(self, body: bytes) -> None:
        registration = commands.parse_register(body)
        if self._is_mine(registration.serial):
            self.registration = registration
            self._ack(commands.REGISTER)

    def _asked_time(self, body: bytes) -> None:
        if self._is_mine(commands.parse_time_request(body)):
            zone = self._context.settings.meter_time
            local = self._context.clock.now() + zone.utcoffset(None)
            self._transport.write(commands.build_time_answer(local))

    def _beat(self, body: bytes) -> None:
        self._is_mine(commands.parse_heartbeat_nb(body))

    def _replied(self, body: bytes) -> None:
        reply = commands.parse_transparent(body)
        if self._is_mine(reply.serial):
            self.requests.replied(reply.rtu)

    def _told_setpoints(self, body: bytes) -> None:
        self._keep("Alarm set-points have no published layout.", commands.SETPOINTS, body)

    def _alarmed(self, body: bytes) -> None:
        alarm = commands.parse_alarm(body)
        if not self._is_mine(alarm.serial):
            return
        unit = self._units.get(alarm.slave)
        if self._alarms.get(alarm.slave) != alarm.active:
            self._alarms[alarm.slave] = alarm.active
            self._alarm_changes += 1
            subject = Subject(link=self.link.id, meter=unit.spec.id if unit else None)
            self._context.incidents.end("meter_alarm", subject)
            if alarm.active:
                text = "The meter reports: " + ", ".join(alarm.active) + "."
                self._context.incidents.begin("meter_alarm", subject, text)
        key = (commands.ALARM, alarm.slave, self._alarm_changes)
        if key not in self._unstored:
            self._unstored.add(key)
            self._context.writer.after(partial(self._committed, key, commands.ALARM))

    # === Uploads === #

    def _uploaded(self, body: bytes) -> None:
        upload = parse_upload(body, self._profile)
        if not self._is_mine(upload.serial):
            return
        unit = self._units.get(upload.slave)
        reason = " ".join(upload.refused)
        if unit is None and not reason:
            reason = f"No meter with slave address {upload.slave} is known behind this link."
        if reason:
            self._context.incidents.note("reading_refused", Subject(link=self.link.id), reason)
        if unit is None or upload.layout is None:
            self._keep(reason or "The upload carries no reading.", commands.UPLOAD, body)
            return
        self._store_upload(unit, upload, body, reason)

    def _store_upload(self, unit: Unit, upload: Upload, body: bytes, reason: str) -> None:
        digest = _digest(body)
        if digest in self._unstored:
            return  # sent again before its commit: an acknowledgement says not which it means
        stamp = self._context.clock.stamp()
        plan = upload.layout
        reading = Reading(
            unit.spec.id,
            self.link.id,
            stamp,
            UPLOAD,
            plan.columns,
            plan.unpack(upload.data),
            plan.clock(upload.data, to_datetime(stamp).date()),
            digest,
            body,
        )
        stored = partial(self._committed, digest, UPLOAD)
        writer = self._context.writer
        if not writer.add((reading,), None if reason else stored):
            return  # not acknowledged, so the meter sends it again
        self._unstored.add(digest)
        if reason:
            writer.quarantine(reason, body, self.link.id, unit.spec.id, waiting=stored)
        unit.arrived(reading)
        if upload.outputs is not None:
            for output in unit.outputs:
                output.relay_read(upload.outputs[output.spec.number - 1])


def _digest(frame: bytes) -> bytes:
    return blake2b(frame, digest_size=16).digest()
