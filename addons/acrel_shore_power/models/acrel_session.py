"""Sessions that supply a ship."""

from odoo import fields, models


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

    def _responsible(self):
        """Override of `acrel_charging`: the person named on the connection decides."""
        return self.shore_connection_id.shore_responsible_id or super()._responsible()
