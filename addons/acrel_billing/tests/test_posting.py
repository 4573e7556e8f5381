"""Daily entries, invoices, credits: every bill in the books once, with its stored figures."""

from datetime import timedelta
from unittest.mock import patch

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, new_test_user, tagged
from odoo.tools import mute_logger

from .common import BillingCase


class PostingCase(BillingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.postings = cls.env["acrel.bill.posting"]
        cls.today = cls.postings._today(cls.company)

    def setUp(self):
        super().setUp()
        self.clock = self.at(1)
        self.registers = {}

    def bill(self, counts=1000, minutes=60, pile=None):
        """Play a session after the ones before and return its bill, empty without energy."""
        pile = pile or self.pile
        start = self.registers.get(pile, 100_000)
        self.registers[pile] = start + counts
        begin, self.clock = self.clock, self.clock + timedelta(minutes=minutes)
        session = self.session_with((begin, start), (self.clock, start + counts), pile=pile)
        return session.bill_id

    def post(self, until=None):
        return self.postings._post_waiting(self.company, until or self.today)

    def amounts(self, *moves):
        """Return account code → balance in fen of some entries together."""
        result = {}
        for move in moves:
            for line in move.line_ids:
                code = line.account_id.with_company(self.company).code
                result[code] = result.get(code, 0) + round(line.balance * 100)
        return {code: fen for code, fen in result.items() if fen}

    def ledger(self):
        """Return account code → balance in fen of everything that charging has booked."""
        return self.amounts(
            *(self.postings.search([]).move_id | self.postings.search([]).settlement_move_id)
        )

    def tie(self):
        return self.env["acrel.wallet.reconciliation"]._of(self.company)


@tagged("post_install", "-at_install")
class TestDailyEntry(PostingCase):
    def test_the_entry_carries_the_stored_figures(self):
        first, second = self.bill(), self.bill()
        bills = first | second
        self.assertEqual(self.tie()["unposted_fen"], sum(bills.mapped("gross_fen")))
        posting = self.post()
        self.assertEqual(len(posting), 1, "one entry a company, station, tax and day")
        self.assertEqual(posting.revenue_date, first.revenue_date)
        self.assertEqual(posting.date, first.revenue_date)
        gross, net, tax = (sum(bills.mapped(name)) for name in ("gross_fen", "net_fen", "tax_fen"))
        self.assertEqual((posting.gross_fen, posting.net_fen, posting.tax_fen), (gross, net, tax))
        move = posting.move_id
        self.assertEqual(move.state, "posted")
        self.assertEqual(self.amounts(move), {"220400": gross, "600100": -net, "22210105": -tax})
        self.assertFalse(move.line_ids.partner_id)
        self.assertEqual(set(bills.mapped("accounting_state")), {"daily"})
        self.assertEqual(posting.bill_count, 2)
        self.assertEqual(self.tie()["difference_fen"], 0)
        self.assertEqual(self.tie()["unposted_fen"], 0)

    def test_the_tax_report_finds_base_and_tax(self):
        self.bill()
        move = self.post().move_id
        tax = self.company.acrel_electricity_tax_id
        base = move.line_ids.filtered(lambda line: line.tax_ids == tax)
        booked = move.line_ids.filtered(lambda line: line.tax_line_id == tax)
        self.assertEqual(len(base), 2, "electricity and service")
        self.assertAlmostEqual(booked.tax_base_amount, sum(base.mapped("balance")), 2)

    def test_a_bill_is_posted_once(self):
        bill = self.bill()
        self.assertEqual(len(self.post()), 1)
        self.assertFalse(self.post())
        late = self.bill()
        second = self.post()
        self.assertEqual(second.item_ids.bill_id, late, "what comes late has an entry of its own")
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaisesRegex(IntegrityError, "acrel_bill_posting_item"),
            self.env.cr.savepoint(),
        ):
            self.postings._post_day(
                self.company, self.station, bill.line_ids.tax_id, bill.revenue_date, bill.line_ids
            )

    def test_stations_days_and_taxes_are_apart(self):
        reduced = self.company.acrel_electricity_tax_id.copy(
            {"name": "6% in service prices", "amount": 6.0}
        )
        self.company.acrel_service_tax_id = reduced
        bill = self.bill()
        elsewhere = self.make_pile("T009")
        elsewhere.silence_minutes = 10**6
        elsewhere.station_id.tariff_id = self.tariff
        other = self.bill(pile=elsewhere)
        postings = self.post()
        self.assertEqual(len(postings), 4)
        by_key = {(p.station_id, p.tax_id): p for p in postings}
        for station, of_station in ((self.station, bill), (elsewhere.station_id, other)):
            for kind, tax in (
                ("electricity", self.company.acrel_electricity_tax_id),
                ("service", reduced),
            ):
                lines = of_station.line_ids.filtered(lambda line, kind=kind: line.fee_kind == kind)
                self.assertEqual(
                    by_key[station, tax].tax_fen, sum(lines.mapped("tax_fen")), (station, kind)
                )
        self.assertEqual(self.tie()["difference_fen"], 0)

    def test_a_locked_day_is_booked_on_the_first_open_one(self):
        bill = self.bill()
        lock = bill.revenue_date + timedelta(days=1)
        self.company.fiscalyear_lock_date = lock
        posting = self.post()
        self.assertEqual(posting.date, lock + timedelta(days=1))
        self.assertEqual(posting.move_id.date, lock + timedelta(days=1))
        self.assertEqual(posting.revenue_date, bill.revenue_date, "the true date is kept")
        self.assertTrue(posting.is_postponed)

    def test_postpaid_bills_never_wait_for_a_daily_entry(self):
        with self.mode("postpaid"):
            self.bill()
        self.assertFalse(self.post())

    def mode(self, mode):
        return patch.object(type(self.env["acrel.pile"]), "_payment_mode", lambda pile: mode)

    def test_the_button_says_how_far_it_came(self):
        clerk = new_test_user(self.env, "clerk", groups="account.group_account_invoice")
        postings = self.postings.with_user(clerk).with_company(self.company)
        self.assertIn("No bill waits", postings.action_post_now()["params"]["message"])
        self.bill()
        self.assertIn("1 daily entries", postings.action_post_now()["params"]["message"])
        with self.assertRaises(AccessError):
            self.postings.with_user(self.operator).action_post_now()

    def test_the_scheduled_action_posts_the_days_that_are_over(self):
        bill = self.bill()
        cron = self.env.ref("acrel_billing.cron_post_daily")
        with self.enter_registry_test_mode():
            with freeze_time(fields.Datetime.to_string(bill.session_id.end_at)):
                cron.method_direct_trigger()
            self.assertEqual(bill.accounting_state, "none", "the day is not over")
            cron.method_direct_trigger()
        bill.invalidate_recordset()
        self.assertEqual(bill.accounting_state, "daily")

    def test_one_entry_carries_sales_and_credits_of_mixed_signs(self):
        sale, heavy = self.bill(1200), self.bill()
        (sale | heavy).line_ids.flush_recordset()
        credit = heavy._credit("Wrong price")
        # Of the credit, the service only, of the sale, the electricity only.
        lines = sale.line_ids.filtered(
            lambda line: line.fee_kind == "electricity"
        ) + credit.line_ids.filtered(lambda line: line.fee_kind == "service")
        posting = self.postings._post_day(
            self.company, self.station, lines.tax_id, self.today, lines
        )
        self.assertEqual(
            self.amounts(posting.move_id).get("220400", 0), sum(lines.mapped("gross_fen"))
        )

    def test_a_clerk_makes_no_posting_by_hand(self):
        posting = self.bill() and self.post()
        clerk = new_test_user(self.env, "clerk", groups="account.group_account_invoice")
        with self.assertRaises(AccessError):
            posting.with_user(clerk).copy()

    def test_without_accounts_nothing_is_booked_and_a_sentence_says_why(self):
        self.bill()
        self.company.acrel_revenue_account_id = False
        with self.assertRaisesRegex(UserError, "Charging Revenue Account"):
            self.post()


