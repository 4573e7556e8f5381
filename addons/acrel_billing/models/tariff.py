"""Tariffs: what a kWh costs, by company, with versions in time."""

from odoo import api, fields, models


class AcrelTariff(models.Model):
    """A name for prices that change over time; each change is a version."""

    _name = "acrel.tariff"
    _description = "Charging Tariff"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "sequence, name, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True, tracking=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    electricity_tax_id = fields.Many2one(
        "account.tax",
        string="Tax on Electricity",
        check_company=True,
        domain=[("type_tax_use", "=", "sale"), ("amount_type", "=", "percent")],
        tracking=True,
        help="Included in the price. Empty: the company's tax on electricity.",
    )
    service_tax_id = fields.Many2one(
        "account.tax",
        string="Tax on Service",
        check_company=True,
        domain=[("type_tax_use", "=", "sale"), ("amount_type", "=", "percent")],
        tracking=True,
        help="Included in the price. Empty: the company's tax on service.",
    )
    note = fields.Html(
        string="Note to Drivers", translate=True, help="Shown below the prices before the start."
    )
    version_ids = fields.One2many("acrel.tariff.version", "tariff_id", string="Versions")
    current_version_id = fields.Many2one(
        "acrel.tariff.version", compute="_compute_current_version_id", string="Version in Force"
    )
    day_bar = fields.Html(related="current_version_id.day_bar", string="Prices of the Day")
    station_ids = fields.One2many("acrel.station", "tariff_id", string="Stations")
    pile_ids = fields.One2many("acrel.pile", "tariff_id", string="Piles of Their Own")

    @api.depends("version_ids.state", "version_ids.valid_from")
    def _compute_current_version_id(self):
        """Find the version that a session starting now would be priced by."""
        now = fields.Datetime.now()
        for tariff in self:
            tariff.current_version_id = tariff._version_at(now)

    @api.ondelete(at_uninstall=False)
    def _unlink_unused(self):
        """Keep tariffs with versions that are or were in force."""
        self.version_ids._check_draft()

    def _version_at(self, moment):
        """Return the active version in force at `moment` (UTC), or none."""
        versions = self.version_ids.filtered(
            lambda version: version.state == "active" and version.valid_from <= moment
        )
        return versions.sorted("valid_from")[-1:]

    def _fee_tax(self, fee_kind):
        """Return the tax included in the price of `electricity` or `service`; empty is none."""
        self.ensure_one()
        own = self.electricity_tax_id if fee_kind == "electricity" else self.service_tax_id
        return own or self.company_id._acrel_fee_tax(fee_kind)

    def action_new_version(self):
        """Open a draft that begins as a copy of the newest version."""
        self.ensure_one()
        newest = self.version_ids.sorted(lambda version: (version.valid_from, version.id))[-1:]
        if newest:
            return newest.action_new_version()
        return self.env["acrel.tariff.version"].create({"tariff_id": self.id})._action_form()
