"""What billing needs on top of the Chinese chart of 企业会计准则."""

from odoo import models
from odoo.fields import Command

from odoo.addons.account.models.chart_template import template

CHART = "cn_large_bis"
LIABILITY = "l10n_cn_large_bis_account_2204"
REVENUE = "l10n_cn_large_bis_account_6001"
OUTPUT_VAT = "acrel_account_output_vat"
JOURNAL = "acrel_journal_charging"
INVOICE_JOURNAL = "sale"
VAT = "acrel_tax_charging_13"


class AccountChartTemplate(models.AbstractModel):
    """The accounts, the journal and the tax of charging, loaded with the chart."""

    _name = "account.chart.template"
    _inherit = "account.chart.template"

    @template(CHART, "account.account")
    def _get_acrel_billing_accounts(self):
        """Return the output VAT account: the chart has 2221, but nothing below it for sales."""
        return {
            OUTPUT_VAT: {
                "code": "22210105",
                "name": "VAT Payable - Output VAT",
                "name@zh_CN": "应交增值税-销项税额",
                "account_type": "liability_current",
                "reconcile": False,
            },
        }

    @template(CHART, "account.journal")
    def _get_acrel_billing_journals(self):
        """Return the journal of the daily entries."""
        return {
            JOURNAL: {
                "name": "Charging",
                "name@zh_CN": "充电",
                "code": "CHG",
                "type": "general",
                "show_on_dashboard": True,
            },
        }

    @template(CHART, "account.tax")
    def _get_acrel_billing_taxes(self):
        """Return the VAT inside the prices of electricity and service."""
        return {
            VAT: {
                "name": "13% in charging prices",
                "name@zh_CN": "充电价内税13%",
                "description": "VAT 13%, contained in the price",
                "description@zh_CN": "增值税13%（价内）",
                "invoice_label": "13%",
                "amount": 13.0,
                "amount_type": "percent",
                "type_tax_use": "sale",
                "price_include_override": "tax_included",
                "tax_group_id": "l10n_cn_tax_group_vat_13",
                "repartition_line_ids": [
                    Command.create({"document_type": document, "repartition_type": kind, **account})
                    for document in ("invoice", "refund")
                    for kind, account in (("base", {}), ("tax", {"account_id": OUTPUT_VAT}))
                ],
            },
        }

    @template(CHART, "res.company")
    def _get_acrel_billing_company(self):
        """Return which of the chart's records billing books on."""
        return {
            self.env.company.id: {
                "acrel_liability_account_id": LIABILITY,
                "acrel_revenue_account_id": REVENUE,
                "acrel_journal_id": JOURNAL,
                "acrel_invoice_journal_id": INVOICE_JOURNAL,
                "acrel_electricity_tax_id": VAT,
                "acrel_service_tax_id": VAT,
            },
        }
