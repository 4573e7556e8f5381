"""What a driver can do with a pile now, computed from tables that change under the ORM."""

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

STATES = [
    ("available", "Available"),
    ("starting", "Starting"),
    ("charging", "Charging"),
    ("stopping", "Stopping"),
    ("offline", "Offline"),
    ("fault", "Fault"),
    ("out_of_service", "Out of Service"),
]

# A live session comes first: while the meter is silent the session still goes on.
STATE_QUERY = """
    SELECT pile.id, CASE
        WHEN session.state IN ('authorised', 'starting') THEN 'starting'
        WHEN session.state IS NOT NULL THEN session.state
        WHEN pile.out_of_service OR NOT pile.active OR output.id IS NULL THEN 'out_of_service'
        WHEN NOT COALESCE(%(online)s, FALSE) THEN 'offline'
        WHEN live.state = 'closed' OR live.error IS NOT NULL OR EXISTS (
            SELECT FROM acrel_event event
             WHERE event.meter_id = output.meter_id AND event.severity = 'alarm'
               AND event.kind <> 'engine_error'
               AND event.end_at IS NULL
               AND (event.output_id IS NULL OR event.output_id = output.id)) THEN 'fault'
        ELSE 'available' END AS state
      FROM acrel_pile pile
      LEFT JOIN acrel_session session ON session.pile_id = pile.id
            AND session.state IN ('authorised', 'starting', 'charging', 'stopping')
      LEFT JOIN acrel_installation installation ON installation.id = pile.installation_id
      LEFT JOIN acrel_output output ON output.id = pile.output_id AND output.active
      LEFT JOIN acrel_meter meter ON meter.id = installation.meter_id AND meter.active
      LEFT JOIN acrel_link_live l ON l.link_id = meter.link_id
      LEFT JOIN acrel_link_worker w ON w.id = l.worker_id
      LEFT JOIN acrel_output_live live ON live.output_id = output.id
"""


# What the query reads of the ORM.
READS = {
    "acrel.pile": ["out_of_service", "active", "installation_id", "output_id"],
    "acrel.session": ["state", "pile_id"],
    "acrel.installation": ["meter_id"],
    "acrel.output": ["active", "meter_id"],
    "acrel.meter": ["active", "link_id"],
    "acrel.event": ["meter_id", "output_id", "kind", "severity", "end_at"],
}


class AcrelPile(models.Model):
    """State of a pile, with search."""

    _inherit = "acrel.pile"

    state = fields.Selection(STATES, compute="_compute_state", search="_search_state")

    @api.depends("session_ids.state", "out_of_service", "active", "installation_id", "output_id")
    def _compute_state(self):
        """Read the states of all piles in one query."""
        rows = self.env.execute_query(
            SQL("SELECT id, state FROM (%s) q WHERE id = ANY(%s)", self._sql_states(), self.ids)
        )
        states = dict(rows)
        for pile in self:
            pile.state = states.get(pile._origin.id, "out_of_service")

    def _search_state(self, operator, value):
        """Search piles by their state now."""
        if operator != "in":
            return NotImplemented
        found = SQL(
            "(SELECT id FROM (%s) q WHERE state = ANY(%s))", self._sql_states(), list(value)
        )
        return Domain("id", "in", found)

    @api.model
    def _sql_states(self):
        """Return the query of all piles' states, after writing what it reads."""
        for model, names in READS.items():
            self.env[model].flush_model(names)
        return SQL(STATE_QUERY, online=self.env["acrel.link"]._sql_online())
