"""What the alarm rules compare a meter with."""

from odoo import api, fields, models

from ..acrel_link.profiles import DEFAULT, profile


class AcrelMeter(models.Model):
    """What a meter's rules compare with, and when they are evaluated."""

    _inherit = "acrel.meter"

    phases = fields.Selection(
        [("1", "Single-phase"), ("3", "Three-phase")],
        compute="_compute_phases",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        help="How many phases of the circuit are watched.",
    )
    nominal_voltage = fields.Integer(
        "Nominal Voltage (V)",
        default=220,
        aggregator=None,
        help="Between phase and neutral, on the primary side. 0: voltages are not watched.",
    )
    rated_current = fields.Integer(
        "Rated Current (A)",
        aggregator=None,
        help="Highest current of the circuit (Imax), on the primary side. 0: it is not watched.",
    )

    _nominal_positive = models.Constraint(
        "CHECK (nominal_voltage >= 0 AND rated_current >= 0)",
        "Nominal voltage and rated current are not negative.",
    )

    @api.depends("profile")
    def _compute_phases(self):
        """A model says how many phases it measures."""
        for meter in self:
            meter.phases = str(profile(meter.profile or DEFAULT).phases)

    def _on_readings(self):
        """Override to evaluate the rules on what arrived."""
        result = super()._on_readings()
        self.env["acrel.alarm.rule"]._evaluate(self)
        return result
