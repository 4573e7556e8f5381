"""One meter on its present connection: polled, read on demand, its readings checked."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from . import rtu
from .clock import to_date
from .context import Context
from .entrusted import Entrusted
from .errors import RefusedError, WriteRefusedError
from .incidents import Subject
from .master import MeterSpec
from .meter_clock import MeterClock
from .months import Months
from .output import Output
from .output_mode import OutputMode, read_mode
from .poller import Poller
from .reading import POLL, Reading
from .register_map import Block
from .snapshots import Snapshots
from .status import Status
from .transparent import Warrant
from .writes import Write

log = logging.getLogger(__name__)

TOO_MUCH = (2, 3)  # Modbus exceptions of a meter that does not answer so many registers at once


class Unit:
    """A meter behind a connection; gone with it."""

    __slots__ = (
        "_blocks",
        "_context",
        "_loop",
        "_may_have_fallen",
        "_modes",
        "_months",
        "_poller",
        "_relays",
        "_stopped",
        "clock",
        "line",
        "outputs",
        "profile",
        "snapshots",
        "spec",
        "status",
    )

    def __init__(self, line, spec: MeterSpec, outputs: list[Output], context: Context):
        self.line, self.spec, self.outputs = line, spec, outputs
        self._context = context
        self._loop = asyncio.get_running_loop()
        self.profile = spec.profile
        self.status = Status(spec.id, self.profile, context)
        self.clock = MeterClock(self, context)
        self.snapshots = Snapshots(self, context)
        self._months = Months(self, context)
        self._blocks = self.profile.billing
        self._modes: dict[int, OutputMode] = {}
        self._stopped = False
        self._may_have_fallen = True  # an event about it may be open from before
        self._poller = Poller(self, context)
        block = self.profile.output_block
        self._relays = rtu.read_request(spec.slave, *block) if outputs and block else b""

    def __str__(self):
        return f"meter {self.spec.id}"

    @property
    def about(self) -> dict[str, str]:
        """Whose it is, for the log: the meter's own serial number where it is known."""
        own = {"serial": self.spec.serial} if self.spec.serial else {}
        return self.line.about | own

    @property
    def link_id(self) -> int:
        """The link it speaks through."""
        return self.line.link.id

    @property
    def epoch(self) -> int | None:
        """The claim of its connection; None until PostgreSQL granted it."""
        return self.line.epoch

    @property
    def entrusted(self) -> Entrusted | None:
        """What a meter agent at the site watches too; None where there is none."""
        return self.line.entrusted

    def start(self) -> None:
        """Begin: look at the outputs at once, and poll at this meter's own times."""
        for output in self.outputs:
            output.attach(self)
        self._poller.start()
        self.snapshots.start()

    def stop(self) -> None:
        """End with the connection."""
        self._stopped = True
        self._poller.stop()
        self.snapshots.stop()
        self._months.stop()
        for output in self.outputs:
            if output.unit is self:
                output.detach()

    # === Polling === #

    def poll_soon(self) -> None:
        """Set the time of the next poll anew, because an output changed."""
        self._poller.changed()

    def poll(self, done: Callable[[bool], None]) -> None:
        """Read the billing registers, and the relays where one may be closed.

        :param done: told whether the meter answered
        """
        self._read(self._blocks, partial(self._polled, done), urgent=False)

    def _polled(self, done, reading: Reading | None, error: Exception | None) -> None:
        if self._stopped:
            return
        if error is not None:
            log.info("%s did not answer a poll: %s", self, error)
        else:
            self._months.look()
        if self._relays and any(output.busy or output.wanted for output in self.outputs):
            relays = partial(self._relays_polled, done, error is None)
            self.line.requests.submit(self._relays, relays)
            return
        done(error is None)

    def _relays_polled(self, done, answered: bool, data: bytes, error: Exception | None) -> None:
        if self._stopped:
            return
        if error is None:
            self.relays_told(data)
        done(answered or error is None)

    def read_now(self) -> None:
        """Read the billing registers out of turn."""
        if not self._stopped:
            self._read(self._blocks, self._read_out_of_turn, urgent=True)

    def _read_out_of_turn(self, reading: Reading | None, error: Exception | None) -> None:
        if error is not None and not self._stopped:
            log.info("%s was not read in time: %s", self, error)

    # === Reading === #

    def _read(self, blocks: tuple[Block, ...], done, urgent: bool, got: bytes = b"") -> None:
        """Read blocks one after the other into one reading."""
        at = len(got) // 2
        for start, count in blocks:
            if at == 0:
                frame = rtu.read_request(self.spec.slave, start, count)
                break
            at -= count
        self.line.requests.submit(
            frame, partial(self._block_read, blocks, done, urgent, got), urgent
        )

    def _block_read(self, blocks, done, urgent, got, data: bytes, error: Exception | None) -> None:
        too_much = isinstance(error, RefusedError) and error.code in TOO_MUCH
        if too_much and blocks is self.profile.billing:
            self._blocks = self.profile.billing_parts
            self._read(self._blocks, done, urgent)
            return
        if error is not None:
            done(None, error)
            return
        got += data
        plan = self.profile.layout(*blocks)
        if len(got) < plan.size:
            self._read(blocks, done, urgent, got)
            return
        stamp = self._context.clock.stamp()
        reading = Reading(
            self.spec.id,
            self.link_id,
            stamp,
            POLL,
            plan.shape,
            plan.unpack(got),
            plan.clock(got, to_date(stamp)),
            frame=got,
        )
        self.clock.seen(plan, got, reading.clock, stamp)
        self._context.writer.add((reading,))
        self.arrived(reading)
        done(reading, None)

    async def billing(self) -> Reading:
        """Read the billing registers now and store them."""
        future = self._loop.create_future()

        def done(reading: Reading | None, error: Exception | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(reading)
            else:
                future.set_exception(error)

        self._read(self._blocks, done, urgent=True)
        return await future

    async def read_patiently(self, block: Block) -> bytes | None:
        """Read a block when nothing else is asked; None where the meter does not have it."""
        future = self._loop.create_future()

        def done(data: bytes, error: Exception | None) -> None:
            if future.done():
                return
            if error is None or isinstance(error, RefusedError):
                future.set_result(data if error is None else None)
            else:
                future.set_exception(error)

        request = rtu.read_request(self.spec.slave, *block)
        self.line.requests.submit(request, done, patient=True)
        return await future

    def arrived(self, reading: Reading) -> None:
        """Check a reading, from a poll or an upload, and hand it to the outputs."""
        meter_id, context = self.spec.id, self._context
        context.polls.heard(meter_id)
        register = reading.get("e_forward")
        if register is not None:
            registers = context.master.registers
            known = registers.get(meter_id)
            if known is not None and register < known:
                self._fallen(register, known)
            else:
                registers[meter_id] = register
                if self._may_have_fallen:
                    self._may_have_fallen = False
                    context.incidents.end("register_fell", Subject(meter=meter_id))
        for output in self.outputs:
            output.arrived(reading, register)

    def _fallen(self, register: int, known: int) -> None:
        self._may_have_fallen = True
        self._context.incidents.begin(
            "register_fell",
            Subject(meter=self.spec.id),
            f"The billing register fell from {known} to {register}. Such readings are "
            "stored, but neither shown as the newest nor billed; a replaced meter is a "
            "new meter here.",
        )

    # === Digital outputs and inputs === #

    async def mode(self, number: int) -> OutputMode:
        """Return how an output is set up, read once a connection."""
        if number not in self._modes:
            self._modes[number] = await read_mode(self, self.profile.outputs[number])
            self._tell_driver()
        return self._modes[number]

    def _tell_driver(self) -> None:
        """Begin or end the event about outputs that something else drives."""
        for output in self.outputs:
            mode = self._modes.get(output.spec.number)
            if mode is None:
                continue
            subject = Subject(meter=self.spec.id, output=output.spec.id)
            if mode.driver:
                self._context.incidents.begin(
                    "output_driver",
                    subject,
                    f"Output {output.spec.number} is driven by an alarm or an input of the meter "
                    f"(setting {mode.driver}), so it does not obey: set its driver to 0, remote.",
                )
            else:
                self._context.incidents.end("output_driver", subject)

    def relays_told(self, data: bytes) -> None:
        """Take the bytes of the output block; a relay that gives pulses tells nothing by them."""
        for output in self.outputs:
            mode = self._modes.get(output.spec.number)
            if mode is not None and not mode.pulse:
                output.relay_read(self.relay_state(output.spec.number, data))

    def relay_state(self, number: int, data: bytes) -> bool | None:
        """Return an output's state, of the bytes of the profile's output block."""
        return self.profile.relay_state(number, data)

    async def read_relay(self, number: int) -> bool | None:
        """Read an output's registers back; None when they are neither open nor closed."""
        return self.relay_state(number, await self.line.requests.ask(self._relays))

    async def read_inputs(self) -> int:
        """Read the digital inputs, one bit each."""
        request = rtu.read_request(self.spec.slave, *self.profile.input_block)
        return int.from_bytes(await self.line.requests.ask(request), "big")

    async def write_relay(self, number: int, closed: bool, warrant: Warrant) -> None:
        """Write an output's registers, a level and no pulse: repeating it is harmless."""
        drive = self.profile.outputs[number]
        values = drive.close if closed else drive.open
        request = rtu.write_request(self.spec.slave, drive.register, values)
        await self.line.requests.ask(request, warrant)

    # === Orders === #

    async def write(self, write: Write, check: bool = True) -> None:
        """Write registers and read them back, which alone proves anything.

        :param check: False for registers that go on by themselves
        :raise WriteRefusedError: when they read otherwise
        """
        slave = self.spec.slave
        await self.line.requests.ask(rtu.write_request(slave, write.start, write.words))
        self._modes.clear()  # it may have been one of them
        read = rtu.read_request(slave, write.start, len(write.words))
        held = await self.line.requests.ask(read)
        if check and held != write.data:
            raise WriteRefusedError(
                f"Registers {write.start:04X}H on read {held.hex(' ', 2)} after "
                f"{write.data.hex(' ', 2)} was written: the meter did not take it."
            )
