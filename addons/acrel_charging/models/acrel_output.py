"""What the engine's passes over outputs bring to sessions."""

from odoo import models
from odoo.exceptions import UserError

from .acrel_session import LIVE_STATES


class AcrelOutput(models.Model):
    """A contactor's observed state moves sessions."""

    _inherit = "acrel.output"

    def _on_observed(self):
        """Override to follow the sessions of these outputs, and late openings after their end."""
        result = super()._on_observed()
        self.env["acrel.session"]._advance_due(outputs=self)
        (self - self._live_sessions().output_id)._account_late_opening()
        return result

    def _live_sessions(self):
        """Return the sessions that hold these outputs."""
        sessions = self.env["acrel.session"].sudo()
        return sessions.search([("output_id", "in", self.ids), ("state", "in", LIVE_STATES)])

    def _account_late_opening(self):
        """Record what flowed between the end of a session and the contactor's late opening."""
        piles = self.env["acrel.pile"].search(
            [("output_id", "in", self.ids), ("installation_id.is_accounted", "=", True)]
        )
        observed = self._observed()
        outside = self.env["acrel.energy.outside"]

        def account(pile):
            seen = observed[pile.output_id.id]
            installation = pile.installation_id
            if seen.open_register is None or seen.open_read_at <= installation.accounted_at:
                return
            outside._account(installation, seen.open_register, seen.open_read_at)

        self.env["acrel.engine"]._each(piles, account)

    def _check_by_hand(self, wanted):
        """Override to leave to its session what a session holds."""
        result = super()._check_by_hand(wanted)
        for output in self:
            session = output._live_sessions()
            if session:
                raise UserError(
                    self.env._(
                        "Session %(session)s goes on at this contactor. Stop the session instead.",
                        session=session.name,
                    )
                )
        return result
