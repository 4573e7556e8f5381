"""The reading that ends a session: measured after the contactor opened, or said to be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contactor import StepError
from .context import Context
from .decision import end_problem
from .reading import Reading

if TYPE_CHECKING:
    from .unit import Unit

BAD_ENDS = 3
"""So many answers in a row that end nothing, and the output counts as opened without a register."""


class Ends:
    """Reads the end register of one output's meter."""

    def __init__(self, context: Context, meter_id: int):
        self._context, self._meter_id = context, meter_id
        self._bad = 0

    async def read(self, unit: Unit) -> Reading | None:
        """Return a reading that can end a session; None after `BAD_ENDS` that cannot.

        Raise `StepError` before that, so that it is tried again.
        """
        known = self._context.master.registers.get(self._meter_id)
        reading = await unit.billing()
        problem = end_problem(reading.get("e_forward"), known)
        if problem is None:
            self._bad = 0
            return reading
        self._bad += 1
        if self._bad < BAD_ENDS:
            raise StepError(problem)
        self._bad = 0
        return None
