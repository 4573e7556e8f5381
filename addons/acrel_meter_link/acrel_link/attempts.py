"""Attempts to reach a wanted state, as rows of acrel_command: one a revision and kind."""

import os

from .clock import to_unix_ms
from .context import Context
from .master import Wanted
from .transparent import WRITE_SECONDS, Warrant

OPEN_SECONDS = 240  # an open may be under way for so long; a meter refuses more than 300 s

# Nothing is sent by a connection whose epoch is no longer the link's, nor for a wanted state that
# has changed or run out: all is checked by the statement that claims the attempt.
_CLAIM = """
  FROM acrel_output_wanted w, acrel_link_live l
 WHERE w.output_id = %(output)s AND w.revision = %(revision)s AND w.wanted = 'closed'
   AND coalesce(w.close_before, w.wanted_at + interval '30 s') > clock_timestamp()
   AND l.link_id = %(link)s AND l.epoch = %(epoch)s
"""
CLAIM_FIRST = f"""
INSERT INTO acrel_command (meter_id, output_id, kind, origin, state, requested_at, expires_at,
                           sent_at, attempts, message)
SELECT %(meter)s::integer, w.output_id, 'close', 'desired', 'sent', w.wanted_at, w.close_before,
       clock_timestamp(), 1, w.reason
{_CLAIM} RETURNING id
"""
CLAIM_AGAIN = f"""
UPDATE acrel_command c SET state = 'sent', attempts = c.attempts + 1, sent_at = clock_timestamp()
{_CLAIM} AND c.id = %(command)s RETURNING c.id
"""
FINISH = """
UPDATE acrel_command SET state = %s, done_at = %s, message = %s WHERE id = %s
"""
# The same statement again, after a commit whose answer was lost, adds nothing.
OPENED = """
INSERT INTO acrel_command (meter_id, output_id, kind, origin, state, requested_at, sent_at,
                           done_at, attempts, message)
SELECT %(meter)s::integer, %(output)s::integer, 'open', 'desired', 'done', %(since)s::timestamp,
       %(since)s::timestamp, %(now)s::timestamp, %(attempts)s::integer, %(reason)s::text
 WHERE NOT EXISTS (
       SELECT 1 FROM acrel_command
        WHERE output_id = %(output)s::integer AND kind = 'open' AND origin = 'desired'
          AND done_at = %(now)s::timestamp)
"""


class Attempts:
    """The attempts of one output."""

    def __init__(self, context: Context, meter_id: int, output_id: int):
        self._context, self._meter_id, self._output_id = context, meter_id, output_id
        self._close: tuple[int, int] | None = None  # revision, id of its row
        self._open: tuple[int, object, int] | None = None  # revision, first sent at, number
        self._close_id = b""  # of the last claimed close; a meter closes once for it

    async def claim_close(self, wanted: Wanted, link_id: int, epoch: int) -> bool:
        """Claim one sending of a close; False when it must not be sent."""
        values = {
            "meter": self._meter_id,
            "output": self._output_id,
            "revision": wanted.revision,
            "link": link_id,
            "epoch": epoch,
        }
        if self._close is not None and self._close[0] == wanted.revision:
            values["command"] = self._close[1]
            rows = await self._context.control.fetch(CLAIM_AGAIN, values)
        else:
            rows = await self._context.control.fetch(CLAIM_FIRST, values)
        if rows:
            if "command" not in values:
                # row numbers come again when a database is restored, so they are not enough
                self._close_id = rows[0][0].to_bytes(8, "big") + os.urandom(8)
            self._close = (wanted.revision, rows[0][0])
        return bool(rows)

    def close_warrant(self, wanted: Wanted) -> Warrant:
        """Return what keeps the claimed close from being carried out late or twice."""
        warrant = Warrant.within(WRITE_SECONDS, self._context.clock)
        limit = to_unix_ms(wanted.close_limit)
        return Warrant(self._close_id, min(warrant.not_after, limit))

    def open_warrant(self) -> Warrant:
        """Return what an opening carries: each sending counts, for opening again is right."""
        return Warrant.within(OPEN_SECONDS, self._context.clock)

    def close_ended(self, state: str, message: str) -> None:
        """Write how the close ended; nothing where none was sent."""
        if self._close is not None:
            self._context.writer.execute(
                FINISH, (state, self._context.clock.now(), message, self._close[1])
            )
            self._close = None

    def opening(self, revision: int) -> None:
        """Count one sending of an open."""
        if self._open is None or self._open[0] != revision:
            self._open = (revision, self._context.clock.now(), 1)
        else:
            self._open = (*self._open[:2], self._open[2] + 1)

    def opened(self, reason: str) -> None:
        """Write the row of an open that was confirmed."""
        if self._open is not None:
            _, since, number = self._open
            self._context.writer.execute(
                OPENED,
                {
                    "meter": self._meter_id,
                    "output": self._output_id,
                    "since": since,
                    "now": self._context.clock.now(),
                    "attempts": number,
                    "reason": reason,
                },
            )
            self._open = None
