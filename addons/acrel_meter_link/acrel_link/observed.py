"""What is seen of an output, and what its live row says of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from .clock import to_datetime
from .contactor import relay_of, settled_feedback
from .context import Context
from .decision import guard_register
from .incidents import Subject
from .master import Live, OutputSpec, Wanted
from .reading import Reading

if TYPE_CHECKING:
    from .unit import Unit

STATES = {True: "closed", False: "open", None: "unknown"}


class Observed:
    """Looks at one output, and records it."""

    def __init__(self, spec: OutputSpec, live: Live, subject: Subject, context: Context):
        self._spec, self._live, self._subject = spec, live, subject
        self._context = context

    async def look(self, unit: Unit) -> None:
        """Read relay and feedback."""
        relay = await relay_of(self._spec, unit)
        self.record(relay, await self._settled(unit, relay))

    def record(self, relay: bool | None, feedback: bool | None) -> None:
        """Record the state: the feedback knows the contactor better than the relay does."""
        live = self._live
        live.relay, live.feedback = relay, feedback
        live.observed_at = self._context.clock.now()
        live.state = STATES[relay if feedback is None else feedback]
        if feedback is None or feedback is relay:
            self._context.incidents.end("feedback_mismatch", self._subject)

    async def follow(self, unit: Unit, closed: bool) -> None:
        """Wait until the contactor follows its relay; an event when it does not."""
        feedback = await self._settled(unit, closed)
        self.record(closed, feedback)
        if feedback is not closed:
            words = ("closed", "open") if closed else ("open", "closed")
            text = f"The relay is {words[0]} but the contactor's feedback says {words[1]}."
            self._context.incidents.begin("feedback_mismatch", self._subject, text)
            self.fail(text)

    async def _settled(self, unit: Unit, relay: bool | None) -> bool | None:
        seconds = self._context.settings.feedback_time
        return await settled_feedback(self._spec, unit, relay, seconds)

    def closed(self, wanted: Wanted, started: Reading) -> None:
        """Record that a close was carried out: from this reading on energy may flow."""
        live = self._live
        live.close_revision = live.confirmed_revision = wanted.revision
        live.close_register = started.get("e_forward")
        live.close_read_at = to_datetime(started.stamp)
        live.confirmed_at = self._context.clock.now()
        live.guard_tripped = live.guard_tripped_at = None
        live.open_revision = live.open_register = live.open_read_at = None
        live.guard_register = guard_register(wanted, live)
        # the relay is closed, so the close counts before its feedback is there
        self.record(True, live.feedback if self._spec.feedback_input else None)
        live.state = "closed"

    def opened(self, wanted: Wanted, reading: Reading | None) -> None:
        """Record where an opened output's session ends; None: no register can be trusted."""
        live, now = self._live, self._context.clock.now()
        live.open_revision = wanted.revision
        live.open_register = None if reading is None else reading.get("e_forward")
        live.open_read_at = now if reading is None else to_datetime(reading.stamp)

    def tripped(self, due: str, now: datetime) -> None:
        """Record that a guard was reached."""
        self._live.guard_tripped, self._live.guard_tripped_at = due, now

    def fail(self, text: str) -> None:
        """Record what a person shall read."""
        self._live.error, self._live.error_at = text, self._context.clock.now()

    def well(self) -> None:
        """Record that nothing is wrong any more."""
        self._live.error = self._live.error_at = None
