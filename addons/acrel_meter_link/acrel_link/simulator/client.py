"""The network side of a simulated meter: it dials out, registers, uploads, answers."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from .. import commands, rtu
from ..crc import seal
from ..errors import ProtocolError
from ..profiles import BILLING_COLUMN
from ..writes import FRAMES
from .device import LOCAL, NS, Device
from .lines import Line, LineError, PlainLine
from .options import Options
from .upload import Uploads

log = logging.getLogger(__name__)

BACKOFF = 0.2, 5.0  # s before the first and any later attempt to connect again
CONNECT_SECONDS = 10  # a kernel alone would ask a full queue again after 1, 2, 4 … 64 s
NO_SUCH_REGISTER = 2


class Client:
    """One meter: its device, and its connection while it has one."""

    def __init__(
        self,
        serial: str,
        place: float,
        device: Device,
        options: Options,
        sequence: int = 0,
        lines: Callable[[], Line] = PlainLine,
        *,
        acknowledgement_times: deque[float],
    ):
        self.serial = serial
        self.device = device
        self.options = options
        self.connected = self.registered = False
        self.uploads_sent = self.uploads_acknowledged = 0
        self.polls_answered = self.readings_answered = 0
        self.acknowledgement_times = acknowledgement_times  # s
        self.paused = options.paused  # it uploads nothing new
        self.connections = 0
        self.configured: list[tuple[int, bytes]] = []  # commands 82, 87 and 88
        self.uploads = Uploads(serial, device)
        self.sequence = sequence  # of the last upload; goes on over a restart
        self.lines = lines  # makes the way of frames of a new connection
        self.unacknowledged: bytes | None = (
            None  # an upload's body; outlives the connection, as in a real meter
        )
        self._place = place  # 0 to 1, so that many meters do not speak all at once
        self._session: _Session | None = None
        self._quiet_until: float | None = None
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        loop = asyncio.get_running_loop()
        first, most = BACKOFF
        delay = first
        await asyncio.sleep(min(self._place, 1.0) * min(self.options.interval, 1.0))
        try:
            while True:
                await self._unless_vanished()
                try:
                    async with asyncio.timeout(CONNECT_SECONDS):
                        _, session = await loop.create_connection(
                            lambda: _Session(self), *self.options.connect
                        )
                except OSError:  # and TimeoutError, which is one
                    pass  # nobody listens there now: tried again, as a meter does
                else:
                    self._session = session
                    await session.closed.wait()
                    if session.registered_once:
                        delay = first
                await asyncio.sleep(delay)
                delay = min(delay * 2, most)
        finally:
            if self._session is not None:
                self._session.abort()

    async def _unless_vanished(self) -> None:
        loop = asyncio.get_running_loop()
        while (seconds := self.device.faults.vanish) is not None:
            self._wake.clear()
            if self._quiet_until is None:
                self._quiet_until = loop.time() + seconds if seconds else float("inf")
            left = self._quiet_until - loop.time()
            if left <= 0:
                self.device.faults.clear("vanish")
                break
            try:
                await asyncio.wait_for(self._wake.wait(), min(left, 3600))
            except TimeoutError:
                continue
        self._quiet_until = None

    async def gone(self) -> None:
        """Wait until the last connection is closed."""
        if self._session is not None:
            await self._session.closed.wait()

    def upload_now(self) -> None:
        """Upload without waiting for the interval."""
        if self.registered:
            self._session.upload()

    def pause(self, paused: bool) -> None:
        """Upload nothing new, or go on."""
        self.paused = paused
        if not paused and self.registered and not self.options.interval:
            self._session.upload()

    def faults_changed(self) -> None:
        """Take notice of a fault that concerns the connection."""
        self._quiet_until = None
        self._wake.set()
        if self.device.faults.vanish is not None and self._session is not None:
            self._session.abort()

    def state(self) -> dict:
        """Return what an observer beside the meter would see."""
        now = time.time_ns()
        device = self.device
        device.advance(now)
        return {
            "serial": self.serial,
            "connected": self.connected,
            "registered": self.registered,
            "connections": self.connections,
            "relay": device.relay,
            "contactor": device.contactor,
            "plugged": device.plugged,
            "load": device.load,
            "power": device.power(now),
            "register": device.register(now),
            "relay_writes": [[at, closed] for at, closed in device.relay_writes],
            "writes": list(device.writes),
            "configured": [[command, body.hex()] for command, body in self.configured],
            "uploads_sent": self.uploads_sent,
            "uploads_acknowledged": self.uploads_acknowledged,
            "polls_answered": self.polls_answered,
            "readings_answered": self.readings_answered,
            "faults": device.faults.active(),
        }


class _Session(asyncio.Protocol):
    """One connection of a meter."""

    def __init__(self, client: Client):
        self._client = client
        self._device = client.device
        self._faults = client.device.faults
        self._options = client.options
        self._loop = asyncio.get_running_loop()
        self._line = client.lines()
        self._transport: asyncio.Transport | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._due = self._begun = False
        self._sent_at = 0.0
        self.closed = asyncio.Event()
        self.registered_once = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._client.connected = True
        self._client.connections += 1
        self._line.start(self._write)
        self._begin()

    def _begin(self) -> None:
        """Register as soon as the line is open."""
        if self._line.is_open:
            self._begun = True
            self._register()

    def connection_lost(self, error: Exception | None) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._client.connected = self._client.registered = False
        self.closed.set()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _later(self, name: str, seconds: float, what) -> None:
        if timer := self._timers.get(name):
            timer.cancel()
        self._timers[name] = self._loop.call_later(seconds, what)

    # === Down === #

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._line.feed(data)
        except LineError as error:
            log.warning("%s: %s", self._client.serial, error)
            self.abort()
            return
        if not self._begun:
            self._begin()
        for command, body in frames:
            if command == commands.UPLOAD:
                self._upload_acknowledged()
            elif command == commands.TRANSPARENT:
                self._asked(body)
            elif command == commands.REGISTER:
                self._register_acknowledged()
            elif command == commands.TIME:
                self._time_told(body)
            elif command in FRAMES:
                self._client.configured.append((command, body))
                self._send(command)

    def _asked(self, body: bytes) -> None:
        """Answer a Modbus request; a slave that is not meant, or sees a broken one, is silent."""
        faults = self._faults
        try:
            request = rtu.parse_request(body)
        except ProtocolError:
            return
        if request.slave != 1 or (faults.no_reply is not None and self._unanswered()):
            return
        reply = seal(bytes((request.slave,)) + self._pdu(request))
        serial = commands.build_serial(self._client.serial)
        if faults.slow:
            self._loop.call_later(faults.slow, self._send, commands.TRANSPARENT, serial + reply)
        else:
            self._send(commands.TRANSPARENT, serial + reply)

    def _unanswered(self) -> bool:
        if self._faults.no_reply:
            self._faults.take("no_reply")
        return True

    def _pdu(self, request: rtu.ReadRequest | rtu.WriteRequest) -> bytes:
        now = time.time_ns()
        if isinstance(request, rtu.ReadRequest):
            data = self._device.read(
                now,
                request.start,
                request.count,
                shown_zero=self._shows_energy(request.start, request.count)
                and self._device.faults.take("zero_register"),
            )
            if data is None:
                return bytes((rtu.READ | rtu.EXCEPTION, NO_SUCH_REGISTER))
            self._client.polls_answered += 1
            self._client.readings_answered += (
                request.start,
                request.count,
            ) == self._device.profile.billing[0]
            return bytes((rtu.READ, len(data))) + data
        if not self._device.write(now, request.start, request.values):
            return bytes((rtu.WRITE | rtu.EXCEPTION, NO_SUCH_REGISTER))
        head = request.start.to_bytes(2, "big") + len(request.values).to_bytes(2, "big")
        return bytes((rtu.WRITE,)) + head

    def _shows_energy(self, start: int, count: int) -> bool:
        return any(
            BILLING_COLUMN in register.reading
            for register in self._device.profile.map.inside(start, count)
        )

    # === Up === #

    def _send(self, command: int, body: bytes = b"") -> None:
        if self._transport.is_closing():
            return
        frame = self._line.frame(command, body)
        if self._faults.on:
            self._write(self._line.wrap(self._spoiled(frame)))
        else:
            self._transport.write(self._line.wrap(frame))

    def _spoiled(self, frame: bytes) -> bytes:
        """Return what the faults make of a frame."""
        faults = self._faults
        if faults.take("wrong_crc"):
            frame = frame[:-4] + bytes((frame[-4] ^ 0xFF, frame[-3])) + frame[-2:]
        if faults.garbage is not None:
            frame = bytes((7 * at + len(frame)) % 251 for at in range(int(faults.garbage))) + frame
        return frame

    def _write(self, data: bytes) -> None:
        """Send bytes, each alone where the fault says so."""
        if self._faults.split is None:
            self._transport.write(data)
            return
        for byte in data:
            self._transport.write(bytes((byte,)))

    def _register(self) -> None:
        minutes = min(max(round(self._options.interval / 60), 1), 255)
        serial = self._client.serial
        told = commands.Registration(serial, f"898604{serial}", 26, ("1.0", "1.0", "1.0"), minutes)
        self._send(commands.REGISTER, commands.register_body(told))
        self._later("register", self._options.retry, self._register)

    def _register_acknowledged(self) -> None:
        if self._client.registered:
            return
        self._timers.pop("register").cancel()
        self._client.registered = self.registered_once = True
        self._send(commands.TIME, commands.build_serial(self._client.serial))
        self._later("heartbeat", self._options.heartbeat, self._heartbeat)
        if self._client.unacknowledged is not None:
            self._transmit()
            self._due = True
        else:
            self.upload()

    def _time_told(self, body: bytes) -> None:
        try:
            told = commands.parse_time_answer(body)
        except ProtocolError:
            return
        local = int(told.replace(tzinfo=LOCAL).timestamp()) * NS
        self._device.clock_offset = local - time.time_ns()

    def _heartbeat(self) -> None:
        if self._line.worn_out:
            self.abort()  # a new connection brings new session keys
            return
        self._send(commands.HEARTBEAT)
        self._later("heartbeat", self._options.heartbeat, self._heartbeat)

    def upload(self) -> None:
        """Send the registers now, or as soon as the upload before is acknowledged."""
        if self._options.interval:
            self._later("upload", self._options.interval, self.upload)
        client = self._client
        if client.unacknowledged is not None:
            self._due = True
            return
        if client.paused:
            return
        zero = self._faults.on and self._faults.take("zero_register")
        client.sequence = (client.sequence + 1) % 0x10000
        client.unacknowledged = client.uploads.body(time.time_ns(), client.sequence, zero)
        client.uploads_sent += 1
        self._transmit()

    def _transmit(self) -> None:
        body = self._client.unacknowledged
        self._send(commands.UPLOAD, body)
        if self._faults.duplicate is not None:
            self._send(commands.UPLOAD, body)
        self._sent_at = self._loop.time()
        if "retry" not in self._timers:
            self._timers["retry"] = self._loop.call_later(self._options.retry, self._retry)

    def _retry(self) -> None:
        """Send an upload again that was not acknowledged in time; one timer for all of them."""
        del self._timers["retry"]
        if self._client.unacknowledged is None:
            return
        left = self._sent_at + self._options.retry - self._loop.time()
        if left > 0:
            self._timers["retry"] = self._loop.call_later(left, self._retry)
        else:
            self._transmit()

    def _upload_acknowledged(self) -> None:
        client = self._client
        if client.unacknowledged is None:
            return
        client.unacknowledged = None
        client.uploads_acknowledged += 1
        client.acknowledgement_times.append(self._loop.time() - self._sent_at)
        if self._due or not self._options.interval:
            self._due = False
            self.upload()
