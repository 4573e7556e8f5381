"""What the engine does with meters."""

from datetime import timedelta

from odoo import api, fields, models

# Three intervals without an upload, and never less than this, make a meter silent.
SILENT_INTERVALS = 3
SILENT_FLOOR = timedelta(minutes=15)


class AcrelMeterEngine(models.Model):
    """Hooks of the engine's passes, and this layer's own work in them."""

    _inherit = "acrel.meter"

    def _on_readings(self):
        """Handle the readings of these meters that arrived since their marks.

        Called by the engine with many meters at once; when that raises, it is undone and called
        meter by meter. To be extended by `_inherit`.
        """
        for event in self.env["acrel.event"]._open("meter_silent", self).values():
            live = event.meter_id._live()[event.meter_id.id]
            if live.received_at > event.begin_at:
                event.end_at = live.received_at

    @api.model
    def _on_tick(self):
        """Do everything that time alone brings. To be extended by `_inherit`."""
        self._report_silence()

    @api.model
    def _report_silence(self):
        """Open an event for each meter that has been silent for longer than its threshold."""
        self.flush_model(["active", "link_id", "silence_minutes"])
        self.env["acrel.event"].flush_model(["kind", "meter_id", "end_at"])
        self.env.cr.execute(
            """SELECT m.id, l.received_at
                 FROM acrel_meter m
                 JOIN acrel_meter_live l ON l.meter_id = m.id
            LEFT JOIN acrel_link_live k ON k.link_id = m.link_id
                WHERE m.active AND m.link_id IS NOT NULL
                  AND l.received_at < %(now)s - CASE
                          WHEN m.silence_minutes > 0 THEN m.silence_minutes * interval '1 minute'
                          ELSE GREATEST(%(floor)s,
                                        k.upload_minutes * %(intervals)s * interval '1 minute')
                      END
                  AND NOT EXISTS (SELECT 1 FROM acrel_event e
                                   WHERE e.meter_id = m.id AND e.kind = 'meter_silent'
                                     AND e.end_at IS NULL)""",
            {"now": fields.Datetime.now(), "floor": SILENT_FLOOR, "intervals": SILENT_INTERVALS},
        )
        self.env["acrel.event"].create(
            [
                {
                    "meter_id": meter_id,
                    "kind": "meter_silent",
                    "severity": "warning",
                    "begin_at": received_at,
                    "message": self.env._(
                        "No reading since %(moment)s UTC.",
                        moment=received_at.isoformat(" ", "seconds"),
                    ),
                }
                for meter_id, received_at in self.env.cr.fetchall()
            ]
        )
