"""Top-ups and refunds through Odoo's payment framework."""

from unittest.mock import patch

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import BillingCase


def extract_amount_data(_tx, data):
    """Return what the test's provider says was paid; None leaves the check to the provider."""
    return data.get("paid")


def apply_updates(tx, data):
    """Let the test's provider say how the payment ended."""
    tx.provider_reference = f"test-{tx.reference}"
    setters = {
        "pending": tx._set_pending,
        "done": tx._set_done,
        "cancel": tx._set_canceled,
        "error": lambda: tx._set_error("Refused by the bank"),
    }
    setters[data["state"]]()


def compute_feature_support_fields(providers):
    """Let the test's provider give money back."""
    providers.update(
        {
            "support_express_checkout": False,
            "support_manual_capture": None,
            "support_refund": "partial",
            "support_tokenization": False,
        }
    )


def send_refund_request(tx):
    """Let the test's provider pay a refund at once."""
    tx._process("none", {"reference": tx.reference, "state": "done"})


class TopupCase(BillingCase):
    """Pays through a provider of its own, so that no provider add-on need be installed."""

    rich = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        transactions = cls.env.registry["payment.transaction"]
        for name, function in (
            ("_extract_amount_data", extract_amount_data),
            ("_apply_updates", apply_updates),
            ("_send_refund_request", send_refund_request),
        ):
            cls.startClassPatcher(patch.object(transactions, name, function))
        cls.startClassPatcher(
            patch.object(
                cls.env.registry["payment.provider"],
                "_compute_feature_support_fields",
                compute_feature_support_fields,
            )
        )
        methods = cls.env.registry["account.payment.method"]
        known = cls.env["account.payment.method"]._get_payment_method_information()
        cls.startClassPatcher(
            patch.object(
                methods,
                "_get_payment_method_information",
                lambda _methods: {**known, "none": {"mode": "electronic", "type": ("bank",)}},
            )
        )
        cls.env["account.payment.method"].create(
            {"name": "Test", "code": "none", "payment_type": "inbound"}
        )
        cls.method = cls.env.ref("payment.payment_method_unknown")
        cls.provider = cls.env["payment.provider"].create(
            {
                "name": "Test Provider",
                "code": "none",
                "company_id": cls.company.id,
                "state": "test",
                "is_published": True,
                "payment_method_ids": [Command.set(cls.method.ids)],
            }
        )
        cls.method.write({"active": True, "support_refund": "partial"})
        cls.provider.journal_id = cls.env["account.journal"].search(
            [("type", "=", "bank"), ("company_id", "=", cls.company.id)], limit=1
        )

    def transaction(self, amount=50.0, **values):
        return self.env["payment.transaction"].create(
            {
                "provider_id": self.provider.id,
                "payment_method_id": self.method.id,
                "reference": f"TOPUP-{self.env['payment.transaction'].search_count([])}",
                "amount": amount,
                "currency_id": self.company.currency_id.id,
                "partner_id": self.partner.id,
                "operation": "online_direct",
                "acrel_wallet_id": self.wallet.id,
                **values,
            }
        )

    def tell(self, tx, state, **data):
        """Let the provider say how the payment ended."""
        self.env["payment.transaction"]._process(
            "none", {"reference": tx.reference, "state": state, **data}
        )

    def balance(self):
        self.env.flush_all()
        self.wallet.invalidate_recordset()
        return self.wallet.balance_fen

    def tie(self):
        return self.env["acrel.wallet.reconciliation"]._of(self.company)["difference_fen"]


