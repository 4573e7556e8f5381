"""One socket of a meter's module: let in, bound to its link, kept within its bounds."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from . import commands, rtu
from .answers import Answers
from .channels.base import ChannelError
from .commands import Registration
from .context import Context
from .entrusted import Entrusted
from .errors import ProtocolError
from .frames import Frame
from .guard_order import AGENT_MARK
from .incidents import Subject
from .intake import Intake
from .line import owns, units_of
from .master import LinkSpec
from .rivalry import Rivalry
from .transparent import WRITE_SECONDS, Requests, Warrant
from .unit import Unit

log = logging.getLogger(__name__)

MISSED_LIMIT = 3  # unanswered requests in a row that end a silent connection
BURST = 10  # s worth of frames that a connection may send at once


class Connection(asyncio.Protocol):
    """A peer: new, then proven where its channel is secured, then registered, then closed.

    Its faults cost only itself.
    """

    __slots__ = (
        "_backlog",
        "_begun",
        "_burst",
        "_context",
        "_held",
        "_hushed",
        "_intake",
        "_last",
        "_loop",
        "_paused",
        "_rivalry",
        "_server",
        "_since",
        "_taken",
        "_ticked",
        "_transport",
        "_units",
        "_waiting",
        "answers",
        "channel",
        "closed",
        "connected_at",
        "entrusted",
        "epoch",
        "host",
        "link",
        "listener",
        "peer",
        "proven",
        "registration",
        "requests",
    )

    def __init__(self, server, context: Context, listener):
        self.link: LinkSpec | None = None  # once it is registered
        self.proven: LinkSpec | None = None  # once a secured channel has shown whose it is
        self.registration: Registration | None = None
        self.requests: Requests | None = None
        self.epoch: int | None = None
        self.entrusted: Entrusted | None = None  # where a meter agent is behind it
        self.closed = False
        self.answers = Answers(self._instruct, context.settings.request_timeout)
        self.peer = self.host = ""
        self.connected_at: datetime | None = None
        self.listener = listener
        self.channel = listener.channel(self)
        self._server, self._context = server, context
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._intake: Intake | None = None  # once it is registered
        self._rivalry: Rivalry | None = None
        self._units: dict[int, Unit] = {}
        self._since = self._last = self._loop.time()
        self._begun: float | None = None  # since when a frame is incomplete
        self._waiting = False  # for the place of the link's present connection
        self._backlog: deque[Frame] = deque()  # received, but too many wait or came at once
        self._taken = 0.0  # frames lately; it falls by the allowed rate
        self._burst = BURST * context.settings.frame_rate
        self._ticked = self._since
        self._paused = self._hushed = False
        self._held: asyncio.TimerHandle | None = None  # until its hello is answered

    def __str__(self):
        link = self.link or self.proven
        return f"{link.serial if link else 'unregistered'} at {self.peer}"

    @property
    def about(self) -> dict[str, str]:
        """Whose it is, for the log."""
        link = self.link or self.proven
        return {"serial": link.serial if link else "", "peer": self.peer}

    @property
    def seen_at(self) -> datetime:
        """When the last bytes came."""
        return self._context.clock.now() - timedelta(seconds=self._loop.time() - self._last)

    @property
    def security(self) -> tuple[str, str, int | None, int | None, datetime | None]:
        """How it proved whose it is: channel, credential, suite, key version, since when."""
        proof = self.channel.proof
        if proof is None:
            return self.channel.name, "serial", None, None, None
        since = self._context.clock.now() - timedelta(seconds=self._loop.time() - self._since)
        return self.channel.name, proof.by, proof.suite, proof.key_version, since

    @property
    def units(self) -> Iterable[Unit]:
        """The meters behind it."""
        return self._units.values()

    def unit(self, slave: int) -> Unit | None:
        """Return the meter with this slave address."""
        return self._units.get(slave)

    # === Bytes === #

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take the socket, if this peer may have one."""
        self._transport = transport
        name = transport.get_extra_info("peername")  # None when the peer is gone already
        self.peer = f"{name[0]}:{name[1]}" if name else ""
        self.host = name[0] if name else ""
        if not name or not self._server.welcome(self):
            self.closed = True
            transport.abort()
            return
        transport.set_write_buffer_limits(high=65536)
        self.connected_at = self._context.clock.now()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything; a waiting rival registers at once."""
        self.closed = True
        self.answers.close()
        for unit in self._units.values():
            unit.stop()
        self._units = {}
        if self.requests is not None:
            self.requests.close()
        if self._held is not None:
            self._held.cancel()
        if self.channel.secured and self.proven is None:
            self.listener.unproven(self)
        if self.entrusted is not None:
            self.entrusted.close()
        self._server.gone(self)
        rival = self._rivalry.take_rival() if self._rivalry is not None else None
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
        channel = self.channel
        try:
            found = channel.feed(data)
        except ChannelError as error:
            self._fail(error)
            return
        if not channel.pending:
            self._begun = None
        elif found or self._begun is None:
            self._begun = now
        intake, count = self._intake, len(found)
        if intake is None:
            if not self._is_ready():
                return
        elif not (self._backlog or intake.crowds(count) or self._taken + count > self._burst):
            # nearly every frame goes this way
            self._taken += count
            for frame in found:
                intake.take(frame)
                if self.closed:
                    return
            return
        self._backlog.extend(found)
        self._work_off()

    def _is_ready(self) -> bool:
        """Look how far a peer has come that is not registered; True when its frames count."""
        channel = self.channel
        if channel.held:
            self._transport.pause_reading()
            self._held = self._loop.call_later(channel.held, self._release)
            return False
        if channel.proof is None or self.proven is not None:
            return True
        self._since = self._loop.time()
        return self._server.proven(self)

    def _release(self) -> None:
        """Answer a hello that was held back."""
        self._held = None
        if self.closed:
            return
        try:
            self._backlog.extend(self.channel.release())
        except ChannelError as error:
            self._fail(error)
            return
        self._transport.resume_reading()

    def _fail(self, error: ChannelError) -> None:
        """Handle what came whole before a fault, then close."""
        if self._intake is not None or self._is_ready():
            self._backlog.extend(error.frames)
            self._work_off()
        if not self.closed:
            self.abuse(str(error), error.kind, error.link_id)

    def _may_send(self) -> bool:
        return not self.closed and self._server.still_owns()

    def write(self, data: bytes) -> None:
        """Send what the channel itself has to say."""
        if self._may_send():
            self._transport.write(data)

    def send(self, command: int, body: bytes = b"") -> None:
        """Send a frame that changes nothing in the meter."""
        if self._may_send():
            self._transport.write(self.channel.frame(command, body))

    def _instruct(self, command: int, body: bytes) -> bool:
        """Send a command that is carried out in time or never; False where none may be sent."""
        if not self._may_send():
            return False
        warrant = Warrant.within(WRITE_SECONDS, self._context.clock)
        self._transport.write(self.channel.guarded(command, body, *warrant))
        return True

    def _request(self, request: bytes, warrant: Warrant | None) -> None:
        """Send a Modbus request; a write goes as one that is carried out in time or never."""
        if not self._may_send():
            return
        if request[1] == rtu.READ:
            sent = self.channel.frame(commands.TRANSPARENT, request)
        else:
            warrant = warrant or Warrant.within(WRITE_SECONDS, self._context.clock)
            sent = self.channel.guarded(commands.TRANSPARENT, request, *warrant)
        self._transport.write(sent)

    # === Within its bounds === #

    def tick(self, now: float) -> None:
        """End what takes too long; called about once a second."""
        settings = self._context.settings
        self._taken = max(0.0, self._taken - (now - self._ticked) * settings.frame_rate)
        self._ticked = now
        if self.channel.secured and self.proven is None:
            if now - self._since > settings.handshake_timeout:
                self.cut("it did not prove its link in time")
        elif self.link is None:
            limit = settings.register_timeout
            if self._waiting:
                limit += 2 * settings.probe_timeout
            if now - self._since > limit:
                self.cut("it did not register in time")
        elif self.proven is not None and now - self._since > settings.session_timeout:
            self.cut("its link must prove itself again")
        elif now - self._last > settings.idle_timeout:
            self.cut("it was silent for too long")
        elif (
            self.requests.missed >= MISSED_LIMIT and now - self._last > 2 * settings.request_timeout
        ):
            self.cut("it does not answer")
        if self._paused:
            self.go_on()
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
        backlog = self._backlog
        while backlog and not self.closed:
            intake = self._intake
            if intake is None:
                self._enter(backlog.popleft())
            elif self._is_full():
                break
            else:
                self._taken += 1
                intake.take(backlog.popleft())
        if not self.closed and self._is_full():
            self._pause()

    def _is_full(self) -> bool:
        """Whether too many frames wait for their commit, or came lately."""
        intake = self._intake
        return intake is not None and (intake.crowds(1) or self._taken >= self._burst)

    def go_on(self) -> None:
        """Take up again what was put off."""
        if not self._paused or self._hushed or self.closed:
            return
        self._work_off()
        if not self.closed and not self._is_full():
            self._paused = False
            if self._begun is not None:
                self._begun = self._loop.time()
            self._transport.resume_reading()

    def abuse(self, reason: str, kind: str = "link_abuse", link_id: int | None = None) -> None:
        """Cut a connection for its bytes, with an event where it is known whose it is."""
        link = self.link or self.proven
        if link is not None:
            link_id = link.id
        if kind == "certificate_refused" or (kind and link is not None):
            self._context.incidents.note(
                kind, Subject(link=link_id), f"{self.peer} was cut: {reason}."
            )
        if link is None:
            self._context.counters.refused += 1
        self.cut(reason)

    def impostor(self, what: str) -> None:
        """Cut a connection that speaks for a meter that is not its link's."""
        link = self.link or self.proven
        self._context.incidents.note(
            "identity_mismatch",
            Subject(link=link.id),
            f"{self.peer}, which is {link.serial}, sent a frame of {what}, which is not a meter of "
            "this link. The connection was closed and the frame not heeded.",
        )
        self.cut(f"it sent a frame of {what}, which is none of its meters")

    def cut(self, reason: str) -> None:
        """Close the socket; nothing is sent or handled any more."""
        if not self.closed:
            log.info("%s: closed, %s.", self, reason)
            self.closed = True
            self._transport.abort()

    # === Its link === #

    def hold(self, serial: bytes) -> float:
        """Return for how many seconds the answer to a hello in this name is held back."""
        return self.listener.failures.hold(self.host, serial.rstrip(b"\0"))

    def key_reused(self) -> None:
        """Close: the database knows the hello's boot counter already, or not the key any more."""
        self.abuse(
            "its hello was used before, or its key was revoked while it proved itself",
            "handshake_failed",
        )

    def _enter(self, frame: Frame) -> None:
        """Handle a frame of a peer that is not registered: the first one registers it."""
        if self._waiting:
            return
        if frame.command != commands.REGISTER:
            self.abuse("its first frame is no registration")
            return
        try:
            self.registration = commands.parse_register(frame.body)
        except ProtocolError as error:
            self.abuse(f"its registration is wrong: {error}")
            return
        if self.proven is not None and self.registration.serial != self.proven.serial:
            self.impostor(f"the serial number {self.registration.serial}")
            return
        self._server.register(self)

    def accept(self, link: LinkSpec) -> None:
        """Become the connection of a link: acknowledge, look at its meters, poll them."""
        self._waiting = False
        self.requests = Requests(self._request, self._context.settings.request_timeout)
        self._intake = Intake(self, self._context)
        if self.channel.secured and self.registration.firmware[0].startswith(AGENT_MARK):
            timeout = self._context.settings.request_timeout
            self.entrusted = Entrusted(self._instruct, timeout, self._context.clock)
        self._rivalry = Rivalry(self, self._context)
        self.send(commands.REGISTER)
        about = {"serial": link.serial, "peer": self.peer}
        log.info("%s registers as %s.", self.peer, link.serial, extra=about)
        self.bind(link)

    def rebind(self, link: LinkSpec) -> None:
        """Take what the link is now."""
        if self.proven is not None:
            self.proven = link
        if self.link is not None and self.link != link:
            self.bind(link)

    def bind(self, link: LinkSpec) -> None:
        """Take the meters that are behind the link now."""
        for unit in self._units.values():
            unit.stop()
        self.link = link
        self._units = units_of(self, link, self._server, self._context)
        self._intake.bound()
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
        self._rivalry.challenge(rival)

    def lost_epoch(self) -> None:
        """Another process owns the link now: this connection sends nothing any more."""
        self.cut("another process has taken over its link")

    async def check_epoch(self) -> None:
        """Ask the database whether this connection still owns its link."""
        if not await owns(self, self._context):
            self.lost_epoch()
