"""What the engine's passes over outputs bring to sessions."""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .acrel_session import LIVE_STATES

# How much later than its time limit the link's last word of a close may arrive here.
LATE = timedelta(seconds=10)


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

    @api.model
    def _end_closes_by_hand(self):
        """Want open what was closed by hand until its guard opened it, or was never closed.

        Nothing else would: the wish would stand, and every start at the pile be refused.
        """
        self.env["acrel.session"].flush_model(["output_id", "state"])
        rows = self.env.execute_query(
            SQL(
                """
                SELECT wanted.output_id
                  FROM acrel_output_wanted wanted
                  JOIN acrel_output output ON output.id = wanted.output_id
                  LEFT JOIN acrel_output_live seen ON seen.output_id = wanted.output_id
                 WHERE wanted.wanted = 'closed' AND wanted.on_doubt <> 'hold'
                   AND (seen.open_revision = wanted.revision
                        OR (wanted.close_before < %s
                            AND seen.close_revision IS DISTINCT FROM wanted.revision))
                   AND NOT EXISTS (SELECT FROM acrel_session session
                                    WHERE session.output_id = wanted.output_id
                                      AND session.state = ANY(%s))
                """,
                fields.Datetime.now() - LATE,
                list(LIVE_STATES),
            )
        )
        for output in self.browse(row[0] for row in rows):
            output._want("open", self.env._("The close by hand is over."))

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
