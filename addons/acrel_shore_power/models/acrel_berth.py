"""Berths of a port station."""

from odoo import api, fields, models

WATERS = [("coastal", "Coastal port"), ("inland", "Inland port")]


class AcrelBerth(models.Model):
    """A place where one ship lies, with the outlets that can supply it."""

    _name = "acrel.berth"
    _description = "Berth"
    _inherit = ["mail.thread"]
    _order = "station_id, code, id"
    _rec_names_search = ["name", "code"]
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    code = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True)
    station_id = fields.Many2one(
        "acrel.station",
        "Port Station",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        tracking=True,
    )
    company_id = fields.Many2one(related="station_id.company_id", store=True, index=True)
    waters = fields.Selection(
        WATERS,
        required=True,
        default="coastal",
        tracking=True,
        help="Decides how long a stay must be before shore power is a duty.",
    )
    responsible_id = fields.Many2one(
        "res.users",
        check_company=True,
        tracking=True,
        help="The person named in alarms of this berth. While a ship is on shore power only a"
        " person decides to switch it off.",
    )
    outlet_ids = fields.One2many("acrel.shore.outlet", "berth_id", "Outlets")
    supply_able = fields.Boolean(
        "Able to Supply",
        compute="_compute_supply_able",
        store=True,
        help="The berth has at least one shore power outlet in use.",
    )
    call_ids = fields.One2many("acrel.berth.call", "berth_id", "Berth Calls")

    _code_unique = models.Constraint(
        "UNIQUE (station_id, code)", "Another berth of this port station has this code."
    )

    @api.depends("outlet_ids.active")
    def _compute_supply_able(self):
        for berth in self:
            berth.supply_able = any(berth.outlet_ids.mapped("active"))

    @api.depends("name", "station_id.name")
    def _compute_display_name(self):
        for berth in self:
            berth.display_name = (
                f"{berth.station_id.name} / {berth.name}" if berth.station_id else berth.name
            )

    def write(self, vals):
        """Let a change of waters reach the calls that have not ended."""
        done = super().write(vals)
        if {"waters", "station_id"} & set(vals):
            self.env["acrel.berth.call"]._assess_open([("berth_id", "in", self.ids)])
        return done
