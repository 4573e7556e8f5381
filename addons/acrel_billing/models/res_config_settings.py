"""Settings of wallets and of the accounting of charging."""

from odoo import api, fields, models

from .chart_template import CHART


class ResConfigSettings(models.TransientModel):
    """The company's billing settings."""

    _name = "res.config.settings"
    _inherit = "res.config.settings"

    acrel_liability_account_id = fields.Many2one(
        related="company_id.acrel_liability_account_id", readonly=False
    )
    acrel_revenue_account_id = fields.Many2one(
        related="company_id.acrel_revenue_account_id", readonly=False
    )
    acrel_output_vat_account_ids = fields.Many2many(
        comodel_name="account.account",
        string="Output VAT Accounts",
        compute="_compute_acrel_output_vat_account_ids",
    )
    acrel_journal_id = fields.Many2one(related="company_id.acrel_journal_id", readonly=False)
    acrel_invoice_journal_id = fields.Many2one(
        related="company_id.acrel_invoice_journal_id", readonly=False
    )
    acrel_electricity_tax_id = fields.Many2one(
        related="company_id.acrel_electricity_tax_id", readonly=False
    )
    acrel_service_tax_id = fields.Many2one(
        related="company_id.acrel_service_tax_id", readonly=False
    )
    acrel_hold_amount = fields.Monetary(
        related="company_id.acrel_hold_amount",
        readonly=False,
    )
    acrel_start_minimum = fields.Monetary(
        related="company_id.acrel_start_minimum",
        readonly=False,
    )
    acrel_topup_minimum = fields.Monetary(
        related="company_id.acrel_topup_minimum",
        readonly=False,
    )
    acrel_topup_maximum = fields.Monetary(
        related="company_id.acrel_topup_maximum",
        readonly=False,
    )
    acrel_accounting_sentence = fields.Char(compute="_compute_acrel_accounting")
    acrel_can_setup = fields.Boolean(compute="_compute_acrel_accounting")

    @api.depends("company_id")
    def _compute_acrel_accounting(self):
        """Say what the books of the company still need."""
        for settings in self:
            settings.acrel_accounting_sentence = settings.company_id._acrel_accounting_missing()
            settings.acrel_can_setup = settings.company_id.chart_template == CHART

    @api.depends("acrel_electricity_tax_id", "acrel_service_tax_id")
    def _compute_acrel_output_vat_account_ids(self):
        """Show the accounts that the chosen taxes book on."""
        for settings in self:
            taxes = settings.acrel_electricity_tax_id | settings.acrel_service_tax_id
            settings.acrel_output_vat_account_ids = taxes.repartition_line_ids.account_id

    def action_acrel_setup_accounting(self):
        """Make the missing accounts, journal and tax of the company and choose them."""
        self.ensure_one()
        self.check_access("write")
        self.company_id.sudo()._acrel_setup_accounting()
        return {"type": "ir.actions.client", "tag": "reload"}
