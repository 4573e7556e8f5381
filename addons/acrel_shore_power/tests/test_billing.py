"""What the agent of a ship owes."""

from datetime import datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import AccountedShoreCase

CENT = Decimal("0.01")
PRICES = {"valley": Decimal("0.6"), "peak": Decimal("1.0")}
SERVICE = Decimal("0.25")


@tagged("post_install", "-at_install")
class TestShoreBill(AccountedShoreCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call = cls.make_call(alongside=True)
        cls.connection = cls.make_connection(cls.call)
        # over the end of the valley at 8 o'clock in Shanghai, yesterday
        day = (cls.now - timedelta(days=1)).date()
        local = datetime.combine(day, time(8), ZoneInfo("Asia/Shanghai"))
        cls.eight = local.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
        cls.first = cls.supply(
            cls.connection,
            (cls.eight - timedelta(minutes=30), 5000),
            (cls.eight + timedelta(minutes=30), 5307),
            [(cls.eight, 5101)],
        )
        cls.second = cls.supply(
            cls.connection,
            (cls.eight + timedelta(hours=1), 5307),
            (cls.eight + timedelta(hours=2), 5500),
            [],
        )

    def test_nothing_is_billed_before_the_end(self):
        self.assertEqual(self.first.settlement_state, "pending")
        self.assertFalse(self.first.bill_id)
        self.assertFalse(self.connection.bill_ids)

    def test_no_wallet_and_no_hold(self):
        wallets = self.env["acrel.wallet"].search([("partner_id", "=", self.agent.id)])
        self.assertFalse(wallets)
        self.assertFalse((self.first | self.second).hold_ids)

    def test_one_bill_ties_with_the_registers(self):
        self.connection.with_user(self.operator).action_end()
        bill = self.connection.bill_ids
        self.assertEqual(len(bill), 1)
        self.assertEqual(
            (bill.kind, bill.state, bill.payment_mode, bill.partner_id),
            ("shore", "posted", "postpaid", self.agent),
        )
        self.assertEqual(self.connection.bill_id, bill)
        self.assertEqual(bill.session_ids, self.first | self.second)
        # counts × 10 Wh × CT 20; the reading at 8 o'clock divides the periods
        expected = {
            (self.first.id, "valley"): 101 * 200,
            (self.first.id, "peak"): 206 * 200,
            (self.second.id, "peak"): 193 * 200,
        }
        for fee in ("electricity", "service"):
            lines = bill.line_ids.filtered(lambda line, fee=fee: line.fee_kind == fee)
            self.assertEqual(
                {(line.session_id.id, line.period_kind): line.energy_wh for line in lines},
                expected,
            )
            for line in lines:
                price = PRICES[line.period_kind] if fee == "electricity" else SERVICE
                gross = (Decimal(line.energy_wh) / 1000 * price).quantize(CENT, ROUND_HALF_UP)
                self.assertEqual(line.gross_fen, int(gross * 100))
        self.assertEqual(bill.energy_wh, (5500 - 5000) * 200)
        self.assertEqual(bill.energy_wh, self.connection.energy_wh)
        self.assertEqual(bill.gross_fen, sum(bill.line_ids.mapped("gross_fen")))
        self.assertEqual((self.first | self.second).mapped("settlement_state"), ["settled"] * 2)

    def test_items_for_the_agent(self):
        self.connection.action_end()
        items = self.connection._bill_items()
        self.assertEqual(len(items), 2, "electricity and service apart")
        self.assertEqual([item["energy_kwh"] for item in items], [100.0, 100.0])
        total = sum(Decimal(str(item["amount"])) for item in items)
        self.assertEqual(total, Decimal(self.connection.bill_id.gross_fen) / 100)

    def test_invoice_to_the_agent(self):
        self.connection.with_user(self.operator).action_end()
        bill = self.connection.bill_id
        invoice = self.connection.invoice_id
        self.assertEqual(
            (invoice.move_type, invoice.state, invoice.partner_id),
            ("out_invoice", "posted", self.agent),
        )
        self.assertEqual(round(invoice.amount_total * 100), bill.gross_fen)
        self.assertEqual(round(invoice.amount_tax * 100), bill.tax_fen)
        self.assertEqual(invoice.amount_residual, invoice.amount_total, "to be paid")
        self.assertEqual(len(invoice.invoice_line_ids), len(bill.line_ids))

    def test_ends_once(self):
        self.connection.action_end()
        with self.refused(UserError, "Ended"):
            self.connection.action_end()
        self.assertEqual(len(self.connection.bill_ids), 1)
        for action in ("action_energise", "action_draft", "action_confirm", "action_cancel"):
            with self.subTest(action), self.refused(UserError):
                getattr(self.connection, action)()

    def test_books_that_are_not_ready_keep_no_ship(self):
        self.company.acrel_revenue_account_id = False
        self.connection.action_end()
        self.assertEqual(self.connection.state, "ended")
        self.assertTrue(self.connection.bill_id)
        self.assertFalse(self.connection.invoice_id)
        self.assertIn("not its invoice", self.connection.message_ids[0].body)

    def test_implausible_energy_waits_for_a_person(self):
        session = self.supply(
            self.connection,
            (self.eight + timedelta(hours=3), 5500),
            (self.eight + timedelta(hours=3, minutes=1), 9500),
            [],
        )
        self.assertFalse(session.billable)
        with self.refused(UserError, session.name):
            self.connection.action_end()
        self.assertEqual(self.connection.state, "confirmed")
        session.action_confirm_energy()
        self.connection.action_end()
        self.assertEqual(self.connection.bill_id.energy_wh, (9500 - 5000) * 200)

    def test_credit_and_new_bill_stay_with_the_connection(self):
        self.connection.action_end()
        bill = self.connection.bill_id
        credit = bill._credit("wrong price")
        self.assertEqual(credit.shore_connection_id, self.connection)
        again = bill._rebill()
        self.assertEqual((again.kind, again.shore_connection_id), ("shore", self.connection))
        self.assertEqual(self.connection.bill_id, again)
        self.assertEqual(again.gross_fen, bill.gross_fen)

    def test_without_energy_no_bill(self):
        other = self.make_vessel("Idle", "413000011", agent_id=self.agent.id)
        self.connection.action_end()
        connection = self.make_connection(self.make_call(alongside=True, vessel_id=other.id))
        start = self.eight + timedelta(hours=4)
        self.supply(connection, (start, 5500), (start + timedelta(minutes=5), 5500), [])
        connection.action_end()
        self.assertEqual((connection.state, connection.energy_wh), ("ended", 0))
        self.assertFalse(connection.bill_ids)

    def test_a_credited_connection_is_billed_and_invoiced_again(self):
        self.connection.action_end()
        bill = self.connection.bill_id
        old = self.connection.invoice_id
        bill._credit("wrong price")
        self.assertFalse(self.connection.bill_id)
        self.first.action_settle()
        again = self.connection.bill_id
        self.assertEqual((again.gross_fen, again.state), (bill.gross_fen, "posted"))
        self.assertEqual(again.session_ids, self.first | self.second)
        self.assertEqual(self.connection.invoice_id.state, "posted")
        self.assertNotEqual(self.connection.invoice_id, old)
        with self.refused(UserError, "settled already"):
            self.first.action_settle()

    def test_billing_again_makes_an_invoice_too(self):
        self.connection.action_end()
        bill = self.connection.bill_id
        bill._credit("wrong price")
        again = bill._rebill()
        self.assertEqual(again.invoice_id.partner_id, self.agent)
        self.assertEqual(self.connection.invoice_id, again.invoice_id)

    def test_a_running_connection_is_not_billed_by_its_session(self):
        with self.refused(UserError, "has not ended"):
            self.first.action_settle()

    def test_a_connection_whose_energisings_all_faulted_can_be_ended(self):
        self.connection.action_end()
        other = self.make_vessel("Faulty", "413000012", agent_id=self.agent.id)
        connection = self.make_connection(self.make_call(alongside=True, vessel_id=other.id))
        start = self.eight + timedelta(hours=4)
        session = self.supply(connection, (start, 5500), (start + timedelta(minutes=5), 5400), [])
        self.assertEqual(session.state, "faulted")
        self.assertTrue(connection.power_on_at)
        connection.action_end()
        self.assertEqual(connection.state, "ended")
        self.assertFalse(connection.bill_ids)
        self.assertIn("No energising", connection.message_ids[0].body)
