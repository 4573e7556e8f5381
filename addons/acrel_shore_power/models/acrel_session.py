"""Sessions that supply a ship."""

from odoo import fields, models
from odoo.exceptions import UserError


class AcrelSession(models.Model):
    """A session of an outlet belongs to the connection that energised it."""

    _inherit = "acrel.session"

    shore_connection_id = fields.Many2one(
        "acrel.shore.connection",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        groups="acrel_shore_power.group_viewer",
    )

    def _payer(self):
        """Override of `acrel_billing`: the ship's agent pays."""
        return super()._payer() or self.shore_connection_id.agent_id

    def _settles_alone(self):
        """Override of `acrel_billing`: a connection is billed as a whole when it ends."""
        return not self.shore_connection_id and super()._settles_alone()

    def action_settle(self):
        """Override of `acrel_billing`: what an ended connection supplied is billed as a whole."""
        connections = self.sudo().shore_connection_id
        shore = self.filtered(lambda session: session.sudo().shore_connection_id)
        result = super(AcrelSession, self - shore).action_settle()
        if shore:
            self.env["acrel.bill"]._check_biller()
            shore.check_access("read")
            shore.sudo()._check_settle()
        for connection in connections:
            if connection.state != "ended":
                raise UserError(
                    self.env._(
                        "%(connection)s has not ended. It is billed when it ends.",
                        connection=connection.name,
                    )
                )
            connection._settle()
        return result

    def _responsible(self):
        """Override of `acrel_charging`: the person named on the connection decides."""
        return self.shore_connection_id.shore_responsible_id or super()._responsible()
