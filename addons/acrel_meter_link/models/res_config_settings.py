"""Settings of the meters that hold for the whole database."""

from odoo import fields, models

from .reading import RETENTION_DAYS, RETENTION_PARAMETER
from .reading_quarter import YEARS, YEARS_PARAMETER


class ResConfigSettings(models.TransientModel):
    """How long what was measured is kept."""

    _inherit = "res.config.settings"

    reading_retention_days = fields.Integer(
        string="Days of Readings", default=RETENTION_DAYS, config_parameter=RETENTION_PARAMETER
    )
    quarter_retention_years = fields.Integer(
        string="Years of Quarter Hours", default=YEARS, config_parameter=YEARS_PARAMETER
    )

    _retention_positive = models.Constraint(
        "CHECK (reading_retention_days >= 0 AND quarter_retention_years >= 0)",
        "Readings cannot be kept for less than no time. Write 0 to keep them for ever.",
    )