@tagged("post_install", "-at_install")
class TestTopup(TopupCase):
    def test_a_paid_top_up_is_booked_once(self):
        tx = self.transaction()
        for _time in range(3):
            self.tell(tx, "done")
            tx._post_process()
        tx.is_post_processed = False
        with self.enter_registry_test_mode():
            self.env.ref("payment.cron_post_process_payment_tx").method_direct_trigger()
        self.assertTrue(tx.is_post_processed)
        self.assertEqual(self.balance(), 5000)
        entry = self.wallet.entry_ids
        self.assertEqual((entry.kind, entry.transaction_id), ("topup", tx))
        self.assertEqual(
            self.env["account.payment"].search_count([("payment_transaction_id", "=", tx.id)]), 1
        )
        lines = {
            line.account_id.with_company(self.company).code: line for line in entry.move_id.line_ids
        }
        self.assertEqual(lines["220400"].credit, 50.0)
        self.assertEqual(lines["220400"].partner_id, self.partner)
        self.assertEqual(entry.move_id.state, "posted")
        self.assertEqual(self.tie(), 0)

    def test_nothing_is_booked_before_it_is_paid(self):
        for state in ("pending", "cancel", "error"):
            tx = self.transaction()
            with mute_logger("odoo.addons.payment.models.payment_transaction"):
                self.tell(tx, state)
            tx._post_process()
            self.assertFalse(tx.payment_id, state)
        self.assertEqual(self.balance(), 0)
        pending = self.env["payment.transaction"].search(
            [("acrel_wallet_id", "=", self.wallet.id), ("state", "=", "pending")]
        )
        self.tell(pending, "done")
        pending._post_process()
        self.assertEqual(self.balance(), 5000)

    def test_a_wrong_amount_is_refused_every_time(self):
        tx = self.transaction(50.0)
        wrong = {"amount": 5.0, "currency_code": "CNY"}
        for _delivery in range(3):
            self.tell(tx, "done", paid=wrong)
            self.assertEqual(tx.state, "error")
            tx._post_process()
        self.tell(tx, "done", paid={"amount": 50.0, "currency_code": "USD"})
        self.assertEqual(tx.state, "error")
        self.tell(tx, "done", paid={"amount": 50.0, "currency_code": "CNY"})
        self.assertEqual(tx.state, "done", "the right amount may still come")
        tx._post_process()
        self.assertEqual(self.balance(), 5000)

    def test_books_that_are_not_ready_keep_the_payment_for_later(self):
        tx = self.transaction()
        self.tell(tx, "done")
        liability = self.company.acrel_liability_account_id
        self.company.acrel_liability_account_id = False
        with self.assertRaisesRegex(UserError, "Wallet Liability"), self.env.cr.savepoint():
            tx._post_process()
        self.env.invalidate_all()
        self.assertFalse(tx.is_post_processed)
        self.company.acrel_liability_account_id = liability
        tx._post_process()
        self.assertEqual(self.balance(), 5000)

    def test_other_payments_are_left_alone(self):
        tx = self.transaction(acrel_wallet_id=False)
        self.tell(tx, "done")
        tx._post_process()
        self.assertEqual(self.balance(), 0)
        self.assertEqual(tx.payment_id.destination_account_id.account_type, "asset_receivable")

    # === refunds === #

    def paid(self, amount=50.0):
        tx = self.transaction(amount)
        self.tell(tx, "done")
        tx._post_process()
        return tx

    def request(self, fen=2000):
        return self.env["acrel.wallet.refund"]._request(self.wallet, fen, "ICBC 6222")

    def answer(self, refund, **values):
        return self.env["acrel.wallet.refund.answer"].create({"refund_id": refund.id, **values})

    def test_a_request_holds_its_money_until_the_answer(self):
        self.paid()
        refund = self.request()
        self.assertEqual((self.balance(), self.wallet.held_fen), (5000, 2000))
        with self.assertRaisesRegex(UserError, "less than"):
            self.request(3001)
        refund._withdraw()
        self.assertEqual((self.balance(), self.wallet.held_fen), (5000, 0))
        with self.assertRaisesRegex(UserError, "Withdrawn"):
            self.answer(refund, decision="refuse", answer="No").action_apply()

    def test_a_refund_from_the_bank(self):
        self.paid()
        refund = self.request()
        self.answer(refund, journal_id=self.provider.journal_id.id).action_apply()
        self.assertEqual((self.balance(), self.wallet.held_fen), (3000, 0))
        self.assertEqual((refund.state, refund.payment_id.payment_type), ("paid", "outbound"))
        self.assertEqual(self.tie(), 0)
        with self.assertRaisesRegex(UserError, "Paid"):
            self.answer(refund, journal_id=self.provider.journal_id.id).action_apply()
        self.assertEqual(self.balance(), 3000)

    def test_a_refusal_gives_the_money_back_to_the_wallet(self):
        self.paid()
        refund = self.request()
        with self.assertRaisesRegex(UserError, "why"):
            self.answer(refund, decision="refuse").action_apply()
        self.answer(refund, decision="refuse", answer="Account closed").action_apply()
        self.assertEqual((refund.state, refund.answer), ("refused", "Account closed"))
        self.assertEqual((self.balance(), self.wallet.held_fen), (5000, 0))

    def test_a_refund_the_way_the_top_up_came(self):
        tx = self.paid()
        refund = self.request()
        wizard = self.answer(refund, decision="provider")
        self.assertEqual(wizard.refundable_entry_ids.transaction_id, tx)
        wizard.topup_entry_id = wizard.refundable_entry_ids
        wizard.action_apply()
        self.assertEqual(refund.state, "sent", "booked apart from the call to the provider")
        self.assertEqual((self.balance(), self.wallet.held_fen), (5000, 2000))
        child = tx.child_transaction_ids
        child._post_process()
        self.assertEqual(refund.state, "paid")
        self.assertEqual((self.balance(), self.wallet.held_fen), (3000, 0))
        child._post_process()
        self.assertEqual(self.balance(), 3000, "booked once")
        self.assertEqual(self.tie(), 0)
        with self.assertRaisesRegex(UserError, "can give back"):
            self.request(3000)._send_to_provider(self.paid(20.0))

    def test_a_provider_that_does_not_pay(self):
        tx = self.paid()
        refund = self.request()
        provider = self.env.registry["payment.transaction"]
        with patch.object(
            provider, "_send_refund_request", lambda child: child._set_error("No contact")
        ):
            refund._send_to_provider(tx)
        self.assertEqual((refund.state, refund.answer), ("requested", "No contact"))
        self.assertEqual((self.balance(), self.wallet.held_fen), (5000, 2000))
        self.answer(refund, journal_id=self.provider.journal_id.id).action_apply()
        self.assertEqual(self.balance(), 3000)

    def use_up(self, fen):
        """Charge the wallet past what is free, as a bill with more energy than its hold does."""
        bill = self.env["acrel.bill"].create(
            {
                "partner_id": self.partner.id,
                "company_id": self.company.id,
                "currency_id": self.company.currency_id.id,
                "payment_mode": "prepaid",
                "station_id": self.station.id,
                "revenue_date": self.midnight.date(),
            }
        )
        self.wallet._book("charge", -fen, f"test,{bill.id}", bill_id=bill.id)

    def test_the_provider_is_not_asked_for_money_that_is_gone(self):
        tx = self.paid()
        refund = self.request(5000)
        self.use_up(1000)
        with self.assertRaisesRegex(UserError, "less than"):
            refund._send_to_provider(tx)
        self.assertFalse(tx.child_transaction_ids)
        self.assertEqual(refund.state, "requested")

    def test_what_the_provider_has_paid_is_booked_though_the_wallet_falls_short(self):
        tx = self.paid()
        refund = self.request(5000)
        child = refund._send_to_provider(tx)
        self.use_up(1000)
        child._post_process()
        self.assertEqual(refund.state, "paid")
        self.assertEqual((self.balance(), self.wallet.held_fen), (-1000, 0))

    def test_a_provider_that_pays_after_all_is_booked_too(self):
        tx = self.paid()
        refund = self.request(5000)
        provider = self.env.registry["payment.transaction"]
        with patch.object(
            provider, "_send_refund_request", lambda child: child._set_error("Timed out")
        ):
            child = refund._send_to_provider(tx)
        self.answer(refund, journal_id=self.provider.journal_id.id).action_apply()
        paid = refund.payment_id
        self.assertEqual(self.balance(), 0)
        self.tell(child, "done")
        child._post_process()
        self.assertEqual(self.balance(), -5000, "paid twice, and both are in the books")
        self.assertEqual((refund.state, refund.payment_id), ("paid", paid))
        self.assertEqual(self.tie(), 0)
        self.assertIn("another answer", refund.message_ids[0].body)

    def test_the_payment_itself_is_not_refunded_past_the_wallet(self):
        tx = self.paid()
        self.wallet._adjust(
            -5000,
            self.env["account.account"].search(
                [("account_type", "=", "expense"), ("company_ids", "in", self.company.ids)],
                limit=1,
            ),
            "All used",
        )
        with self.assertRaisesRegex(UserError, "Refund the wallet"):
            tx.action_refund()
