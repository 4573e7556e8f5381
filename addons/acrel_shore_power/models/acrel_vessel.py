"""Ships, as the port knows them."""

import re

from stdnum import imo

from odoo import api, fields, models
from odoo.exceptions import ValidationError

VESSEL_TYPES = [
    ("container", "Container ship"),
    ("bulk", "Bulk carrier"),
    ("general", "General cargo ship"),
    ("roro", "Ro-ro cargo ship"),
    ("ropax", "Ro-ro passenger ship"),
    ("passenger", "Passenger or cruise ship"),
    ("tanker", "Liquid cargo ship"),
    ("inland", "Inland cargo ship"),
    ("work", "Tug or port work boat"),
    ("official", "Official vessel"),
    ("other", "Other"),
]
FREQUENCIES = [("50", "50 Hz"), ("60", "60 Hz")]
# ITU-R M.585: nine digits, the first three are the country's, 2xx to 7xx for ship stations.
SHIP_STATION = re.compile(r"[2-7][0-9]{8}")


class AcrelVessel(models.Model):
    """A ship with its shore power receiving equipment."""

    _name = "acrel.vessel"
    _description = "Vessel"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "name, id"
    _rec_names_search = ["name", "mmsi", "imo", "call_sign"]

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True)
    mmsi = fields.Char(
        "MMSI",
        required=True,
        copy=False,
        tracking=True,
        help="Maritime Mobile Service Identity: nine digits.",
    )
    imo = fields.Char(
        "IMO Number",
        copy=False,
        tracking=True,
        help="Seven digits, the last a check digit. Inland ships have none.",
    )
    call_sign = fields.Char()
    flag_id = fields.Many2one("res.country", ondelete="restrict")
    vessel_type = fields.Selection(VESSEL_TYPES, "Type", required=True, default="general")
    liquid_cargo = fields.Boolean(
        compute="_compute_liquid_cargo",
        store=True,
        help="Liquid cargo ships are not bound to use shore power.",
    )
    gross_tonnage = fields.Integer()
    equipped = fields.Boolean(
        "Receiving Equipment", tracking=True, help="The ship can receive shore power."
    )
    voltage = fields.Integer("Voltage (V)", tracking=True)
    frequency = fields.Selection(FREQUENCIES, tracking=True)
    max_power = fields.Float("Largest Load (kW)", digits=(9, 1), tracking=True)
    agent_id = fields.Many2one(
        "res.partner",
        "Ship's Agent",
        company_dependent=True,
        help="Proposed as the payer of this ship's calls.",
    )
    call_ids = fields.One2many("acrel.berth.call", "vessel_id", "Berth Calls")
    call_count = fields.Integer(compute="_compute_call_count")

    _mmsi_unique = models.Constraint(
        "UNIQUE (mmsi)", "Another vessel has this MMSI. Search for it, also among the archived."
    )
    _imo_unique = models.UniqueIndex(
        "(imo) WHERE imo IS NOT NULL",
        "Another vessel has this IMO number. Search for it, also among the archived.",
    )
    _tonnage_positive = models.Constraint(
        "CHECK (gross_tonnage >= 0)", "Gross tonnage cannot be negative."
    )
    _equipment_positive = models.Constraint(
        "CHECK (voltage >= 0 AND max_power >= 0)",
        "Voltage and largest load cannot be negative.",
    )

    @api.depends("vessel_type")
    def _compute_liquid_cargo(self):
        for vessel in self:
            vessel.liquid_cargo = vessel.vessel_type == "tanker"

    @api.depends("call_ids")
    def _compute_call_count(self):
        counts = dict(
            self.env["acrel.berth.call"]._read_group(
                [("vessel_id", "in", self.ids)], ["vessel_id"], ["__count"]
            )
        )
        for vessel in self:
            vessel.call_count = counts.get(vessel, 0)

    @api.depends("name", "mmsi")
    def _compute_display_name(self):
        for vessel in self:
            vessel.display_name = f"{vessel.name} ({vessel.mmsi})" if vessel.mmsi else vessel.name

    @api.constrains("mmsi", "imo")
    def _check_identity(self):
        for vessel in self:
            if not SHIP_STATION.fullmatch(vessel.mmsi):
                raise ValidationError(
                    self.env._(
                        "%(mmsi)s is not the MMSI of a ship: it must be nine digits, the first of"
                        " them 2 to 7. Read it from the ship's radio licence.",
                        mmsi=vessel.mmsi,
                    )
                )
            if vessel.imo and not (len(vessel.imo) == 7 and imo.is_valid(vessel.imo)):
                raise ValidationError(
                    self.env._(
                        "%(imo)s is not an IMO number: it must be seven digits whose last one"
                        " checks the others. Leave it empty for a ship without one.",
                        imo=vessel.imo,
                    )
                )

    @api.constrains("equipped", "voltage", "frequency", "max_power")
    def _check_equipment(self):
        for vessel in self:
            if vessel.equipped and not (vessel.voltage and vessel.frequency and vessel.max_power):
                raise ValidationError(
                    self.env._(
                        "%(vessel)s has receiving equipment: give its voltage, its frequency and"
                        " its largest load.",
                        vessel=vessel.name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        """Store identities without the blanks people type."""
        return super().create([self._tidied(vals) for vals in vals_list])

    def write(self, vals):
        """Store identities without the blanks people type; a new type may change open calls."""
        done = super().write(self._tidied(vals))
        if "vessel_type" in vals:
            self.env["acrel.berth.call"]._assess_open([("vessel_id", "in", self.ids)])
        return done

    @api.model
    def _tidied(self, vals):
        """Return values with MMSI and IMO stripped; an empty IMO becomes none."""
        tidy = dict(vals)
        if "mmsi" in tidy:
            tidy["mmsi"] = "".join((tidy["mmsi"] or "").split())
        if "imo" in tidy:
            number = "".join((tidy["imo"] or "").split()).upper().removeprefix("IMO")
            tidy["imo"] = number or False
        return tidy

    def action_calls(self):
        """Open this vessel's berth calls."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "acrel_shore_power.action_berth_call"
        )
        action["domain"] = [("vessel_id", "=", self.id)]
        action["context"] = {"default_vessel_id": self.id}
        return action
