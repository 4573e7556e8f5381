"""How a meter is polled and heard."""

from datetime import UTC

from odoo import api, fields, models
from odoo.tools import SQL


class AcrelMeter(models.Model):
    """The link process's plan for a meter, and the rhythm that it learned."""

    _inherit = "acrel.meter"

    poll_interval = fields.Integer(
        compute="_compute_poll",
        string="Polled Every (s)",
        aggregator=None,
        help="Seconds between two polls, as the link process polls the meter now.",
    )
    next_poll_at = fields.Datetime(
        compute="_compute_poll",
        string="Next Poll",
        help="When the link process asks the meter next; empty while it is not connected.",
    )
    learned_interval = fields.Integer(
        compute="_compute_poll",
        string="Heard Every (s)",
        aggregator=None,
        help="Seconds from one reading to the next, learned from the meter's own readings.",
    )
    silent_after = fields.Integer(
        compute="_compute_poll",
        string="Counts as Silent After (s)",
        aggregator=None,
        help="So many seconds without a reading make an event.",
    )

    @api.depends("silence_minutes", "link_id")
    def _compute_poll(self):
        """Show the plan that the link process wrote; a time that passed repeats every interval."""
        self.flush_recordset(["silence_minutes", "link_id"])
        self.env.cr.execute(
            SQL(
                """SELECT m.id, p.every_seconds, p.learned_seconds,
                          extract(epoch FROM %(patience)s) AS patience,
                          CASE WHEN %(now)s <= p.due_at OR p.every_seconds <= 0 THEN p.due_at
                               ELSE p.due_at + interval '1 second' * p.every_seconds
                                    * ceil(extract(epoch FROM %(now)s - p.due_at)
                                           / p.every_seconds)
                           END AS due_at
                     FROM acrel_meter m
                LEFT JOIN acrel_meter_poll p ON p.meter_id = m.id
                LEFT JOIN acrel_link_live k ON k.link_id = m.link_id
                    WHERE m.id = ANY(%(ids)s)""",
                patience=self._sql_patience(),
                now=fields.Datetime.now(),
                ids=self.ids,
            )
        )
        rows = {row["id"]: row for row in self.env.cr.dictfetchall()}
        for meter in self:
            row = rows.get(meter._origin.id, {})
            meter.poll_interval = round(row.get("every_seconds") or 0)
            meter.next_poll_at = meter.online and row.get("due_at")
            meter.learned_interval = round(row.get("learned_seconds") or 0)
            meter.silent_after = int(row.get("patience") or 0)

    def _want_readings(self, moments):
        """Have these meters read at some moments, besides their polls.

        What was wanted before stays. For those who need a register just then, such as where a
        price changes.

        :param moments: naive UTC, or aware
        """
        rows = [
            (moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment, meter_id)
            for moment in moments
            for meter_id in self.ids
        ]
        if rows:
            self.env.cr.execute_values(
                "INSERT INTO acrel_read_at (at, meter_id) VALUES %s ON CONFLICT DO NOTHING", rows
            )
