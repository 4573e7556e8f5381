"""Readings that a person asked for: rows of acrel_command of kind read."""

import asyncio
import logging
from collections.abc import Callable

from .context import Context
from .database import AWAY
from .errors import ProtocolError
from .transparent import GoneError, NoAnswerError
from .unit import Unit

log = logging.getLogger(__name__)

AT_ONCE = 100

EXPIRE = """
UPDATE acrel_command SET state = 'expired', done_at = clock_timestamp(),
       message = 'The meter was not online in time.'
 WHERE kind = 'read' AND state = 'queued' AND expires_at < clock_timestamp()
"""
# A read that a process took up and did not end with; one that is only slow writes its end later.
ABANDON = """
UPDATE acrel_command SET state = 'expired', done_at = clock_timestamp(),
       message = 'The link process ended before the meter answered.'
 WHERE kind = 'read' AND state = 'sent' AND NOT id = ANY(%s)
   AND expires_at < clock_timestamp() - interval '1 min'
"""
QUEUED = """
SELECT id, meter_id FROM acrel_command WHERE kind = 'read' AND state = 'queued' ORDER BY id
"""
CLAIM = """
UPDATE acrel_command c SET state = 'sent', sent_at = clock_timestamp(),
       attempts = coalesce(attempts, 0) + 1
  FROM acrel_link_live l
 WHERE c.id = %s AND c.state = 'queued' AND l.link_id = %s AND l.epoch = %s
RETURNING c.id
"""
# The link knows the database's time to some milliseconds: nothing is done before it was sent.
FINISH = """
UPDATE acrel_command SET state = %s, done_at = greatest(%s::timestamp, sent_at), message = %s
 WHERE id = %s
"""


class Reads:
    """Carries out the reads of meters that are online here; each once."""

    def __init__(self, context: Context, unit_of: Callable[[int], Unit | None]):
        self._context, self._unit_of = context, unit_of
        self._running: dict[int, asyncio.Task] = {}

    async def sweep(self) -> None:
        """Start what is queued, end what waited too long."""
        await self._context.keeping.fetch(EXPIRE)
        await self._context.keeping.fetch(ABANDON, (list(self._running),))
        for command_id, meter_id in await self._context.keeping.fetch(QUEUED):
            unit = self._unit_of(meter_id)
            if unit is None or unit.epoch is None or command_id in self._running:
                continue
            if len(self._running) >= AT_ONCE:
                return
            task = asyncio.create_task(self._read(command_id, unit))
            self._running[command_id] = task
            task.add_done_callback(lambda _, key=command_id: self._running.pop(key))

    async def _read(self, command_id: int, unit: Unit) -> None:
        try:
            claim = (command_id, unit.link_id, unit.epoch)
            if not await self._context.keeping.fetch(CLAIM, claim):
                return
        except AWAY as error:
            log.warning("A read of %s could not be claimed: %s", unit, error)
            return
        state, message = "done", None
        try:
            await unit.billing()
        except (NoAnswerError, GoneError, ProtocolError) as error:
            state, message = "failed", str(error)
        self._context.writer.execute(
            FINISH, (state, self._context.clock.now(), message, command_id), urgent=True
        )
