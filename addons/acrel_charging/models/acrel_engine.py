"""What the engine says of sessions and piles that it could not handle."""

from odoo import api, models


class AcrelEngine(models.AbstractModel):
    """Failures of this layer's records are named by their meter."""

    _inherit = "acrel.engine"

    @api.model
    def _subject(self, record):
        """Override to name the meter behind a session, pile or installation."""
        if record._name in ("acrel.session", "acrel.pile"):
            return {"meter_id": record.meter_id.id, "output_id": record.output_id.id}
        if record._name == "acrel.installation":
            return {"meter_id": record.meter_id.id}
        return super()._subject(record)
