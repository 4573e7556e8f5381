"""Which meter measured what for whom, and when."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..fields import BigInteger

# One raw count of an energy register is 0.01 kWh.
WH_PER_COUNT = 10

# What readings are valued by: it does not change under readings that exist.
FROZEN_FIELDS = frozenset({"meter_id", "date_from", "pt", "ct"})


class AcrelInstallation(models.Model):
    """A period in which a meter measured one point for a company, with its transformers' ratios.

    Periods of one meter do not overlap. Wh = register difference × 10 × PT × CT.
    """

    _name = "acrel.installation"
    _description = "Meter Installation"
    _inherit = ["mail.thread"]
    _order = "date_from desc, id desc"

    meter_id = fields.Many2one("acrel.meter", required=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        compute="_compute_company_id",
        store=True,
        readonly=False,
        precompute=True,
        help="Whose energy was measured. It stays when the meter moves to another company.",
    )
    date_from = fields.Datetime(
        "From", required=True, default=lambda self: fields.Datetime.now(), tracking=True
    )
    date_to = fields.Datetime(
        "Until", tracking=True, help="First moment that no longer counts. Empty: still installed."
    )
    pt = fields.Integer(
        "PT",
        required=True,
        default=1,
        tracking=True,
        aggregator=None,
        help="Ratio of the voltage transformers; 1 without.",
    )
    ct = fields.Integer(
        "CT",
        required=True,
        default=1,
        tracking=True,
        aggregator=None,
        help="Ratio of the current transformers, such as 40 for 200/5 A; 1 without.",
    )
    register_from = BigInteger(
        "First Register",
        aggregator=None,
        help="Energy register at the beginning, in 0.01 kWh of the meter's secondary side.",
    )
    register_to = BigInteger(
        "Last Register",
        aggregator=None,
        help="Energy register at the end, in 0.01 kWh of the meter's secondary side.",
    )
    unit_wh = BigInteger(
        "Wh a Count",
        compute="_compute_unit_wh",
        aggregator=None,
        help="Energy of one count of the register: 10 Wh × PT × CT.",
    )

    # a range of one meter stands for it, since plain integers have no GiST operator class
    # without an extension
    _no_overlap = models.Constraint(
        "EXCLUDE USING gist (int4range(meter_id, meter_id, '[]') WITH &&, "
        "tsrange(date_from, date_to) WITH &&)",
        "A meter measures one thing at a time: this period overlaps another installation of the "
        "same meter. End that one first.",
    )
    _period = models.Constraint(
        "CHECK (date_to IS NULL OR date_to > date_from)", "An installation ends after it begins."
    )
    _ratios = models.Constraint(
        "CHECK (pt BETWEEN 1 AND 10000 AND ct BETWEEN 1 AND 10000)",
        "The ratios PT and CT lie between 1 and 10,000.",
    )

    @api.depends("meter_id")
    def _compute_company_id(self):
        """A new installation belongs to its meter's company, unless told otherwise."""
        for installation in self:
            if not installation.company_id:
                installation.company_id = installation.meter_id.company_id or self.env.company

    @api.depends("pt", "ct")
    def _compute_unit_wh(self):
        """Value one raw count."""
        for installation in self:
            installation.unit_wh = WH_PER_COUNT * installation.pt * installation.ct

    @api.depends("meter_id", "date_from")
    def _compute_display_name(self):
        """Name an installation by its meter and beginning."""
        for installation in self:
            begin = installation.date_from and fields.Datetime.context_timestamp(
                installation, installation.date_from
            )
            installation.display_name = self.env._(
                "%(meter)s from %(date)s",
                meter=installation.meter_id.display_name or "",
                date=begin.date() if begin else "",
            )

    @api.model_create_multi
    def create(self, vals_list):
        """Override to note the register that an installation begins with, when it is known."""
        # an installation that was ended just now makes room only once that is written
        self.flush_model(["meter_id", "date_from", "date_to"])
        installations = super().create(vals_list)
        live = installations.meter_id._live()
        for installation, vals in zip(installations, vals_list, strict=True):
            reading = live.get(installation.meter_id.id)
            if (
                reading
                and "register_from" not in vals
                and installation.date_from >= reading.received_at
            ):
                installation.register_from = reading.e_forward
        return installations

    def write(self, vals):
        """Override to keep readings that exist at the value they were measured with."""
        frozen = {}
        if not FROZEN_FIELDS.isdisjoint(vals):
            frozen = {one: one._valuation() for one in self if one._has_readings()}
        result = super().write(vals)
        for installation, valuation in frozen.items():
            if installation._valuation() != valuation:
                raise UserError(
                    self.env._(
                        "Readings were measured under the installation %(installation)s. End it "
                        "and make a new one instead of changing its meter, beginning or ratios.",
                        installation=installation.display_name,
                    )
                )
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_measured(self):
        """Without its installation a reading has no value: keep those that valued some."""
        for installation in self:
            if installation._has_readings():
                raise UserError(
                    self.env._(
                        "Readings were measured under the installation %(installation)s. End it "
                        "instead of deleting it.",
                        installation=installation.display_name,
                    )
                )

    def _valuation(self):
        """Return what the readings of the period are valued by."""
        self.ensure_one()
        return {name: self[name] for name in FROZEN_FIELDS}

    def _has_readings(self):
        """Whether a reading was stored in the period."""
        self.ensure_one()
        self.env.cr.execute(
            """SELECT 1 FROM acrel_reading_raw
                WHERE meter_id = %s AND received_at >= %s
                  AND (%s::timestamp IS NULL OR received_at < %s::timestamp)
                LIMIT 1""",
            [self.meter_id.id, self.date_from, self.date_to or None, self.date_to or None],
        )
        return bool(self.env.cr.fetchone())

    def _at(self, moment):
        """Return those of these installations that are valid at ``moment`` (UTC)."""
        return self.filtered(
            lambda one: one.date_from <= moment and (not one.date_to or moment < one.date_to)
        )

    def _raw_to_wh(self, raw):
        """Value a difference of raw register counts in Wh."""
        self.ensure_one()
        return raw * self.unit_wh

    def action_end(self):
        """End the installations now, at the register last heard."""
        now = fields.Datetime.now()
        live = self.meter_id._live()
        for installation in self:
            if installation.date_to:
                raise UserError(
                    self.env._(
                        "The installation %(installation)s has ended already.",
                        installation=installation.display_name,
                    )
                )
            reading = live.get(installation.meter_id.id)
            installation.write({"date_to": now, "register_to": reading.e_forward if reading else 0})
