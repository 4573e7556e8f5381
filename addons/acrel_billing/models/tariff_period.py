"""Periods of the day with their prices."""

from odoo import api, fields, models

from .. import acrel_pricing as pricing
from ..money import decimal_of

KINDS = [
    ("sharp", "Sharp Peak"),
    ("peak", "Peak"),
    ("flat", "Flat"),
    ("valley", "Valley"),
    ("deep_valley", "Deep Valley"),
]
FROZEN = {
    "version_id",
    "start_minute",
    "end_minute",
    "time_from",
    "time_to",
    "kind",
    "electricity_price",
    "service_price",
}


def _minutes(hours):
    """Return hours of a time widget as whole minutes, half-up."""
    return int(decimal_of(decimal_of(hours, 6) * 60, 0))


class AcrelTariffPeriod(models.Model):
    """Minutes of the local day with what a kWh costs in them, tax included."""

    _name = "acrel.tariff.period"
    _description = "Charging Tariff Period"
    _order = "version_id, start_minute, id"

    version_id = fields.Many2one(
        "acrel.tariff.version", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="version_id.company_id", store=True, index=True)
    kind = fields.Selection(KINDS, required=True, default="flat")
    start_minute = fields.Integer(
        required=True, default=0, aggregator=None, help="First minute of the day, 0 to 1439."
    )
    end_minute = fields.Integer(
        required=True,
        default=pricing.DAY_MINUTES,
        aggregator=None,
        help="Minute of the day that no longer belongs to it, 1 to 1440.",
    )
    time_from = fields.Float(
        string="From", compute="_compute_time_from", inverse="_inverse_time_from", aggregator=None
    )
    time_to = fields.Float(
        string="To", compute="_compute_time_to", inverse="_inverse_time_to", aggregator=None
    )
    electricity_price = fields.Float(
        string="Electricity (per kWh)", digits=(10, 4), required=True, aggregator=None
    )
    service_price = fields.Float(
        string="Service (per kWh)", digits=(10, 4), required=True, aggregator=None
    )
    total_price = fields.Float(
        string="Together (per kWh)",
        digits=(10, 4),
        compute="_compute_total_price",
        aggregator=None,
    )

    _minutes_of_a_day = models.Constraint(
        "CHECK (0 <= start_minute AND start_minute < end_minute AND end_minute <= 1440)",
        "A period ends after its start, within 00:00 to 24:00.",
    )
    _prices_not_negative = models.Constraint(
        "CHECK (electricity_price >= 0 AND service_price >= 0)",
        "A price is not below zero.",
    )

    @api.depends("start_minute")
    def _compute_time_from(self):
        """Show minutes as the hours of a time widget."""
        for period in self:
            period.time_from = period.start_minute / 60

    @api.depends("end_minute")
    def _compute_time_to(self):
        """Show minutes as the hours of a time widget."""
        for period in self:
            period.time_to = period.end_minute / 60

    @api.onchange("time_from")
    def _inverse_time_from(self):
        """Keep whole minutes; the picture of the day follows while they are typed."""
        for period in self:
            period.start_minute = _minutes(period.time_from)

    @api.onchange("time_to")
    def _inverse_time_to(self):
        """Keep whole minutes; the picture of the day follows while they are typed."""
        for period in self:
            period.end_minute = _minutes(period.time_to)

    @api.depends("electricity_price", "service_price")
    def _compute_total_price(self):
        """Add what a driver pays for a kWh."""
        for period in self:
            period.total_price = float(period._decimal_total())

    @api.depends("kind", "start_minute", "end_minute")
    @api.depends_context("lang")
    def _compute_display_name(self):
        """Name a period by its kind and time."""
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        for period in self:
            period.display_name = (
                f"{kinds.get(period.kind)} {pricing.clock(period.start_minute)}–"
                f"{pricing.clock(period.end_minute)}"
            )

    def _decimal(self, field):
        """Return a price as the Decimal of four places that it is."""
        self.ensure_one()
        return decimal_of(self[field])

    def _decimal_total(self):
        """Return the sum of both prices."""
        return self._decimal("electricity_price") + self._decimal("service_price")

    def _priced(self):
        """Return the period as the pricing package takes it."""
        return pricing.Period(
            self.start_minute,
            self.end_minute,
            self.kind,
            self._decimal("electricity_price"),
            self._decimal("service_price"),
        )

    @api.model_create_multi
    def create(self, vals_list):
        """Add periods to drafts only."""
        periods = super().create(vals_list)
        periods.version_id._check_draft()
        return periods

    def write(self, vals):
        """Change periods of drafts only."""
        if not FROZEN.isdisjoint(vals):
            self.version_id._check_draft()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_draft_only(self):
        """Remove periods of drafts only."""
        self.version_id._check_draft()