@tagged("post_install", "-at_install")
class TestInvoice(PostingCase):
    def invoice(self, bill, partner=None):
        invoice = bill._make_invoice(partner)
        self.assertEqual(invoice.state, "posted")
        self.assertEqual(
            (round(invoice.amount_total * 100), round(invoice.amount_tax * 100)),
            (bill.gross_fen, bill.tax_fen),
        )
        self.assertEqual(round(invoice.tax_totals["base_amount"] * 100), bill.net_fen)
        subtotals = invoice.invoice_line_ids.mapped("price_subtotal")
        self.assertEqual(
            [round(amount * 100) for amount in subtotals], bill.line_ids.mapped("net_fen")
        )
        return invoice

    def test_straight_to_the_invoice(self):
        bill = self.bill()
        invoice = self.invoice(bill)
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(invoice.partner_id, self.partner)
        self.assertEqual((bill.accounting_state, bill.invoice_id), ("invoice", invoice))
        self.assertFalse(self.post(), "no daily entry beside the invoice")
        self.assertEqual(
            self.ledger(),
            {"220400": bill.gross_fen, "600100": -bill.net_fen, "22210105": -bill.tax_fen},
        )
        self.assertEqual(self.tie()["difference_fen"], 0)

    def test_the_daily_entry_gives_the_bill_back(self):
        bill, other = self.bill(), self.bill()
        posting = self.post()
        self.invoice(bill)
        reversal = self.postings.search([("kind", "=", "reversal")])
        self.assertEqual(reversal.gross_fen, -bill.gross_fen)
        self.assertTrue(
            all(line.debit <= 0 and line.credit <= 0 for line in reversal.move_id.line_ids)
        )
        bills = bill | other
        self.assertEqual(
            self.ledger(),
            {
                "220400": sum(bills.mapped("gross_fen")),
                "600100": -sum(bills.mapped("net_fen")),
                "22210105": -sum(bills.mapped("tax_fen")),
            },
        )
        live = posting.item_ids.filtered("live")
        self.assertEqual(live.bill_id, other)
        self.assertFalse(self.post())
        self.assertEqual(self.tie()["difference_fen"], 0)

    def test_an_invoice_is_asked_for_once(self):
        bill = self.bill()
        invoice = self.invoice(bill)
        with self.assertRaisesRegex(UserError, invoice.name):
            bill._make_invoice()

    def test_an_unposted_bill_of_an_earlier_month_keeps_its_month(self):
        bill = self.bill()
        month_later = fields.Datetime.now() + timedelta(days=40)
        with freeze_time(month_later):
            invoice = self.invoice(bill)
        daily = self.postings.search([("kind", "=", "daily")])
        reversal = self.postings.search([("kind", "=", "reversal")])
        self.assertEqual(daily.date, bill.revenue_date)
        self.assertEqual(reversal.date, invoice.date)
        self.assertEqual(invoice.date.month, month_later.month)

    def test_a_business_is_named(self):
        business = self.env["res.partner"].create(
            {"name": "Ningbo Freight", "is_company": True, "vat": "91330200MA2AFXXX0N"}
        )
        bill = self.bill()
        invoice = self.invoice(bill, business)
        self.assertEqual(invoice.partner_id, business)
        self.assertEqual(invoice.payment_state, "paid")

    def test_many_bills_one_invoice(self):
        bills = self.bill() | self.bill()
        self.post()
        invoice = bills._make_invoice()
        self.assertEqual(round(invoice.amount_tax * 100), sum(bills.mapped("tax_fen")))
        self.assertEqual(round(invoice.amount_total * 100), sum(bills.mapped("gross_fen")))
        self.assertEqual(self.tie()["difference_fen"], 0)

    def test_the_wizard_of_the_accountant(self):
        bill = self.bill()
        clerk = new_test_user(self.env, "clerk", groups="account.group_account_invoice")
        wizard = self.env["acrel.bill.invoice"].with_user(clerk).create({"bill_ids": bill.ids})
        self.assertEqual(wizard.partner_id, self.partner)
        action = wizard.action_apply()
        self.assertEqual(action["res_id"], bill.invoice_id.id)
        with self.assertRaises(AccessError):
            self.env["acrel.bill.invoice"].with_user(self.operator).create({"bill_ids": bill.ids})

    def test_posted_documents_stay(self):
        bill = self.bill()
        invoice = self.invoice(bill)
        for document in (invoice, bill.posting_item_ids.posting_id.settlement_move_id):
            with self.assertRaisesRegex(UserError, "credit the bill"):
                document.button_draft()
            with self.assertRaisesRegex(UserError, "credit the bill"):
                document._reverse_moves()
        with self.assertRaises(UserError):
            bill.posting_item_ids.posting_id.unlink()


