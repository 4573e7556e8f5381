"""Which readings bills still need."""

from odoo import api, models
from odoo.tools import SQL


class AcrelReading(models.Model):
    """Readings of a session that is not settled are never dropped: its bill is made of them."""

    _inherit = "acrel.reading"

    @api.model
    def _needed_sessions(self):
        """Override to keep what a bill will be worked out from."""
        return SQL(
            "%s OR session.settlement_state IN ('none', 'pending', 'refused')",
            super()._needed_sessions(),
        )
