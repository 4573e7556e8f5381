"""Which readings sessions still need."""

from odoo import api, models
from odoo.tools import SQL

from .acrel_session import LIVE_STATES


class AcrelReading(models.Model):
    """Readings of a session that goes on are never dropped."""

    _inherit = "acrel.reading"

    @api.model
    def _reading_floor(self):
        """Override to keep what was read since the first session began that still counts."""
        moments = [super()._reading_floor()]
        self.env["acrel.session"].flush_model()
        self.env.cr.execute(
            SQL(
                "SELECT min(COALESCE(start_at, requested_at, create_date))"
                "  FROM acrel_session session WHERE %s",
                self._needed_sessions(),
            )
        )
        moments += self.env.cr.fetchone()
        return min(filter(None, moments), default=None)

    @api.model
    def _needed_sessions(self):
        """Return the condition on ``session`` that its readings are needed. To be extended."""
        return SQL("session.state = ANY(%s)", list(LIVE_STATES))
