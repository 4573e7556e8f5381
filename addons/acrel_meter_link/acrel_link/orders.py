"""Orders of a person: rows of acrel_command that write into a meter or read its slow values.

An order is taken up once, by the connection that owns the link's epoch. What was written is read
back, which alone counts. An order whose process died in its middle is not repeated.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from .context import Context
from .database import AWAY
from .errors import ProtocolError
from .reads import CLAIM, FINISH
from .transparent import GoneError, NoAnswerError
from .unit import Unit
from .writes import FRAMES, ORDERED, plan_frame, plan_writes

log = logging.getLogger(__name__)

REFRESH = "refresh"
KINDS = [*ORDERED, REFRESH]
AT_ONCE = 20

EXPIRE = """
UPDATE acrel_command SET state = 'expired', done_at = clock_timestamp(),
       message = 'The meter was not online in time; nothing was sent.'
 WHERE kind = ANY(%s) AND state = 'queued' AND expires_at < clock_timestamp()
"""
ABANDON = """
UPDATE acrel_command SET state = 'failed', done_at = clock_timestamp(),
       message = 'The link process ended in the middle: read the meter to see what it holds.'
 WHERE kind = ANY(%s) AND state = 'sent' AND NOT id = ANY(%s)
   AND sent_at < clock_timestamp() - interval '2 min'
"""
QUEUED = """
SELECT id, meter_id, kind, payload FROM acrel_command
 WHERE kind = ANY(%s) AND state = 'queued' ORDER BY id
"""


class Orders:
    """Carries out the orders to meters that are online here, those of one meter in order."""

    def __init__(self, context: Context, unit_of: Callable[[int], Unit | None]):
        self._context, self._unit_of = context, unit_of
        self._running: dict[int, tuple[int, asyncio.Task]] = {}  # meter, by command

    async def sweep(self) -> None:
        """Start what is queued, end what waited too long."""
        keeping = self._context.keeping
        await keeping.fetch(EXPIRE, (KINDS,))
        await keeping.fetch(ABANDON, (KINDS, list(self._running)))
        for command_id, meter_id, kind, payload in await keeping.fetch(QUEUED, (KINDS,)):
            unit = self._unit_of(meter_id)
            busy = any(meter == meter_id for meter, _ in self._running.values())
            if unit is None or unit.epoch is None or busy:
                continue
            if len(self._running) >= AT_ONCE:
                return
            task = asyncio.create_task(self._carry_out(command_id, unit, kind, payload))
            self._running[command_id] = (meter_id, task)
            task.add_done_callback(lambda _, key=command_id: self._running.pop(key))

    async def _carry_out(self, command_id: int, unit: Unit, kind: str, payload: Any) -> None:
        try:
            claim = (command_id, unit.link_id, unit.epoch)
            if not await self._context.keeping.fetch(CLAIM, claim):
                return
        except AWAY as error:
            log.warning("An order for %s could not be claimed: %s", unit, error)
            return
        try:
            state, message = "done", await self._do(unit, kind, payload)
        except (NoAnswerError, GoneError, ProtocolError) as error:
            state, message = "failed", str(error)
        except Exception:
            log.exception("Order %d for %s", command_id, unit)
            state, message = "failed", "The link process made a mistake, see its log."
        self._context.writer.execute(
            FINISH, (state, self._context.clock.now(), message, command_id), urgent=True
        )

    async def _do(self, unit: Unit, kind: str, payload: Any) -> str:
        told = payload if isinstance(payload, dict) else {}
        if kind == REFRESH:
            await unit.snapshots.refresh()
            return "The slow values were read."
        if kind == "configure" and "frame" in told:
            command = told["frame"]
            await unit.line.answers.ask(command, plan_frame(command, told.get("body", "")))
            return f"The meter acknowledged: {FRAMES[command]}."
        writes = plan_writes(unit.profile, told.get("registers", {}), ORDERED[kind])
        for write in writes:
            await unit.write(write)
        await unit.snapshots.refresh("settings")
        return "Written, and read back as written."
