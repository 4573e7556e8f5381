"""The accounts, taxes and amounts that a company's billing works with."""

from datetime import timedelta

from odoo import fields, models
from odoo.exceptions import UserError

from .chart_template import CHART

ACCOUNTING_FIELDS = (
    "acrel_liability_account_id",
    "acrel_revenue_account_id",
    "acrel_journal_id",
    "acrel_invoice_journal_id",
    "acrel_electricity_tax_id",
    "acrel_service_tax_id",
)


class ResCompany(models.Model):
    """A company that sells charging: where its books take it, and what a driver may pay."""

    _name = "res.company"
    _inherit = "res.company"

    acrel_liability_account_id = fields.Many2one(
        comodel_name="account.account",
        string="Wallet Liability Account",
        check_company=True,
        help="What drivers have paid and not yet used: 2204 合同负债.",
    )
    acrel_revenue_account_id = fields.Many2one(
        comodel_name="account.account",
        string="Charging Revenue Account",
        check_company=True,
    )
    acrel_journal_id = fields.Many2one(
        comodel_name="account.journal",
        string="Charging Journal",
        check_company=True,
        domain=[("type", "=", "general")],
        help="The daily entries of charging are written here.",
    )
    acrel_invoice_journal_id = fields.Many2one(
        comodel_name="account.journal",
        string="Charging Invoice Journal",
        check_company=True,
        domain=[("type", "=", "sale")],
    )
    acrel_electricity_tax_id = fields.Many2one(
        comodel_name="account.tax",
        string="Electricity VAT",
        check_company=True,
        domain=[("type_tax_use", "=", "sale")],
    )
    acrel_service_tax_id = fields.Many2one(
        comodel_name="account.tax",
        string="Service VAT",
        check_company=True,
        domain=[("type_tax_use", "=", "sale")],
    )
    acrel_hold_amount = fields.Monetary(
        string="Hold of a Session",
        default=50.0,
        help="At most this much of the wallet is held when a session starts. While the wallet has "
        "more, the hold grows before it is used up.",
    )
    acrel_start_minimum = fields.Monetary(
        string="Least Balance to Start",
        default=1.0,
    )
    acrel_topup_minimum = fields.Monetary(string="Least Top-up", default=1.0)
    acrel_topup_maximum = fields.Monetary(string="Greatest Top-up", default=5000.0)

    _acrel_hold_amount_positive = models.Constraint(
        "CHECK (acrel_hold_amount > 0)",
        "The hold of a session must be more than zero.",
    )
    _acrel_start_minimum_positive = models.Constraint(
        "CHECK (acrel_start_minimum > 0 AND acrel_start_minimum <= acrel_hold_amount)",
        "The least balance to start must be more than zero and not more than the hold of a "
        "session.",
    )
    _acrel_topup_bounds = models.Constraint(
        "CHECK (acrel_topup_minimum > 0 AND acrel_topup_minimum <= acrel_topup_maximum)",
        "The least top-up must be more than zero and not more than the greatest.",
    )

    def _acrel_setup_accounting(self):
        """Make what is missing on the chart of 企业会计准则 and fill the empty fields.

        May be called any number of times: what exists and what somebody has chosen stays.
        """
        for company in self:
            if company.chart_template != CHART:
                raise UserError(company._acrel_other_chart_sentence())
            loader = self.env["account.chart.template"].sudo().with_company(company)
            missing = {
                model: {
                    xmlid: values
                    for xmlid, values in records.items()
                    if not loader.ref(xmlid, raise_if_not_found=False)
                }
                for model, records in company._acrel_chart_records(loader).items()
            }
            loader._load_data({model: records for model, records in missing.items() if records})
            loader._load_translations(
                companies=company, template_data=company._acrel_chart_records(loader)
            )
            references = loader._get_acrel_billing_company()[company.id]
            company.write(
                {
                    name: record.id
                    for name, xmlid in references.items()
                    if not company[name] and (record := loader.ref(xmlid, raise_if_not_found=False))
                }
            )

    def _acrel_chart_records(self, loader):
        """Return what charging adds to the chart, as the chart's loader takes it."""
        return {
            "account.account": loader._get_acrel_billing_accounts(),
            "account.journal": loader._get_acrel_billing_journals(),
            "account.tax": loader._get_acrel_billing_taxes(),
        }

    def _acrel_accounting_missing(self):
        """Return the sentence that says what the books still need; empty when they are ready."""
        self.ensure_one()
        missing = [name for name in ACCOUNTING_FIELDS if not self[name]]
        if not missing:
            return ""
        if not self.chart_template:
            return self.env._(
                "%(company)s has no chart of accounts. Install one under Invoicing, Settings.",
                company=self.name,
            )
        labels = self.fields_get(missing, ["string"])
        return self.env._(
            "The accounting of charging of %(company)s is not complete: %(fields)s. %(advice)s",
            company=self.name,
            fields=", ".join(labels[name]["string"] for name in missing),
            advice=self.env._("Use “Set Up Accounting” under Settings, Charging Billing.")
            if self.chart_template == CHART
            else self._acrel_other_chart_sentence(),
        )

    def _acrel_other_chart_sentence(self):
        """Return what to do by hand on a chart that this add-on has no set-up for."""
        return self.env._(
            "The set-up knows the chart 企业会计准则 (cn_large_bis) only. Choose the accounts, the "
            "journals and the taxes of %(company)s yourself under Settings, Charging Billing.",
            company=self.name,
        )

    def _acrel_check_accounting(self):
        """Raise the sentence that says what is missing before anything is booked."""
        for company in self:
            if sentence := company._acrel_accounting_missing():
                raise UserError(sentence)

    def _acrel_fee_tax(self, fee_kind):
        """Return the VAT contained in the price of `electricity` or `service`, empty if none."""
        self.ensure_one()
        return {
            "electricity": self.acrel_electricity_tax_id,
            "service": self.acrel_service_tax_id,
        }[fee_kind]

    def _acrel_open_date(self, date, journal, has_tax):
        """Return `date`, or the first open day after the lock that covers it."""
        self.ensure_one()
        locks = self._get_lock_date_violations(
            date,
            fiscalyear=True,
            sale=journal.type == "sale",
            purchase=False,
            tax=has_tax,
            hard=True,
        )
        if not locks:
            return date
        return max(lock for lock, _field in locks) + timedelta(days=1)
