"""Staff start a session for a driver who stands there without a telephone."""

from odoo import fields, models

from odoo.addons.acrel_meter_link.access import require


class AcrelSessionStart(models.TransientModel):
    """Choice of the pile and of the driver for whom a session starts."""

    _name = "acrel.session.start"
    _description = "Start a Charging Session"

    pile_id = fields.Many2one("acrel.pile", required=True)
    driver_id = fields.Many2one(
        "res.partner", help="Empty: a session of the staff itself, such as a test."
    )
    state = fields.Selection(related="pile_id.state", string="Pile Is")

    def action_start(self):
        """Start the session and show it."""
        self.ensure_one()
        require(self.env, "group_operator")
        self.pile_id.check_access("read")
        session = self.pile_id._start(self.driver_id)
        return {
            "type": "ir.actions.act_window",
            "res_model": "acrel.session",
            "res_id": session.id,
            "view_mode": "form",
        }
