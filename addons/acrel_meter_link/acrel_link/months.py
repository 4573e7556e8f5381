"""The months that a meter keeps by itself: read after a gap, so that no month-end is lost.

A meter freezes its energies once a month and keeps the last twelve. The newest row is read when
it should be there, and older ones until one that is known already: a meter that was away for half
a year is asked for six. Each row is compared with our own readings around the freeze.
"""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .context import Context
from .database import AWAY
from .decoders import decode_clock
from .errors import ProtocolError
from .freezes import SHORTEST
from .incidents import Subject
from .month_check import disagreement
from .snapshots import plain
from .transparent import GoneError, NoAnswerError

if TYPE_CHECKING:
    from .unit import Unit

log = logging.getLogger(__name__)

MONTHS = "months"  # what a profile calls them
AGAIN = timedelta(hours=6)  # until a row that is not there yet is looked for again
NEVER_KEPT = timedelta(days=7)  # the same for a meter that has no such registers
CLOCK_ERROR = timedelta(minutes=10)  # the meter's clock may be wrong by
COLUMNS = (
    *("e_total", "e_forward", "e_reverse", "eq_forward", "eq_reverse"),
    *("e_forward_sharp", "e_forward_peak", "e_forward_flat", "e_forward_valley"),
    *("e_reverse_sharp", "e_reverse_peak", "e_reverse_flat", "e_reverse_valley"),
)

INSERT = f"""
INSERT INTO acrel_meter_month (meter_id, month, frozen_at, frozen_clock, received_at,
                               {", ".join(COLUMNS)}, others, register_before, register_after)
SELECT m.id, %(month)s::date, %(frozen_at)s::timestamp, %(frozen_clock)s::timestamp,
       %(received_at)s::timestamp, {", ".join(f"%({name})s::bigint" for name in COLUMNS)},
       %(others)s::jsonb,
       (SELECT r.e_forward FROM acrel_reading_raw r
         WHERE r.meter_id = m.id AND r.e_forward IS NOT NULL
           AND r.received_at BETWEEN %(frozen_at)s::timestamp - interval '35 days'
                                 AND %(frozen_at)s::timestamp - %(error)s
         ORDER BY r.received_at DESC, r.id DESC LIMIT 1),
       (SELECT r.e_forward FROM acrel_reading_raw r
         WHERE r.meter_id = m.id AND r.e_forward IS NOT NULL
           AND r.received_at BETWEEN %(frozen_at)s::timestamp + %(error)s
                                 AND %(frozen_at)s::timestamp + interval '35 days'
         ORDER BY r.received_at, r.id LIMIT 1)
  FROM acrel_meter m WHERE m.id = %(meter)s
ON CONFLICT (meter_id, month) DO NOTHING
RETURNING register_before, register_after
"""


class Months:
    """The month rows of one meter on its present connection."""

    def __init__(self, unit: Unit, context: Context):
        self._unit, self._context = unit, context
        self._history = unit.profile.history.get(MONTHS)
        self._task: asyncio.Task | None = None

    def look(self) -> None:
        """Read what is missing, when it is time; called after each poll that was answered."""
        newest, meter_id = self._context.newest_months, self._unit.spec.id
        if self._history is None or self._task is not None:
            return
        loop = asyncio.get_running_loop()
        if newest.due(meter_id, self._context.clock.now()) and newest.may_begin(loop.time()):
            self._task = loop.create_task(self._fill())

    def stop(self) -> None:
        """End with the connection."""
        if self._task is not None:
            self._task.cancel()

    async def _fill(self) -> None:
        meter_id, newest = self._unit.spec.id, self._context.newest_months
        known = newest.freezes.get(meter_id)
        try:
            again = await self._rows(known)
            newest.look_again(meter_id, self._context.clock.now() + again)
        except (NoAnswerError, GoneError, ProtocolError, *AWAY) as error:
            log.info("%s: months of meter %d: %s", self._unit.line, meter_id, error)
        finally:
            self._task = None

    async def _rows(self, known: datetime | None) -> timedelta:
        """Store the rows behind the newest known freeze; return when to look again.

        The oldest missing one is stored first, so that an interruption leaves no gap behind.
        """
        context, history = self._context, self._history
        found: list[dict[str, Any]] = []
        for row in range(history.rows):
            parts = []
            for block in history.blocks(row):
                part = await self._unit.read_patiently(block)
                if part is None:
                    return NEVER_KEPT
                parts.append(part)
            values = history.map.describe(0, b"".join(parts))
            near = context.clock.now().date() - timedelta(days=30 * row)
            clock = decode_clock(values["frozen_at"], near)
            if clock is None:
                break  # the meter is younger
            frozen_at = clock - context.settings.meter_time.utcoffset(None)
            earlier = found[-1]["frozen_at"] if found else None
            if (known is not None and frozen_at <= known) or (earlier and frozen_at >= earlier):
                break
            others = {name: value for name, value in values.items() if name not in COLUMNS}
            found.append(
                {
                    "meter": self._unit.spec.id,
                    "month": (clock - timedelta(days=1)).date().replace(day=1),
                    "frozen_at": frozen_at,
                    "frozen_clock": clock,
                    "received_at": context.clock.now(),
                    "error": CLOCK_ERROR,
                    "others": json.dumps(plain(history.map, others, near, bcd=False)),
                    **{name: values.get(name) for name in COLUMNS},
                }
            )
        for values in reversed(found):
            await self._store(values)
        if not found:
            return AGAIN
        return found[0]["frozen_at"] + SHORTEST - context.clock.now()

    async def _store(self, values: dict[str, Any]) -> None:
        rows = await self._context.keeping.fetch(INSERT, values)
        self._context.newest_months.stored(values["meter"], values["frozen_at"])
        for before, after in rows:
            problem = disagreement(values["e_forward"], before, after)
            if problem:
                self._context.incidents.note(
                    "month_differs",
                    Subject(meter=values["meter"]),
                    f"At its freeze of {values['frozen_clock']:%Y-%m-%d %H:%M} (its own clock) "
                    f"the meter kept {values['e_forward']} as billing register, but {problem}.",
                )
