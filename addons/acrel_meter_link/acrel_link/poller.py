"""When one meter on its present connection is polled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .context import Context

if TYPE_CHECKING:
    from .unit import Unit

PATIENCE = 6
"""A meter that does not answer is asked less and less often, down to every sixth time."""


class Poller:
    """Polls a unit at its own place of the interval that its state asks for."""

    def __init__(self, unit: Unit, context: Context):
        self._unit, self._context = unit, context
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._running = self._stopped = False
        self._missed = 0

    @property
    def interval(self) -> float:
        """Seconds between two polls, as the meter and its outputs stand now."""
        settings, spec = self._context.settings, self._unit.spec
        fast = settings.poll_closed
        if any(output.busy for output in self._unit.outputs):
            return min(fast, spec.poll_seconds or fast)
        if spec.poll_seconds:
            return spec.poll_seconds
        return min(fast, settings.poll_idle) if spec.role == "transformer" else settings.poll_idle

    def start(self) -> None:
        """Poll soon, at a place that other meters that connect now do not have."""
        self._context.polls.connected(self._unit)
        interval = min(self.interval, self._context.settings.poll_closed)
        rota, now = self._context.polls.rota, self._loop.time()
        self._arm(rota.first(self._unit.spec.id, interval, now), interval)

    def stop(self) -> None:
        """Poll no more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self._context.polls.gone(self._unit)

    def changed(self) -> None:
        """Set the time of the next poll anew, because an output changed."""
        if not self._running and not self._stopped:
            self._schedule()

    def _schedule(self) -> None:
        interval = self.interval
        if self._missed > 1:
            most = max(interval, self._context.settings.poll_idle)
            interval = min(interval * min(self._missed, PATIENCE), most)
        now = self._loop.time()
        self._arm(self._context.polls.rota.next(self._unit.spec.id, interval, now), interval)

    def _arm(self, at: float, interval: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._due)
        self._context.polls.planned(self._unit.spec.id, interval, at - self._loop.time())

    def _due(self) -> None:
        self._timer = None
        self._running = True
        self._unit.poll(self._done)

    def _done(self, answered: bool) -> None:
        self._running = False
        self._missed = 0 if answered else self._missed + 1
        if not self._stopped:
            self._schedule()
