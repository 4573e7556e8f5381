"""How long a stay may be before shore power is a duty."""

from odoo import api, fields, models

from .acrel_berth import WATERS
from .acrel_vessel import VESSEL_TYPES


class AcrelShoreRule(models.Model):
    """One limit; the most specific one that fits a call is used."""

    _name = "acrel.shore.rule"
    _description = "Shore Power Duty"
    _order = "waters, vessel_type, station_id, id"

    name = fields.Char(required=True, translate=True)
    active = fields.Boolean(default=True)
    waters = fields.Selection(WATERS, required=True)
    min_stay = fields.Float(
        "Stay Longer Than (h)",
        required=True,
        digits=(6, 2),
        help="A stay longer than this many hours binds the ship; 0 binds it at every stay.",
    )
    vessel_type = fields.Selection(VESSEL_TYPES, help="Empty: every type.")
    station_id = fields.Many2one(
        "acrel.station",
        "Port Station",
        ondelete="cascade",
        help="Empty: every port station.",
    )
    company_id = fields.Many2one(
        "res.company",
        compute="_compute_company_id",
        store=True,
        readonly=False,
        precompute=True,
        help="Empty: every company.",
    )
    legal_basis = fields.Char(
        translate=True, help="The regulation and its article, quoted in the assessment of a call."
    )

    _stay_positive = models.Constraint("CHECK (min_stay >= 0)", "A stay cannot be negative.")
    _scope_unique = models.UniqueIndex(
        "(waters, COALESCE(vessel_type, ''), COALESCE(station_id, 0), COALESCE(company_id, 0))"
        " WHERE active",
        "Another rule has the same waters, vessel type, port station and company.",
    )

    @api.depends("station_id")
    def _compute_company_id(self):
        """A rule of one port station is its company's."""
        for rule in self:
            rule.company_id = rule.station_id.company_id or rule.company_id

    @api.model
    def _for_call(self, call):
        """Return the most specific rule of a call, or an empty recordset.

        Read without record rules: which duty holds does not depend on who looks.
        """
        berth, vessel = call.berth_id, call.vessel_id
        fitting = self.sudo().search(
            [
                ("waters", "=", berth.waters),
                ("vessel_type", "in", [False, vessel.vessel_type]),
                ("station_id", "in", [False, berth.station_id.id]),
                ("company_id", "in", [False, berth.company_id.id]),
            ]
        )
        return fitting.sorted(
            lambda rule: (bool(rule.station_id), bool(rule.vessel_type), bool(rule.company_id)),
            reverse=True,
        )[:1]

    @api.model_create_multi
    def create(self, vals_list):
        """Assess open calls anew."""
        rules = super().create(vals_list)
        self.env["acrel.berth.call"]._assess_open()
        return rules

    def write(self, vals):
        """Assess open calls anew."""
        done = super().write(vals)
        self.env["acrel.berth.call"]._assess_open()
        return done

    def unlink(self):
        """Assess open calls anew."""
        done = super().unlink()
        self.env["acrel.berth.call"]._assess_open()
        return done
