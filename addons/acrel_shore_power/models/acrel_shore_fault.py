"""Faults of shore power, kept with the record of use."""

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError


class AcrelShoreFault(models.Model):
    """A fault of an outlet or of a ship's receiving equipment, from its time to its repair."""

    _name = "acrel.shore.fault"
    _description = "Shore Power Fault"
    _inherit = ["mail.thread"]
    _order = "occurred_at desc, id desc"
    _rec_name = "description"
    _check_company_auto = True

    outlet_id = fields.Many2one(
        "acrel.shore.outlet",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        compute="_compute_outlet_id",
        store=True,
        readonly=False,
        precompute=True,
    )
    connection_id = fields.Many2one(
        "acrel.shore.connection",
        "Shore Connection",
        index=True,
        ondelete="restrict",
        check_company=True,
    )
    company_id = fields.Many2one(related="outlet_id.company_id", store=True, index=True)
    side = fields.Selection(
        [("shore", "Shore"), ("ship", "Ship")], required=True, default="shore", tracking=True
    )
    occurred_at = fields.Datetime("Time", required=True, default=fields.Datetime.now, tracking=True)
    description = fields.Char(required=True, tracking=True)
    repaired_at = fields.Datetime("Repaired", tracking=True)

    _in_order = models.Constraint(
        "CHECK (repaired_at IS NULL OR repaired_at >= occurred_at)",
        "A fault cannot be repaired before it occurred.",
    )

    @api.depends("connection_id")
    def _compute_outlet_id(self):
        for fault in self:
            fault.outlet_id = fault.connection_id.outlet_id or fault.outlet_id

    @api.constrains("connection_id", "outlet_id")
    def _check_same_outlet(self):
        for fault in self:
            if fault.connection_id and fault.connection_id.outlet_id != fault.outlet_id:
                raise ValidationError(
                    self.env._(
                        "%(connection)s is at %(outlet)s: a fault of it belongs to that outlet.",
                        connection=fault.connection_id.name,
                        outlet=fault.connection_id.outlet_id.name,
                    )
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_never_recorded(self):
        for fault in self:
            if fault.connection_id.state in ("energised", "ended"):
                raise UserError(
                    self.env._(
                        "A fault of %(connection)s belongs to the shore power record and cannot be"
                        " deleted.",
                        connection=fault.connection_id.name,
                    )
                )

    def action_repaired(self):
        """Note that the fault is repaired now."""
        for fault in self.filtered(lambda fault: not fault.repaired_at):
            fault.repaired_at = fields.Datetime.now()
