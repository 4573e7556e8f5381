"""A day that cannot be posted keeps nothing else out of the books."""

from odoo.tests import new_test_user, tagged

from .test_posting import PostingCase

LOGGER = "odoo.addons.acrel_billing.models.bill_invoice"


@tagged("post_install", "-at_install")
class TestPostingFailures(PostingCase):
    def unpostable(self):
        """Let a day be first in the queue that cannot be posted, and return its bill."""
        bad = self.bill()
        reduced = self.company.acrel_electricity_tax_id.copy(
            {"name": "6% for another day", "amount": 6.0}
        )
        self.company.acrel_electricity_tax_id = self.company.acrel_service_tax_id = reduced
        good = self.bill()
        tax = bad.line_ids.tax_id
        tax.invoice_repartition_line_ids.filtered(
            lambda line: line.repartition_type == "tax"
        ).account_id = False
        return bad, good

    def test_a_group_that_cannot_be_posted_does_not_keep_the_others(self):
        bad, good = self.unpostable()
        cron = self.env.ref("acrel_billing.cron_post_daily")
        accountant = new_test_user(
            self.env, "head accountant", groups="account.group_account_manager"
        )
        with self.enter_registry_test_mode():
            for _hour in range(2):
                with self.assertLogs(LOGGER, "WARNING") as logs:
                    cron.method_direct_trigger()
                self.assertIn(bad.name, logs.output[0])
        (bad | good).invalidate_recordset()
        self.assertEqual((bad.accounting_state, good.accounting_state), ("none", "daily"))
        told = bad.message_ids.filtered(lambda message: message.subject == "Not posted")
        self.assertEqual(len(told), 1, "told once, not every hour")
        self.assertIn("cannot be used for charging", told.body)
        self.assertIn(accountant.partner_id, told.partner_ids)

    def test_the_button_posts_the_others_and_says_so(self):
        bad, good = self.unpostable()
        clerk = new_test_user(self.env, "clerk", groups="account.group_account_invoice")
        postings = self.postings.with_user(clerk).with_company(self.company)
        with self.assertLogs(LOGGER, "WARNING"):
            params = postings.action_post_now()["params"]
        self.assertEqual(params["type"], "warning")
        self.assertIn("1 entries or credit notes cannot be posted", params["message"])
        self.assertEqual((bad.accounting_state, good.accounting_state), ("none", "daily"))

    def test_a_credit_note_that_cannot_be_posted_keeps_no_other_back(self):
        bad = self.bill()
        reduced = self.company.acrel_electricity_tax_id.copy(
            {"name": "6% for a good invoice", "amount": 6.0}
        )
        self.company.acrel_electricity_tax_id = self.company.acrel_service_tax_id = reduced
        good = self.bill()
        credits = self.env["acrel.bill"]
        for bill in (bad, good):
            bill._make_invoice()
            credits += bill._credit("Wrong price")
        bad.line_ids.tax_id.refund_repartition_line_ids.filtered(
            lambda line: line.repartition_type == "tax"
        ).account_id = False
        with self.assertLogs(LOGGER, "WARNING"):
            self.postings.action_post_now()
        self.assertEqual(credits.mapped("accounting_state"), ["none", "invoice"])
        self.assertIn("Not posted", credits[0].message_ids.mapped("subject"))
