"""What of a meter changes slowly: read now and then, stored whole, one row a kind and time.

Quality (demand, distortion, harmonics, unbalance, temperatures, energies by phase and rate),
settings (thresholds, tariff tables) and extremes stand in acrel_meter_snapshot as raw integers by
register name. Status words are read the same way and become events.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from .clock import to_datetime
from .context import Context
from .decoders import decode_clock, decode_moment
from .errors import ProtocolError
from .register_map import RegisterMap
from .transparent import GoneError, NoAnswerError

if TYPE_CHECKING:
    from .unit import Unit

log = logging.getLogger(__name__)

STATUS, QUALITY, SETTINGS, EXTREMES = "status", "quality", "settings", "extremes"
FIRST_STATUS = 60.0  # s after the connection within which the alarm words are read at first
_PLACE = 0.6180339887498949  # spreads meter ids evenly over an interval

# The same statement again, after a commit whose answer was lost, adds nothing.
INSERT = """
INSERT INTO acrel_meter_snapshot (meter_id, kind, received_at, data)
SELECT %s, %s, %s, %s::jsonb WHERE EXISTS (SELECT 1 FROM acrel_meter WHERE id = %s)
ON CONFLICT DO NOTHING
"""


class Snapshots:
    """The slow reads of one meter on its present connection."""

    def __init__(self, unit: Unit, context: Context):
        self._unit, self._context = unit, context
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: dict[str, asyncio.Task] = {}
        model, settings = unit.profile, context.settings
        self._every = dict.fromkeys(model.snapshots, settings.poll_quality)
        for kind in (SETTINGS, EXTREMES):
            if kind in model.snapshots or kind in model.history:
                self._every[kind] = settings.poll_settings
        if model.status:
            self._every[STATUS] = settings.poll_status

    def start(self) -> None:
        """Read each kind at this meter's own place of its interval."""
        for kind in self._every:
            self._plan(kind)

    def stop(self) -> None:
        """End with the connection."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._every.clear()
        for task in self._tasks.values():
            task.cancel()

    def _plan(self, kind: str) -> None:
        every = self._every.get(kind)
        if every is None:
            return
        now = self._loop.time()
        place = self._unit.spec.id * _PLACE % 1.0
        wait = (place * every - now) % every
        if kind not in self._tasks and kind == STATUS:
            wait = min(wait, place * FIRST_STATUS)
        self._timers[kind] = self._loop.call_later(max(wait, every / 100), self._due, kind)

    def _due(self, kind: str) -> None:
        task = self._tasks[kind] = self._loop.create_task(self._quietly(kind))
        task.add_done_callback(lambda _: self._plan(kind))

    async def _quietly(self, kind: str) -> None:
        try:
            await self._read(kind)
        except (NoAnswerError, GoneError, ProtocolError) as error:
            log.info("%s of %s: %s", kind, self._unit, error)

    async def refresh(self, *kinds: str) -> None:
        """Read kinds now, all that there are without arguments; raise when the meter does not."""
        for kind in kinds or tuple(self._every):
            if kind in self._every:
                await self._read(kind)

    async def _read(self, kind: str) -> None:
        unit, model = self._unit, self._unit.profile
        if kind == STATUS:
            registers: dict[str, Any] = {}
            for block in model.status_blocks:
                data = await unit.read_patiently(block)
                if data is not None:
                    registers |= model.map.describe(block[0], data)
            unit.status.told(registers)
            return
        stored: dict[str, Any] = {}
        today = self._context.clock.now().date()
        show = partial(plain, near=today, bcd=bool(unit.clock.bcd))
        for block in model.snapshots.get(kind, ()):
            data = await unit.read_patiently(block)
            if data is not None:
                stored |= show(model.map, model.map.describe(block[0], data))
        if kind in model.history:
            history, rows = model.history[kind], []
            for row in range(history.rows):
                parts = [await unit.read_patiently(block) for block in history.blocks(row)]
                if None not in parts:
                    rows.append(show(history.map, history.map.describe(0, b"".join(parts))))
            stored["rows"] = rows
        if any(stored.values()):
            at = to_datetime(self._context.clock.stamp())
            meter = unit.spec.id
            self._context.writer.execute(INSERT, (meter, kind, at, json.dumps(stored), meter))


def plain(
    registers: RegisterMap, values: Mapping[str, Any], near: date, bcd: bool
) -> dict[str, Any]:
    """Return registers as JSON can hold them: times as ISO text, other bytes in hexadecimal."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        register = registers.by_name[name]
        if register.type == "reserved":
            continue
        if register.type == "clock":
            value = decode_clock(value, near)
        elif register.type == "moment":
            value = decode_moment(value, near, bcd)
        if isinstance(value, bytes):
            value = value.hex()
        elif hasattr(value, "isoformat"):
            value = value.isoformat(" ")
        result[name] = value
    return result
