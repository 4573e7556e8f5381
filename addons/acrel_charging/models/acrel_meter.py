"""What the engine's passes over meters bring to sessions."""

from odoo import api, models

from .acrel_session import LIVE_STATES


class AcrelMeter(models.Model):
    """Readings and time move sessions."""

    _inherit = "acrel.meter"

    def _on_readings(self):
        """Override to follow the sessions of these meters, and energy that no session owns."""
        result = super()._on_readings()
        self.env["acrel.session"]._advance_due(meters=self)
        self._account_idle()
        return result

    @api.model
    def _on_tick(self):
        """Override to bring all live sessions as far as time alone brings them."""
        result = super()._on_tick()
        self.env["acrel.session"]._advance_due()
        self.env["acrel.output"]._end_closes_by_hand()
        return result

    def _account_idle(self):
        """Record at once what piles without a session drew, when it is more than they may."""
        self.env["acrel.installation"].flush_model()
        self.env["acrel.session"].flush_model(["state", "installation_id"])
        threshold = self.env["acrel.energy.outside"]._threshold_wh()
        self.env.cr.execute(
            """
            SELECT installation.id, live.e_forward, live.received_at
              FROM acrel_installation installation
              JOIN acrel_pile pile ON pile.installation_id = installation.id AND pile.active
              JOIN acrel_meter_live live ON live.meter_id = installation.meter_id
             WHERE installation.meter_id = ANY(%s) AND installation.is_accounted
               AND (live.e_forward - installation.accounted_register)
                   * 10 * installation.pt * installation.ct > %s
               AND NOT EXISTS (SELECT FROM acrel_session session
                                WHERE session.installation_id = installation.id
                                  AND session.state = ANY(%s))
            """,
            [self.ids, threshold, list(LIVE_STATES)],
        )
        readings = {row[0]: row[1:] for row in self.env.cr.fetchall()}
        outside = self.env["acrel.energy.outside"]
        self.env["acrel.engine"]._each(
            self.env["acrel.installation"].browse(readings),
            lambda installation: outside._account(installation, *readings[installation.id]),
        )
