"""What changes for a pile that is a shore power outlet."""

from odoo import api, fields, models
from odoo.exceptions import UserError

# The connection that starts a session of an outlet; a start without it is refused.
CONNECTION_KEY = "acrel_shore_connection_id"


class AcrelPile(models.Model):
    """A pile behind an outlet: held in doubt, paid later, started through a connection only."""

    _inherit = "acrel.pile"

    shore_outlet_ids = fields.One2many(
        "acrel.shore.outlet",
        "pile_id",
        "Shore Power Outlets",
        groups="acrel_shore_power.group_viewer",
    )
    shore_outlet_id = fields.Many2one(
        "acrel.shore.outlet",
        "Shore Power Outlet",
        compute="_compute_shore_outlet_id",
        groups="acrel_shore_power.group_viewer",
    )
    is_shore_outlet = fields.Boolean(compute="_compute_is_shore_outlet")

    @api.depends("shore_outlet_ids")
    def _compute_shore_outlet_id(self):
        """Show the one outlet of the pile, in use or archived."""
        for pile in self:
            pile.shore_outlet_id = pile._shore_outlet()

    def _compute_is_shore_outlet(self):
        """Tell whether the pile is an outlet, also to who may not see outlets."""
        for pile in self:
            pile.is_shore_outlet = bool(pile._shore_outlet())

    def _shore_outlet(self):
        """Return the outlet that this pile is, also an archived one, or an empty recordset.

        Whether a ship may hang on a contactor does not depend on who asks: no record rules.
        """
        self.ensure_one()
        outlets = self.env["acrel.shore.outlet"].sudo().with_context(active_test=False)
        return outlets.search([("pile_id", "=", self.id)])

    def write(self, vals):
        """Refuse to decide about doubt past the outlet, where a right of its own guards it."""
        if "on_doubt" in vals:
            for pile in self:
                outlet = pile._shore_outlet()
                if outlet and outlet.on_doubt != vals["on_doubt"]:
                    raise UserError(
                        self.env._(
                            "%(pile)s is the shore power outlet %(outlet)s. What it does in doubt"
                            " is decided there.",
                            pile=pile.display_name,
                            outlet=outlet.name,
                        )
                    )
        return super().write(vals)

    def _on_doubt(self):
        """Override of `acrel_charging`: an outlet says itself what doubt means."""
        outlet = self._shore_outlet()
        return outlet.on_doubt if outlet else super()._on_doubt()

    def _payment_mode(self):
        """Override of `acrel_billing`: ships pay by invoice."""
        return "postpaid" if self._shore_outlet() else super()._payment_mode()

    def _check_start(self, partner):
        """Override of `acrel_charging`: an outlet is energised through its connection only."""
        outlet = self._shore_outlet()
        if outlet:
            key = self.env.context.get(CONNECTION_KEY)
            connection = self.env["acrel.shore.connection"].sudo().browse(key or 0).exists()
            if connection.outlet_id != outlet or connection.state != "confirmed":
                raise UserError(
                    self.env._(
                        "%(outlet)s is a shore power outlet: it is energised from a confirmed"
                        " shore connection of a ship that is alongside.",
                        outlet=outlet.name,
                    )
                )
            connection._check_ready()
        return super()._check_start(partner)
