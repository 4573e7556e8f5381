"""What a registered link sends: each frame handled by its command, answered when it is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from datetime import datetime
from functools import partial
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING

from . import commands
from .clock import to_date
from .context import Context
from .errors import BodyError, ProtocolError
from .frames import Frame
from .guard_order import GUARD, parse_report
from .incidents import Subject
from .profiles import DEFAULT, profile
from .reading import UPLOAD, Reading
from .unit import Unit
from .uploads import Upload, parse_upload
from .writes import FRAMES

if TYPE_CHECKING:
    from .connection import Connection

log = logging.getLogger(__name__)

UNSTORED_LIMIT = 64  # frames of one connection that wait for their commit before it is read on
CROSSING = 1.0
"""A frame that comes again within so many s of its acknowledgement was sent before that arrived, or
the peer sends nothing else for as long."""


class Intake:
    """The frames of one connection after it registered."""

    __slots__ = (
        "_alarm_changes",
        "_alarms",
        "_answered",
        "_answered_at",
        "_context",
        "_crossing",
        "_line",
        "_serials",
        "_slaves",
        "_unstored",
        "profile",
    )

    def __init__(self, line: Connection, context: Context):
        self.profile = profile(DEFAULT)
        self._line, self._context = line, context
        self._slaves: set[int] = set()  # slave addresses that were the link's since it registered
        self._serials: dict[str, int] = {}  # of the link's meters, with their slave addresses
        self._unstored: set[Hashable] = set()  # frames that wait for their commit
        self._answered: Hashable = None  # the frame that was acknowledged last
        self._answered_at = 0.0
        self._crossing: asyncio.TimerHandle | None = None  # its second acknowledgement
        self._alarms: dict[int, bytes] = {}  # the last one of each meter
        self._alarm_changes = 0

    def crowds(self, count: int) -> bool:
        """Tell whether so many frames more are too many to wait for their commit."""
        return len(self._unstored) + count > UNSTORED_LIMIT

    def bound(self) -> None:
        """Take notice of the meters that are behind the link now."""
        # an answer of a meter that was taken away a moment ago is no attempt at anything
        self._slaves.update(unit.spec.slave for unit in self._line.units)
        self._serials = {
            unit.spec.serial: unit.spec.slave for unit in self._line.units if unit.spec.serial
        }
        self.profile = next((unit.profile for unit in self._line.units), profile(DEFAULT))

    def take(self, frame: Frame) -> None:
        """Handle one frame; one of an unknown command is passed over."""
        handler = _HANDLERS.get(frame.command)
        if handler is not None:
            try:
                handler(self, frame.body)
            except ProtocolError as error:
                self._refuse(frame, str(error))

    def _refuse(self, frame: Frame, reason: str) -> None:
        """Keep a frame whose body is wrong, acknowledged like a right one, or it comes for ever."""
        log.info("%s: a frame %02X is refused: %s", self._line, frame.command, reason)
        if frame.command not in (commands.UPLOAD, commands.ALARM, commands.SETPOINTS):
            return
        self._note("reading_refused", f"A frame was refused: {reason}")
        self._keep(reason, frame.command, frame.body)

    def _keep(self, reason: str, command: int, body: bytes) -> None:
        frame = bytes((command,)) + body
        digest = _digest(frame)
        if self._comes_again(digest, command):
            return
        self._unstored.add(digest)
        self._context.writer.quarantine(
            reason, frame, self._line.link.id, waiting=partial(self._committed, digest, command)
        )

    def _committed(self, key: Hashable, command: int) -> None:
        """Acknowledge a frame that is stored, and go on where too many waited."""
        self._unstored.discard(key)
        self._answered, self._answered_at = key, monotonic()
        self._line.send(command)
        self._line.go_on()

    def _comes_again(self, key: Hashable, command: int) -> bool:
        """Tell whether a frame came again that is acknowledged already, or will be.

        An acknowledgement says not which frame it means. Given twice to a peer that went on, it
        would stand for the next upload, which may not be stored yet.
        """
        if self._crossing is not None:
            self._crossing.cancel()
            self._crossing = None
        if key in self._unstored:
            return True
        if key != self._answered or monotonic() >= self._answered_at + CROSSING:
            return False
        # a peer that does not go on waits for it
        again = asyncio.get_running_loop().call_later
        self._crossing = again(CROSSING, self._committed, key, command)
        return True

    def _note(self, kind: str, message: str) -> None:
        self._context.incidents.note(kind, Subject(link=self._line.link.id), message)

    def _is_mine(self, serial: str | None, slave: int | None = None) -> bool:
        """Tell whether the link may speak for this serial number and slave address.

        A frame may bear the link's serial number, or that of the meter with its slave address. One
        of any other meter ends the connection.
        """
        line = self._line
        if slave is not None and slave not in self._slaves:
            line.impostor(f"the slave address {slave}")
            return False
        if serial is None or serial == line.link.serial:
            return True
        known = self._serials.get(serial)
        if known is None or (slave is not None and slave != known):
            line.impostor(f"the serial number {serial}")
            return False
        return True

    def _local(self) -> datetime:
        """Return now in the meters' local time."""
        return self._context.clock.now() + self._context.settings.meter_time.utcoffset(None)

    # === By command === #

    def _registered_again(self, body: bytes) -> None:
        registration = commands.parse_register(body)
        if registration.serial != self._line.link.serial:
            self._line.impostor(f"the serial number {registration.serial}")
            return
        self._line.registration = registration
        self._line.send(commands.REGISTER)

    def _asked_time(self, body: bytes) -> None:
        if self._is_mine(commands.parse_time_request(body)):
            self._line.send(commands.TIME, commands.time_answer(self._local()))

    def _beat(self, body: bytes) -> None:
        self._is_mine(commands.parse_heartbeat_nb(body))

    def _replied(self, body: bytes) -> None:
        reply = commands.parse_transparent(body)
        if self._is_mine(reply.serial, reply.rtu[0] if reply.rtu else None):
            self._line.requests.replied(reply.rtu)

    def ordered(self, command: int, body: bytes) -> None:
        """Take the answer to a command that configures the meter."""
        self._line.answers.arrived(command, body)

    def _guard_told(self, body: bytes) -> None:
        report = parse_report(body)
        entrusted, unit = self._line.entrusted, self._line.unit(report.slave)
        if entrusted is None or not self._is_mine(None, report.slave):
            return
        entrusted.replied(report)
        for output in unit.outputs if unit is not None else ():
            if output.spec.number == report.output:
                output.custody.told(report)

    def _told_setpoints(self, body: bytes) -> None:
        self._keep("Alarm set-points have no published layout.", commands.SETPOINTS, body)

    def _alarmed(self, body: bytes) -> None:
        alarm = commands.parse_alarm(body, self.profile)
        if not self._is_mine(alarm.serial, alarm.slave):
            return
        unit = self._line.unit(alarm.slave)
        if unit is None:
            raise BodyError(f"No meter with slave address {alarm.slave} is known behind this link.")
        if self._alarms.get(alarm.slave) != body:
            self._alarms[alarm.slave] = body
            self._alarm_changes += 1
            unit.status.told(alarm.registers)
        key = (commands.ALARM, alarm.slave, self._alarm_changes)
        if key not in self._unstored:
            self._unstored.add(key)
            self._context.writer.after(partial(self._committed, key, commands.ALARM))

    # === Uploads === #

    def _is_late(self, unit: Unit, reading: Reading) -> bool:
        entrusted = self._line.entrusted
        if entrusted is None:
            return False
        known = self._context.master.registers.get(unit.spec.id)
        return entrusted.is_late(reading, self._local(), known)

    def _uploaded(self, body: bytes) -> None:
        upload = parse_upload(body, self.profile)
        slave = upload.slave if upload.slave >= 0 else None  # none where no block is sound
        if not self._is_mine(upload.serial, slave):
            return
        unit, reason = self._line.unit(slave), ""
        if upload.refused:
            reason = " ".join(upload.refused)
        elif unit is None and slave is not None:
            reason = f"The meter with slave address {slave} was just taken from this link."
        if reason:
            self._note("reading_refused", reason)
        if unit is None or upload.layout is None:
            self._keep(reason or "The upload carries no reading.", commands.UPLOAD, body)
            return
        self._store_upload(unit, upload, body, reason)

    def _store_upload(self, unit: Unit, upload: Upload, body: bytes, reason: str) -> None:
        digest = _digest(body)
        if self._comes_again(digest, UPLOAD):
            return
        link_id = self._line.link.id
        stamp = self._context.clock.stamp()
        plan = upload.layout
        reading = Reading(
            unit.spec.id,
            link_id,
            stamp,
            UPLOAD,
            plan.shape,
            plan.unpack(upload.data),
            plan.clock(upload.data, to_date(stamp)),
            digest,
            body,
        )
        stored = partial(self._committed, digest, UPLOAD)
        writer = self._context.writer
        if not writer.add((reading,), None if reason else stored):
            return  # not acknowledged, so the meter sends it again
        self._unstored.add(digest)
        if reason:
            writer.quarantine(reason, body, link_id, unit.spec.id, waiting=stored)
        if not self._is_late(unit, reading):
            unit.arrived(reading)
        if upload.outputs is not None:
            unit.relays_told(upload.outputs)


def _answer_to(command: int) -> Callable[[Intake, bytes], None]:
    """Return what takes the answer to a command that configures the meter."""
    return lambda intake, body: intake.ordered(command, body)


# of the class, so that a connection does not carry them
_HANDLERS: dict[int, Callable[[Intake, bytes], None]] = {
    commands.REGISTER: Intake._registered_again,
    commands.UPLOAD: Intake._uploaded,
    commands.TRANSPARENT: Intake._replied,
    commands.TIME: Intake._asked_time,
    commands.ALARM: Intake._alarmed,
    commands.SETPOINTS: Intake._told_setpoints,
    commands.HEARTBEAT_NB: Intake._beat,
    GUARD: Intake._guard_told,
    **{command: _answer_to(command) for command in FRAMES},
}


def _digest(frame: bytes) -> bytes:
    return blake2b(frame, digest_size=16).digest()
