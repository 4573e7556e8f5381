"""Drivers are partners."""

from odoo import fields, models


class ResPartner(models.Model):
    """A partner with his charging sessions."""

    _inherit = "res.partner"

    charging_session_count = fields.Integer(
        compute="_compute_charging_session_count", groups="acrel_meter_link.group_viewer"
    )

    def _compute_charging_session_count(self):
        """Count the sessions of a driver."""
        counts = dict(
            self.env["acrel.session"]._read_group(
                [("driver_id", "in", self.ids)], ["driver_id"], ["__count"]
            )
        )
        for partner in self:
            partner.charging_session_count = counts.get(partner, 0)

    def action_view_charging_sessions(self):
        """Open the sessions of a driver."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "acrel_charging.acrel_session_action"
        )
        return {**action, "domain": [("driver_id", "=", self.id)], "context": {}}
