"""One meter: polled, whether or not the line is there, and asked what the server wants to know."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from acrel_link.commands import ALARM, UPLOAD
from acrel_link.crc import seal
from acrel_link.errors import ProtocolError, RefusedError
from acrel_link.registers import ALARM_BLOCK, BY_NAME, CLOCK, OUTPUT_BLOCK, OUTPUTS, describe
from acrel_link.rtu import EXCEPTION, READ, WRITE, ReadRequest, WriteRequest
from acrel_link.uploads import build_upload

from . import allowed
from .bus import Bus
from .clock import Clock
from .config import METER_CLOCK, MeterConfig
from .errors import BusError
from .guards import Guards

log = logging.getLogger(__name__)

# What an upload carries, in the form of the 4G modules: one block has the clock, one the energies.
UPLOAD_BLOCKS = ((BY_NAME["pt"].address, 46), (BY_NAME["e_total"].address, 32))
_STATUS = BY_NAME["alarm1_status"]
_CLOCK_AT = 2 * (CLOCK.address - UPLOAD_BLOCKS[0][0])
_ENERGY_AT = 2 * (BY_NAME["e_forward"].address - UPLOAD_BLOCKS[1][0])

# Modbus exceptions that the agent itself answers with
ILLEGAL_ADDRESS, DEVICE_FAILURE, GATEWAY_NO_ANSWER = 2, 4, 11


class Meter:
    """A meter on a bus; `spool(slave, command, body)` keeps what is to be uploaded."""

    def __init__(
        self,
        config: MeterConfig,
        bus: Bus,
        clock: Clock,
        zone: tzinfo,
        maintenance: bool,
        spool: Callable[[int, int, bytes], None],
    ):
        self.config, self.bus = config, bus
        self.guards: Guards | None = None
        self._clock, self._zone, self._maintenance = clock, zone, maintenance
        self._spool = spool
        self._closed = False  # one of its relays, when last seen
        self._alarms: int | None = None  # the status word that was last told
        self._silent = False
        self._soon = asyncio.Event()

    @property
    def slave(self) -> int:
        """Its address behind the link."""
        return self.config.slave

    # === Polling === #

    async def run(self) -> None:
        """Poll until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            self._soon.clear()
            await self.poll()
            guarded = self.guards is not None and self.guards.watches(self.slave)
            often = self._closed or guarded
            interval = self.config.poll_closed if often else self.config.poll_idle
            try:
                async with asyncio.timeout_at(begun + interval):
                    await self._soon.wait()
            except TimeoutError:
                continue

    async def poll(self) -> bool:
        """Read the meter once and keep what it said; False when it did not answer."""
        try:
            await self._read()
        except (BusError, ProtocolError) as error:
            if not self._silent:
                log.warning("%s", error)
            self._silent = True
            return False
        if self._silent:
            log.info("Meter %d on %s answers again.", self.config.address, self.bus)
            self._silent = False
        return True

    async def _read(self) -> None:
        address = self.config.address
        first, second = [
            await self.bus.read(address, start, number) for start, number in UPLOAD_BLOCKS
        ]
        measured = self._clock.now()
        register = int.from_bytes(second[_ENERGY_AT : _ENERGY_AT + 4], "big")
        if self.guards is not None:
            self.guards.measured(self.slave, register)
        if self.config.clock != METER_CLOCK and self._clock.trusted:
            first = first[:_CLOCK_AT] + self._clock_bytes(measured) + first[_CLOCK_AT + 6 :]
        self._spool(self.slave, UPLOAD, build_upload(None, self.slave, [first, second]))
        self._relays_seen(await self.bus.read(address, *OUTPUT_BLOCK))
        await self._look_for_alarms()

    def _clock_bytes(self, unix: float) -> bytes:
        local = datetime.fromtimestamp(unix, UTC).astimezone(self._zone)
        return bytes(
            (local.second, local.minute, local.hour, local.day, local.month, local.year % 100)
        )

    def _relays_seen(self, data: bytes) -> None:
        closed = bool((data[1] | data[3]) & 1)
        if closed and not self._closed:
            self._soon.set()  # the interval is a shorter one now
        self._closed = closed

    async def _look_for_alarms(self) -> None:
        """Tell the alarm registers when the status word changed."""
        address = self.config.address
        word = await self.bus.read(address, _STATUS.address, _STATUS.words)
        if int.from_bytes(word, "big") == self._alarms:
            return
        data = await self.bus.read(address, *ALARM_BLOCK)
        self._spool(self.slave, ALARM, build_upload(None, self.slave, [data]))
        self._alarms = describe(ALARM_BLOCK[0], data)["alarm1_status"]

    # === What the server asks === #

    async def answer(self, request: ReadRequest | WriteRequest) -> bytes:
        """Forward a Modbus request to the bus; return the RTU reply, never raise."""
        function = READ if isinstance(request, ReadRequest) else WRITE
        head = bytes((self.slave,))
        try:
            if not allowed.may(request, self._maintenance):
                log.warning("A write of register %04XH of meter %d was refused: it is not on the "
                            "list of this agent.", request.start, self.slave)  # fmt: skip
                return seal(head + bytes((function | EXCEPTION, ILLEGAL_ADDRESS)))
            if isinstance(request, ReadRequest):
                address = self.config.address
                data = await self.bus.read(address, request.start, request.count, urgent=True)
                return seal(head + bytes((READ, len(data))) + data)
            if not await self._write(request):
                return seal(head + bytes((WRITE | EXCEPTION, DEVICE_FAILURE)))
            place = request.start.to_bytes(2, "big") + len(request.values).to_bytes(2, "big")
            return seal(head + bytes((WRITE,)) + place)
        except RefusedError as error:
            return seal(head + bytes((function | EXCEPTION, error.code)))
        except (BusError, ProtocolError) as error:
            log.info("%s", error)
            return seal(head + bytes((function | EXCEPTION, GATEWAY_NO_ANSWER)))

    async def _write(self, request: WriteRequest) -> bool:
        closes = False
        for number, register in OUTPUTS.items():
            at = register.address - request.start
            if 0 <= at < len(request.values) and request.values[at] & 1:
                closes = True
                if self.guards is not None and self.guards.closed_for_good(self.slave, number):
                    log.warning("Output %d of meter %d is not closed: its guard has tripped.",
                                number, self.slave)  # fmt: skip
                    return False
        await self.bus.write(self.config.address, request.start, request.values)
        if closes:
            self._closed = True
            self._soon.set()
        return True

    async def open(self, output: int) -> None:
        """Open a relay; return when it reads open, raise when it does not."""
        address = self.config.address
        await self.bus.write(address, OUTPUTS[output].address, (0,))
        data = await self.bus.read(address, *OUTPUT_BLOCK, urgent=True)
        if data[2 * output - 1] & 1:
            raise BusError(f"relay {output} of meter {address} on {self.bus} reads closed.")
