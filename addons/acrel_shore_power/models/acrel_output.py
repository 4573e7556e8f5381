"""Contactors of shore power outlets."""

from odoo import models
from odoo.exceptions import UserError


class AcrelOutput(models.Model):
    """An outlet's contactor is closed by its connection only."""

    _inherit = "acrel.output"

    def _check_by_hand(self, wanted):
        """Override of `acrel_meter_link`: by hand an outlet may be opened, never made live."""
        super()._check_by_hand(wanted)
        if wanted != "closed":
            return
        piles = self.env["acrel.pile"].sudo().with_context(active_test=False)
        for pile in piles.search([("output_id", "in", self.ids)]):
            outlet = pile._shore_outlet()
            if outlet:
                raise UserError(
                    self.env._(
                        "This contactor is the shore power outlet %(outlet)s: it is energised from"
                        " a confirmed shore connection of a ship that is alongside.",
                        outlet=outlet.name,
                    )
                )
