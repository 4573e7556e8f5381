"""Serial numbers that were refused, for an operator to adopt; bounded, so that a flood is cheap."""

import re
from dataclasses import dataclass
from datetime import datetime

from .context import Context

MOST = 1000  # rows
MOST_NEW = 200  # serials remembered between two writes

_SERIAL = re.compile(r"[0-9A-Za-z]{1,20}")

WRITE = """
INSERT INTO acrel_link_candidate AS c
       (serial, iccid, peer, first_seen_at, last_seen_at, attempts)
SELECT serial, iccid, peer, seen, seen, attempts
  FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamp[], %s::integer[])
       AS new (serial, iccid, peer, seen, attempts)
    ON CONFLICT (serial) DO UPDATE
   SET iccid = excluded.iccid, peer = excluded.peer, last_seen_at = excluded.last_seen_at,
       attempts = c.attempts + excluded.attempts
"""
# What a person set aside stays; of the rest those go that were not seen for longest.
TRIM = """
DELETE FROM acrel_link_candidate WHERE id IN (
       SELECT id FROM acrel_link_candidate WHERE ignored IS NOT TRUE
        ORDER BY last_seen_at DESC, id DESC OFFSET %s)
"""


@dataclass(slots=True)
class _Candidate:
    iccid: str
    peer: str
    seen: datetime
    attempts: int = 0


class Candidates:
    """Counts refusals by serial number and writes them now and then."""

    def __init__(self, context: Context):
        self._context = context
        self._new: dict[str, _Candidate] = {}

    def add(self, serial: str, iccid: str, peer: str) -> None:
        """Count one refusal; a serial number that no link could bear is left aside."""
        if not _SERIAL.fullmatch(serial):
            return
        candidate = self._new.get(serial)
        if candidate is None:
            if len(self._new) >= MOST_NEW:
                return
            candidate = self._new[serial] = _Candidate(iccid, peer, self._context.clock.now())
        candidate.iccid, candidate.peer = iccid, peer
        candidate.seen = self._context.clock.now()
        candidate.attempts += 1

    async def write(self) -> None:
        """Write what was counted since the last time; what cannot be written is kept."""
        if not self._new:
            return
        new = dict(sorted(self._new.items()))
        known = [serial for serial in new if serial in self._context.master.links]
        rows = {serial: row for serial, row in new.items() if serial not in known}
        if rows:
            await self._context.keeping.fetch(
                WRITE,
                (
                    list(rows),
                    [row.iccid for row in rows.values()],
                    [row.peer for row in rows.values()],
                    [row.seen for row in rows.values()],
                    [row.attempts for row in rows.values()],
                ),
            )
            await self._context.keeping.fetch(TRIM, (MOST,))
        for serial, row in new.items():
            if self._new.get(serial) is row:
                del self._new[serial]