@tagged("post_install", "-at_install")
class TestPostpaid(PostingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.startClassPatcher(
            patch.object(cls.env.registry["acrel.pile"], "_payment_mode", lambda pile: "postpaid")
        )

    def test_an_agent_pays_the_invoice_and_never_a_wallet(self):
        self.wallet._adjust(
            -10000, self.company.acrel_revenue_account_id, "An agent needs no balance"
        )
        bill = self.bill()
        session = bill.session_id
        self.assertFalse(session.hold_ids)
        self.assertFalse(bill.wallet_entry_ids)
        invoice = bill._make_invoice()
        self.assertEqual(invoice.payment_state, "not_paid")
        self.assertEqual(round(invoice.amount_residual * 100), bill.gross_fen)
        self.assertEqual(
            self.ledger(),
            {"112200": bill.gross_fen, "600100": -bill.net_fen, "22210105": -bill.tax_fen},
        )
        credit = bill._credit("Wrong ship")
        note = self.env["acrel.bill"]._waiting_credits(self.company)._make_credit_notes()
        self.assertEqual((credit.accounting_state, note.move_type), ("invoice", "out_refund"))
        self.assertEqual(self.ledger(), {})
        self.assertEqual(invoice.payment_state, "reversed")
        self.assertEqual(self.tie()["difference_fen"], 0)


@tagged("post_install", "-at_install")
class TestCredit(PostingCase):
    def test_a_credit_takes_the_daily_entry_back(self):
        bill = self.bill()
        self.post()
        credit = bill._credit("Wrong price")
        self.assertEqual(self.wallet.balance_fen, 10000)
        self.assertEqual(credit.wallet_entry_ids.kind, "credit")
        self.assertEqual(self.tie()["difference_fen"], 0, "also while it waits")
        posting = self.post(credit.revenue_date)
        self.assertEqual(posting.item_ids.bill_id, credit)
        self.assertEqual(self.ledger(), {})
        self.assertEqual(self.tie()["difference_fen"], 0)

    def test_a_credit_of_an_invoiced_bill_is_a_credit_note(self):
        bill = self.bill()
        invoice = bill._make_invoice()
        credit = bill._credit("Wrong price")
        self.assertEqual(self.tie()["difference_fen"], 0)
        self.assertFalse(self.post(credit.revenue_date), "it does not go to a daily entry")
        notes = self.env["acrel.bill"]._waiting_credits(self.company)._make_credit_notes()
        self.assertEqual(notes.move_type, "out_refund")
        self.assertEqual(notes.reversed_entry_id, invoice)
        self.assertEqual(
            (round(notes.amount_total * 100), round(notes.amount_tax * 100)),
            (-credit.gross_fen, -credit.tax_fen),
        )
        self.assertEqual(self.ledger(), {})
        self.assertFalse(self.env["acrel.bill"]._waiting_credits(self.company))
        self.assertEqual(self.tie()["difference_fen"], 0)

    def test_a_credited_bill_is_not_invoiced(self):
        bill = self.bill()
        bill._credit("Wrong price")
        with self.assertRaisesRegex(UserError, "cannot be invoiced"):
            bill._make_invoice()
        self.post(self.today)
        self.assertEqual(self.ledger(), {})
