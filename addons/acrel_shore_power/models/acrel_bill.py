"""Bills of shore connections."""

from odoo import api, fields, models


class AcrelBill(models.Model):
    """One bill over all energisings of a connection, to the ship's agent."""

    _inherit = "acrel.bill"

    kind = fields.Selection(
        selection_add=[("shore", "Shore Power")], ondelete={"shore": "set default"}
    )
    shore_connection_id = fields.Many2one(
        "acrel.shore.connection",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        groups="acrel_shore_power.group_viewer",
    )
    berth_call_id = fields.Many2one(
        related="shore_connection_id.call_id",
        string="Berth Call",
        groups="acrel_shore_power.group_viewer",
    )

    @api.model
    def _bill_values(self, sessions):
        """Override of `acrel_billing`: sessions of one connection make a shore power bill."""
        values = super()._bill_values(sessions)
        connection = sessions.shore_connection_id
        if connection:
            connection.ensure_one()
            values.update(kind="shore", shore_connection_id=connection.id)
        return values

    def _rebill(self, version=None):
        """Override of `acrel_billing`: the agent gets an invoice of the new bill too."""
        bill = super()._rebill(version)
        connection = self.shore_connection_id
        if bill and connection:
            connection._invoice(bill)
        return bill

    @api.model
    def _credited_fields(self):
        """Override of `acrel_billing`: a credit belongs to the same connection."""
        return [*super()._credited_fields(), "shore_connection_id"]
