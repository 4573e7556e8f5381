"""The load curve of a session, from stored readings."""

from odoo import models
from odoo.tools import SQL

POINTS = 500


class AcrelSession(models.Model):
    """Curves of a session: exact registers for settlement, thinned power for the eye."""

    _inherit = "acrel.session"

    def _curve(self):
        """Return ``[(time UTC, e_forward)]`` from start to end, never decreasing, capped.

        The first point is the start register, the last one the end register, or while the session
        runs the last one followed. Readings between lie within the two.
        """
        self.ensure_one()
        if not self.has_start:
            return []
        end_at, end = self._curve_end()
        curve = [(self.start_at, self.start_register)]
        for read_at, register in self.meter_id._registers_between(self.start_at, end_at):
            if not self.start_at < read_at < end_at or register is None:
                continue
            curve.append((read_at, min(max(register, curve[-1][1]), end)))
        curve.append((max(end_at, curve[-1][0]), end))
        return curve

    def _curve_end(self):
        """Return time and register of the curve's last point."""
        if not self.is_live:
            return self.end_at or self.start_at, max(self.end_register, self.start_register)
        # fields, not the table: read for all sessions of a pass at once
        register = self.live_register
        if self.has_guard:
            register = min(register, self.billed_register_limit)
        read_at = self.live_read_at or self.start_at
        return max(read_at, self.start_at), max(register, self.start_register)

    def get_power_curve(self):
        """Return at most some 500 points ``[epoch ms, W]`` of this session for a chart."""
        self.ensure_one()
        self.check_access("read")
        session = self.sudo()
        if not session.start_at:
            return []
        until = (session.end_at if not session.is_live else None) or session._now()
        seconds = max(1.0, (until - session.start_at).total_seconds())
        rows = self.env.execute_query(
            SQL(
                """
                SELECT (extract(epoch FROM max(received_at)) * 1000)::bigint, avg(p)::bigint
                  FROM acrel_reading_raw
                 WHERE meter_id = %s AND received_at BETWEEN %s AND %s AND p IS NOT NULL
                 GROUP BY floor(extract(epoch FROM received_at - %s) * %s / %s)
                 ORDER BY 1
                """,
                session.meter_id.id,
                session.start_at,
                until,
                session.start_at,
                POINTS,
                seconds,
            )
        )
        return [[at, power * session.unit_wh // 10] for at, power in rows]
