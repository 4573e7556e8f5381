"""One contactor: brought to its wanted state, guarded from memory, watched for what it does itself.

An output outlives the connections of its meter, so that what it knows holds across them. Its steps
run in one task at a time; whatever may change what is to be done wakes it.
"""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime

from .attempts import Attempts
from .contactor import StepError, feedback_of, switch
from .context import Context
from .current import Current
from .database import AWAY, Backoff
from .decision import Action, carried_out, decide, end_problem, guard_register
from .ends import Ends
from .entrusted import Custody
from .errors import ProtocolError
from .guard import Guard
from .incidents import Subject
from .live_row import write_live
from .master import Live, OutputSpec, Wanted
from .observed import Observed
from .reading import Reading
from .transparent import GoneError, NoAnswerError, Warrant

log = logging.getLogger(__name__)


class Output:
    """A contactor on a meter's digital output."""

    __slots__ = (
        "_again",
        "_attempts",
        "_backoff",
        "_context",
        "_current",
        "_ends",
        "_guard",
        "_observed",
        "_retry",
        "_seen",
        "_started",
        "_task",
        "_told",
        "custody",
        "live",
        "meter_id",
        "spec",
        "unit",
    )

    def __init__(self, spec: OutputSpec, meter_id: int, context: Context):
        self.spec = spec
        self.live: Live = context.master.live_of(spec.id)
        self.unit = None  # the meter on its present connection
        self.meter_id = meter_id
        self._context = context
        self._attempts = Attempts(context, meter_id, spec.id)
        self._backoff = Backoff(context.settings.retry_first, context.settings.retry_last)
        self._task: asyncio.Task | None = None
        self._again = False
        self._seen = False  # its state was read on the present connection
        self._retry: asyncio.TimerHandle | None = None
        self._started: tuple[int, Reading] | None = None  # revision, reading before its first try
        self._observed = Observed(spec, self.live, self._subject, context)
        self._ends = Ends(context, meter_id)
        self._current = Current(context, self._subject)
        self.custody = Custody(self, context, self._guard_tripped)
        self._told: tuple[int, Action] | None = None  # what was told of which revision
        self._guard = Guard(
            context, self.live, self._subject, lambda: self.wanted, self._guard_tripped
        )

    # === What it is asked === #

    @property
    def wanted(self) -> Wanted | None:
        """The row of acrel_output_wanted, as last read."""
        return self._context.master.wanted.get(self.spec.id)

    @property
    def busy(self) -> bool:
        """Whether its meter is to be polled often: it is closed, or shall be."""
        wanted = self.wanted
        return (
            self.live.state == "closed"
            or carried_out(wanted, self.live)
            or (
                wanted is not None
                and wanted.closed
                and self.live.close_revision != wanted.revision
                and self._context.clock.now() <= wanted.close_limit
            )
        )

    def _ended(self, wanted: Wanted) -> bool:
        """Whether this close was carried out and its output opened since."""
        return wanted.closed and self.live.open_revision == wanted.revision

    @property
    def _shall_be_open(self) -> bool:
        wanted = self.wanted
        return wanted is not None and (not wanted.closed or self._ended(wanted))

    @property
    def _subject(self) -> Subject:
        return Subject(meter=self.meter_id, output=self.spec.id)

    # === What wakes it === #

    def attach(self, unit) -> None:
        """Its meter is connected: look at it and correct it."""
        self.unit = unit
        self._seen = False
        self._backoff.reset()
        self._guard.arm()
        self.custody.tell()
        self.wake()

    def detach(self) -> None:
        """Its meter is gone; what is wanted and guarded stays."""
        self.unit = None
        self._seen = False
        self._guard.disarm()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def wake(self) -> None:
        """Compare what it shall be with what it is, soon."""
        if self.unit is None:
            return
        if self._task is not None:
            self._again = True
            return
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._task = asyncio.get_running_loop().create_task(self._work())

    def wanted_changed(self) -> None:
        """Its wanted state or its guard changed."""
        self._backoff.reset()
        wanted = self.wanted
        if carried_out(wanted, self.live):
            limit = guard_register(wanted, self.live)
            if limit != self.live.guard_register:
                self.live.guard_register = limit
                self.write()
        if self.unit is not None:
            self.custody.tell()
            self._guard.changed(self._context.master.registers.get(self.meter_id))
            self.wake()

    def claimed(self) -> None:
        """The connection has its epoch: write what was seen before, and close if so wanted."""
        if self._seen:
            self.write()
        self.wake()

    def idle_check(self) -> None:
        """Look again whether anything is to be done; called by the sweep."""
        self.custody.tell()
        if self._task is None and self._retry is None and self.unit is not None and self._seen:
            action = decide(self.wanted, self.live, self._context.clock.now())
            if action is not Action.NOTHING:
                self.wake()

    def arrived(self, reading: Reading, register: int | None) -> None:
        """Take a reading of its meter: the guard, the feedback and the current."""
        wanted, live = self.wanted, self.live
        if wanted is not None:
            self._guard.check(register)
        if not self._seen:
            return
        if self.spec.feedback_input or live.feedback is not None:
            inputs = reading.get("di")
            if inputs is not None and feedback_of(self.spec, inputs) != live.feedback:
                self._seen = False  # look closely before anything is concluded
                self.wake()
                return
        if wanted is None or live.state != "open" or self._task is not None:
            return
        if live.confirmed_revision is not None and self._shall_be_open:
            self._current.check(reading)

    def relay_read(self, relay: bool | None) -> None:
        """Take the relay's state from a poll."""
        if self._task is None and relay is not self.live.relay:
            self._seen = False
            self.wake()

    def _guard_tripped(self, wanted: Wanted, due: str, now: datetime) -> None:
        self._observed.tripped(due, now)
        self.write()
        self._backoff.reset()
        self.wake()

    # === Steps === #

    async def _work(self) -> None:
        action = Action.NOTHING
        try:
            while self.unit is not None:
                self._again = False
                if not self._seen:
                    await self._look()
                action = decide(self.wanted, self.live, self._context.clock.now())
                if action is Action.CLOSE:
                    if self.unit.epoch is None:
                        return  # `claimed` wakes it
                    await self._close(self.wanted)
                elif action is Action.OPEN:
                    await self._open(self.wanted)
                else:
                    self._stand_by(action)
                    if not self._again:
                        return
        except (StepError, NoAnswerError, ProtocolError, *AWAY) as error:
            self._failed(action, str(error))
        except GoneError:
            return
        except Exception:
            # a mistake of ours must not keep a contactor closed: it is tried again
            log.exception("Output %d of %s", self.spec.id, self.unit)
            self._failed(action, "the link process made a mistake, see its log")
        finally:
            self._task = None
            self.custody.end_close()
            if self._again and self._retry is None:
                self.wake()

    async def _look(self) -> None:
        """Read relay and feedback, and conclude what happened since they were last known."""
        unit = self.unit
        before = replace(self.live)
        await self._observed.look(unit)
        live, wanted = self.live, self.wanted
        if carried_out(wanted, live) and not live.guard_tripped and live.state == "open":
            await self._opened_itself(
                unit, wanted, "opened_itself", "The contactor opened by itself."
            )
        elif before.state == "open" and live.state == "closed" and self._shall_be_open:
            self._context.incidents.note(
                "closed_itself", self._subject, "The relay is closed although it shall be open."
            )
        self._seen = True
        if before != live:
            self.write()

    async def _opened_itself(self, unit, wanted: Wanted, kind: str, text: str) -> None:
        """End what this close began: the contactor is open and the close is never repeated."""
        self._observed.opened(wanted, await self._ends.read(unit))
        self._observed.fail(text)
        self._context.incidents.note(kind, self._subject, text)

    async def _close(self, wanted: Wanted) -> None:
        unit, context = self.unit, self._context
        if wanted.guard_until is not None and context.clock.now() >= wanted.guard_until:
            raise StepError("the time of its guard is over")
        if wanted.guard_energy is not None and wanted.guard_energy <= 0:
            raise StepError("its guard leaves no energy")
        known = context.master.registers.get(self.meter_id)
        reading = await unit.billing()
        problem = end_problem(reading.get("e_forward"), known)
        if problem:
            raise StepError(problem)
        if self._started is None or self._started[0] != wanted.revision:
            started = reading
        else:
            started = self._started[1]
        await self.custody.begin_close(unit, wanted, started)
        if not await self._attempts.claim_close(wanted, unit.link_id, unit.epoch):
            await unit.line.check_epoch()
            if context.master.wanted.get(self.spec.id) is wanted:
                await context.master.refresh_wanted(whole=True)
            if context.master.wanted.get(self.spec.id) is wanted:
                raise StepError("it was not to be sent any more")
            self._again = True
            return
        # what is wanted may have changed while the claim was under way
        late = context.clock.now() > wanted.close_limit
        if late or self.unit is not unit or self.wanted is not wanted:
            self._again = True
            return
        self._started = (wanted.revision, started)
        await self._switch(unit, True, self._attempts.close_warrant(wanted))
        self._observed.closed(wanted, started)
        self._started = None
        self._done()
        context.incidents.end("guard_held", self._subject)
        context.incidents.end("close_failed", self._subject)
        self.write()
        self._attempts.close_ended("done", wanted.reason)
        self._guard.arm()
        unit.poll_soon()
        if self.spec.feedback_input:
            await self._observed.follow(unit, True)
            if self.live.state == "open":
                await self._opened_itself(unit, wanted, "close_failed", self.live.error)
            self.write()

    async def _open(self, wanted: Wanted) -> None:
        """Open, whatever stands against it is tried again for ever."""
        unit, live, context = self.unit, self.live, self._context
        self._attempts.opening(wanted.revision)
        await self._switch(unit, False, self._attempts.open_warrant())
        self._current.opened()
        if self.spec.feedback_input:
            await self._observed.follow(unit, False)
        else:
            self._observed.record(False, None)
        if live.state != "open":
            self.write()
            self._current.stuck("the contactor's feedback says closed")
            raise StepError("the relay is open but the contactor's feedback says closed")
        if self._ended(wanted):
            # it had opened by itself, and its relay followed now: where it ended is known
            self._backoff.reset()
            context.incidents.end("open_failed", self._subject)
            self.write()
            return
        self._observed.opened(wanted, await self._ends.read(unit))
        if not wanted.closed:
            live.confirmed_revision = wanted.revision
            live.confirmed_at = context.clock.now()
        self._done()
        for kind in ("open_failed", "guard_held", "close_failed"):
            context.incidents.end(kind, self._subject)
        self.write()
        self._attempts.close_ended("failed", "It was to be opened before it was confirmed.")
        self._attempts.opened(wanted.reason if not wanted.closed else "guard")
        unit.poll_soon()

    async def _switch(self, unit, closed: bool, warrant: Warrant) -> None:
        self._seen = False
        seconds = self._context.settings.feedback_time
        await switch(self.spec, unit, closed, warrant, seconds)
        self.live.relay = closed
        self._seen = True

    # === What it tells === #

    def write(self) -> None:
        """Write its live row, under the epoch of its connection."""
        self.custody.tell()
        unit = self.unit
        if unit is None or unit.epoch is None:
            return  # written when the connection is claimed
        write_live(
            self._context.writer,
            self.spec.id,
            self.live,
            unit.link_id,
            unit.epoch,
            lambda written: self._written(unit, written),
        )

    def _written(self, unit, written: int) -> None:
        if written:
            return
        if self.unit is unit:
            unit.line.lost_epoch()
        else:
            self.write()  # its meter reconnected before the row could be written

    def _done(self) -> None:
        self._observed.well()
        self._told = None
        self._backoff.reset()

    def _stand_by(self, action: Action) -> None:
        """Tell once why nothing is done although something should be."""
        wanted = self.wanted
        if action is Action.NOTHING or self._told == (wanted.revision, action):
            return
        self._told = (wanted.revision, action)
        if action is Action.EXPIRED:
            text = "The close was not carried out before its time limit and is not sent any more."
            self._context.incidents.note("close_expired", self._subject, text)
            self._attempts.close_ended("expired", text)
        else:
            text = "It is closed without being wanted so, and only a person may open it."
            self._context.incidents.begin("guard_held", self._subject, text)
        if self.live.error is None or action is not Action.EXPIRED:
            self._observed.fail(text)
        self.write()

    def _failed(self, action: Action, reason: str) -> None:
        """Record a failed step and try again later."""
        wanted, incidents, reason = self.wanted, self._context.incidents, reason.rstrip(".")
        self._seen = False
        if action is Action.CLOSE:
            sent = self._started is not None and self._started[0] == wanted.revision
            kind = "close_failed" if sent else "close_refused"
            incidents.note(kind, self._subject, f"Not closed: {reason}.")
            self._observed.fail(f"Not closed: {reason}.")
            self.write()
        elif action is Action.OPEN:
            incidents.begin("open_failed", self._subject, f"Not open yet: {reason}.")
            if not self._ended(wanted):
                self._observed.fail(f"Not open yet: {reason}.")
            self.write()
        else:
            log.info("Output %d of %s could not be read: %s.", self.spec.id, self.unit, reason)
            action = decide(wanted, self.live, self._context.clock.now())
            if action is Action.EXPIRED:
                self._stand_by(action)
        if self.unit is not None:
            self._retry = asyncio.get_running_loop().call_later(
                self._backoff.next(), self._retry_due
            )

    def _retry_due(self) -> None:
        self._retry = None
        self.wake()
