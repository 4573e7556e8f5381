"""Readings where a price changes."""

from datetime import timedelta

from odoo import api, fields, models

from .. import acrel_pricing as pricing

# So far ahead the boundaries of running sessions are told; a scheduled action goes on every hour.
AHEAD = timedelta(hours=6)


class AcrelSession(models.Model):
    """Have the meter of a running session read at each boundary of its tariff.

    Energy at a boundary is interpolated between the readings next to it: the closer they are, the
    less is guessed. Boundaries are those of the station's clock.
    """

    _inherit = "acrel.session"

    def _on_state(self, old):
        """Override to tell the boundaries of a session that charges from now on."""
        result = super()._on_state(old)
        self.filtered(lambda session: session.state == "charging")._want_boundaries()
        return result

    def _want_boundaries(self):
        """Ask for a reading at each coming boundary of each session's prices."""
        now = fields.Datetime.now()
        for session in self.filtered("tariff_version_id"):
            session.meter_id._want_readings(
                pricing.boundaries(
                    now, now + AHEAD, session.tariff_version_id._priced(), session._zone()
                )
            )

    @api.model
    def _cron_want_boundaries(self):
        """Go on with the boundaries of sessions that last."""
        self.search(
            [("state", "in", ("charging", "stopping")), ("tariff_version_id", "!=", False)]
        )._want_boundaries()
