"""The accounts, the journal and the tax of charging."""

from datetime import date

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import TransactionCase, tagged

from ..hooks import post_init_hook
from ..models.chart_template import CHART


@tagged("post_install", "-at_install")
class TestAccountingSetup(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cny = cls.env.ref("base.CNY")
        cls.cny.active = True
        cls.company = cls.make_company("Harbour Charging")

    @classmethod
    def make_company(cls, name):
        company = cls.env["res.company"].create(
            {"name": name, "currency_id": cls.cny.id, "country_id": cls.env.ref("base.cn").id}
        )
        cls.env.user.company_ids = [Command.link(company.id)]
        return company

    def load(self, company, chart=CHART):
        self.env["account.chart.template"].try_loading(chart, company, install_demo=False)

    def test_a_future_company_gets_everything_with_the_chart(self):
        self.load(self.company)
        self.assertEqual(self.company._acrel_accounting_missing(), "")
        codes = {
            name: self.company[name].with_company(self.company).code
            for name in ("acrel_liability_account_id", "acrel_revenue_account_id")
        }
        self.assertEqual(
            codes, {"acrel_liability_account_id": "220400", "acrel_revenue_account_id": "600100"}
        )
        tax = self.company.acrel_electricity_tax_id
        self.assertEqual((tax.amount, tax.price_include), (13.0, True))
        accounts = tax.repartition_line_ids.account_id.with_company(self.company)
        self.assertEqual(accounts.mapped("code"), ["22210105"])
        self.assertEqual(self.company.acrel_journal_id.code, "CHG")
        self.assertEqual(self.company._acrel_fee_tax("service"), tax)

    def test_an_existing_company_is_set_up_once(self):
        self.load(self.company)
        loader = self.env["account.chart.template"].with_company(self.company)
        tax = self.company.acrel_electricity_tax_id
        chosen = tax.copy({"name": "6% in service prices", "amount": 6.0})
        self.company.acrel_service_tax_id = chosen
        self.company.acrel_journal_id = False
        counts = self.counts()
        for _time in range(3):
            self.company._acrel_setup_accounting()
        self.assertEqual(self.counts(), counts, "nothing is made twice")
        self.assertEqual(self.company.acrel_service_tax_id, chosen, "what was chosen stays")
        self.assertEqual(self.company.acrel_journal_id, loader.ref("acrel_journal_charging"))

    def test_names_are_in_the_languages_of_the_company(self):
        self.env["res.lang"]._activate_lang("zh_CN")
        self.load(self.company)
        loader = self.env["account.chart.template"].with_company(self.company)
        self.company.acrel_journal_id = False
        loader.ref("acrel_journal_charging").unlink()
        self.company._acrel_setup_accounting()
        for xmlid, name in (
            ("acrel_journal_charging", "充电"),
            ("acrel_account_output_vat", "应交增值税-销项税额"),
            ("acrel_tax_charging_13", "充电价内税13%"),
        ):
            record = loader.ref(xmlid)
            self.assertEqual(record.with_context(lang="zh_CN").name, name)
            self.assertNotEqual(record.with_context(lang="en_US").name, name)

    def counts(self):
        return [
            self.env[model].search_count([("company_id", "=", self.company.id)])
            for model in ("account.journal", "account.tax")
        ] + [self.env["account.account"].search_count([("company_ids", "in", self.company.ids)])]

    def test_what_was_removed_is_made_again(self):
        self.load(self.company)
        loader = self.env["account.chart.template"].with_company(self.company)
        self.company.write({"acrel_electricity_tax_id": False, "acrel_service_tax_id": False})
        loader.ref("acrel_tax_charging_13").unlink()
        post_init_hook(self.env)
        self.assertEqual(self.company.acrel_service_tax_id, loader.ref("acrel_tax_charging_13"))
        self.assertEqual(self.company._acrel_accounting_missing(), "")

    def test_another_chart_says_what_to_do(self):
        self.load(self.company, "cn")
        with self.assertRaisesRegex(UserError, "cn_large_bis"):
            self.company._acrel_setup_accounting()
        sentence = self.company._acrel_accounting_missing()
        self.assertIn("Wallet Liability Account", sentence)
        with self.assertRaisesRegex(UserError, "Wallet Liability Account"):
            self.company._acrel_check_accounting()

    def test_no_chart_says_so(self):
        self.assertIn("has no chart of accounts", self.company._acrel_accounting_missing())

    def test_the_button_of_the_settings_sets_up(self):
        self.load(self.company)
        self.company.acrel_liability_account_id = False
        settings = self.env["res.config.settings"].with_company(self.company).create({})
        self.assertIn("Wallet Liability Account", settings.acrel_accounting_sentence)
        self.assertTrue(settings.acrel_can_setup)
        settings.action_acrel_setup_accounting()
        settings.invalidate_recordset()
        self.assertFalse(settings.acrel_accounting_sentence)
        accounts = settings.acrel_output_vat_account_ids.with_company(self.company)
        self.assertEqual(accounts.mapped("code"), ["22210105"])

    def test_the_first_open_day(self):
        self.load(self.company)
        journal = self.company.acrel_journal_id
        day = date(2026, 3, 10)
        self.assertEqual(self.company._acrel_open_date(day, journal, True), day)
        self.company.tax_lock_date = date(2026, 3, 15)
        self.assertEqual(self.company._acrel_open_date(day, journal, False), day)
        self.assertEqual(self.company._acrel_open_date(day, journal, True), date(2026, 3, 16))
        self.company.fiscalyear_lock_date = date(2026, 3, 31)
        self.assertEqual(self.company._acrel_open_date(day, journal, True), date(2026, 4, 1))
