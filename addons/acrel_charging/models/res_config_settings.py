"""Settings of the network that hold for all stations."""

from odoo import fields, models

from .acrel_energy_outside import DEFAULT_THRESHOLD_WH
from .acrel_session_alarm import DEFAULT_MINUTES
from .acrel_session_end import PLAUSIBLE_PERCENT


class ResConfigSettings(models.TransientModel):
    """Charging settings."""

    _inherit = "res.config.settings"

    charging_silence_minutes = fields.Integer(
        string="Silence Limit of New Piles (min)",
        default=30,
        config_parameter="acrel_charging.silence_minutes",
    )
    charging_outside_anomaly_wh = fields.Integer(
        string="Energy outside Sessions (Wh)",
        default=DEFAULT_THRESHOLD_WH,
        config_parameter="acrel_charging.outside_anomaly_wh",
    )
    charging_alarm_minutes = fields.Integer(
        string="Time to Decide (min)",
        default=DEFAULT_MINUTES,
        config_parameter="acrel_charging.alarm_minutes",
    )

    charging_plausible_percent = fields.Integer(
        string="Plausible Energy (% of rated power)",
        default=PLAUSIBLE_PERCENT,
        config_parameter="acrel_charging.plausible_percent",
    )

    _charging_limits = models.Constraint(
        "CHECK (charging_silence_minutes > 0 AND charging_alarm_minutes > 0"
        " AND charging_outside_anomaly_wh > 0 AND charging_plausible_percent > 0)",
        "Limits of charging are more than zero.",
    )
