"""The guard of a closed output: enforced from memory, at every reading and by a timer."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from .context import Context
from .decision import carried_out, due_guard
from .incidents import Subject
from .master import Live, Wanted

TIMER_LIMIT = 60.0  # s; longer waits are made of steps, because the wall clock may be set


class Guard:
    """Watches one output; calls `tripped` with what was reached."""

    def __init__(
        self,
        context: Context,
        live: Live,
        subject: Subject,
        wanted: Callable[[], Wanted | None],
        tripped: Callable[[Wanted, str, datetime], None],
    ):
        self._context, self._live, self._subject = context, live, subject
        self._wanted, self._tripped = wanted, tripped
        self._timer: asyncio.TimerHandle | None = None

    def check(self, register: int | None) -> None:
        """Open when the register or the time is reached; tell, where only a person opens."""
        wanted = self._wanted()
        if wanted is None or self._live.guard_tripped:
            return
        now = self._context.clock.now()
        due = due_guard(wanted, self._live, register, now)
        if due is None:
            return
        words = f"at register {register}" if due == "energy" else f"at {now:%H:%M:%S} UTC"
        reached = f"The guard ({due}) of revision {wanted.revision} was reached {words}"
        if wanted.on_doubt == "hold":
            self._context.incidents.begin(
                "guard_held", self._subject, f"{reached}; only a person opens this output."
            )
            return
        self._context.incidents.note("guard_tripped", self._subject, f"{reached}; it is opened.")
        self._tripped(wanted, due, now)

    def changed(self, register: int | None) -> None:
        """Take notice of a new wanted state or limit."""
        wanted = self._wanted()
        if wanted is not None and not due_guard(
            wanted, self._live, register, self._context.clock.now()
        ):
            self._context.incidents.end("guard_held", self._subject)
        self.check(register)
        self.arm()

    def arm(self) -> None:
        """Set the timer for the guard's time."""
        self.disarm()
        wanted = self._wanted()
        if (
            wanted is None
            or wanted.guard_until is None
            or self._live.guard_tripped
            or not carried_out(wanted, self._live)
        ):
            return
        left = (wanted.guard_until - self._context.clock.now()).total_seconds()
        self._timer = asyncio.get_running_loop().call_later(
            min(max(left, 0.0) + 0.001, TIMER_LIMIT), self._rung
        )

    def disarm(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rung(self) -> None:
        self._timer = None
        self.check(None)
        until = self._wanted().guard_until
        if until is not None and self._context.clock.now() < until:
            self.arm()
