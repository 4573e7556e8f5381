"""Shore power outlets: what a pile is to a ship."""

from math import sqrt

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

from .acrel_vessel import FREQUENCIES


class AcrelShoreOutlet(models.Model):
    """A socket at a berth, supplied and measured by exactly one pile."""

    _name = "acrel.shore.outlet"
    _description = "Shore Power Outlet"
    _inherit = ["mail.thread"]
    _order = "berth_id, name, id"
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True, tracking=True)
    pile_id = fields.Many2one(
        "acrel.pile",
        required=True,
        ondelete="restrict",
        check_company=True,
        tracking=True,
        help="The pile whose contactor and meter this outlet is.",
    )
    berth_id = fields.Many2one(
        "acrel.berth",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        tracking=True,
    )
    station_id = fields.Many2one(related="berth_id.station_id", store=True, index=True)
    company_id = fields.Many2one(related="berth_id.company_id", store=True, index=True)
    voltage = fields.Integer("Voltage (V)", required=True, default=400, tracking=True)
    frequency = fields.Selection(FREQUENCIES, required=True, default="50", tracking=True)
    max_current = fields.Integer("Largest Current (A)", required=True, tracking=True)
    max_power = fields.Float(
        "Largest Power (kVA)", digits=(9, 1), compute="_compute_max_power", store=True
    )
    on_doubt = fields.Selection(
        [("hold", "Hold: only a person opens"), ("open", "Open the contactor")],
        "In Doubt",
        required=True,
        default="hold",
        tracking=True,
        help="What the software does with a closed contactor when money, time or communication"
        " ends. A ship on shore power has its generators off: on hold no software rule opens the"
        " outlet, it calls the responsible person. The outlet's own protection and interlock"
        " always act.",
    )
    tested_on = fields.Date(
        "Tested",
        tracking=True,
        help="Last test of the facility; published with the technical parameters (Art. 8, 13).",
    )
    connection_ids = fields.One2many("acrel.shore.connection", "outlet_id", "Shore Connections")
    fault_ids = fields.One2many("acrel.shore.fault", "outlet_id", "Faults")
    out_of_order = fields.Boolean(compute="_compute_out_of_order", search="_search_out_of_order")

    _pile_unique = models.Constraint(
        "UNIQUE (pile_id)", "This pile already is another outlet: an outlet has a pile of its own."
    )
    _rating_positive = models.Constraint(
        "CHECK (voltage > 0 AND max_current > 0)",
        "Voltage and largest current must be above zero.",
    )

    @api.depends("voltage", "max_current")
    def _compute_max_power(self):
        for outlet in self:
            outlet.max_power = sqrt(3) * outlet.voltage * outlet.max_current / 1000

    @api.depends("fault_ids.repaired_at", "fault_ids.side")
    def _compute_out_of_order(self):
        for outlet in self:
            outlet.out_of_order = bool(outlet._open_faults())

    @api.model
    def _search_out_of_order(self, operator, value):
        if operator != "in":
            return NotImplemented
        broken = [("side", "=", "shore"), ("repaired_at", "=", False)]
        return [("fault_ids", "any" if True in value else "not any", broken)]

    def _open_faults(self):
        """Return the faults of the shore side that are not repaired."""
        return self.fault_ids.filtered(
            lambda fault: fault.side == "shore" and not fault.repaired_at
        )

    @api.constrains("pile_id", "berth_id")
    def _check_same_station(self):
        for outlet in self:
            if outlet.pile_id.station_id != outlet.berth_id.station_id:
                raise ValidationError(
                    self.env._(
                        "%(pile)s stands in %(there)s and %(berth)s in %(here)s: an outlet's pile"
                        " and berth belong to the same port station.",
                        pile=outlet.pile_id.display_name,
                        there=outlet.pile_id.station_id.display_name,
                        berth=outlet.berth_id.name,
                        here=outlet.berth_id.station_id.display_name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        """Guard the right to let software open an outlet."""
        if any(vals.get("on_doubt", "hold") != "hold" for vals in vals_list):
            self._check_doubt_right()
        outlets = super().create(vals_list)
        outlets._tell_piles()
        outlets._assess_calls(outlets.berth_id)
        return outlets

    def write(self, vals):
        """Guard the right to change doubt, and what an outlet in use is."""
        if "on_doubt" in vals and any(outlet.on_doubt != vals["on_doubt"] for outlet in self):
            self._check_doubt_right()
        frozen = {"pile_id", "berth_id", "voltage", "frequency", "on_doubt", "active"} & set(vals)
        if frozen:
            self._check_not_in_use()
        berths = self.berth_id
        done = super().write(vals)
        if {"on_doubt", "pile_id"} & set(vals):
            self._tell_piles()
        if {"active", "berth_id"} & set(vals):
            self._assess_calls(berths | self.berth_id)
        return done

    def unlink(self):
        """Let the loss of an outlet reach the open calls of its berth."""
        berths = self.berth_id
        done = super().unlink()
        self._assess_calls(berths)
        return done

    def _tell_piles(self):
        """Show at the piles what their outlets do in doubt."""
        for outlet in self:
            outlet.pile_id.sudo().on_doubt = outlet.on_doubt

    def _assess_calls(self, berths):
        """Assess the open calls of berths whose outlets changed."""
        self.env["acrel.berth.call"]._assess_open([("berth_id", "in", berths.ids)])

    def _check_doubt_right(self):
        """Refuse users without the right to change what doubt means."""
        if self.env.su or self.env.user.has_group("acrel_shore_power.group_doubt"):
            return
        raise AccessError(
            self.env._(
                "You may not change what happens to an outlet in doubt. Ask someone who holds the"
                " right “Decide what doubt means for an outlet”."
            )
        )

    def _check_not_in_use(self):
        """Refuse a change while a ship is connected."""
        for outlet in self:
            used = outlet.connection_ids.filtered(lambda c: c.state in ("confirmed", "energised"))
            if used:
                raise UserError(
                    self.env._(
                        "%(outlet)s supplies %(vessel)s (%(connection)s). End that connection"
                        " before changing the outlet.",
                        outlet=outlet.name,
                        vessel=used[0].vessel_id.name,
                        connection=used[0].name,
                    )
                )

    def _responsible(self):
        """Return the user named in alarms of this outlet."""
        return self.berth_id.responsible_id or self.station_id.responsible_id
