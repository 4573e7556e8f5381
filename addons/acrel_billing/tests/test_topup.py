"""Top-ups and refunds through Odoo's payment framework."""

from unittest.mock import patch

from lxml import html

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import HttpCase, JsonRpcException, tagged
from odoo.tools import mute_logger

from ..controllers.wallet import local_path
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
        self.assertEqual(refund.state, "paid")
        self.assertEqual((self.balance(), self.wallet.held_fen), (3000, 0))
        child = tx.child_transaction_ids
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


@tagged("post_install", "-at_install")
class TestTopupPages(TopupCase, HttpCase):
    """The driver's way through the pages, over HTTP."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.station.portal_published = True

    def setUp(self):
        super().setUp()
        self.driver.password = "charging driver"
        self.authenticate(self.driver.login, "charging driver")

    def page(self, url, **kwargs):
        response = self.url_open(url, **kwargs)
        return response, html.fromstring(response.content)

    def pay_form(self, amount="50", **params):
        query = "&".join(f"{key}={value}" for key, value in {"amount": amount, **params}.items())
        response, tree = self.page(f"/my/wallet/pay?{query}")
        return response, tree.xpath("//form[@id='o_payment_form']")

    def start_payment(self, form, **changes):
        values = {
            "provider_id": self.provider.id,
            "payment_method_id": self.method.id,
            "token_id": None,
            "amount": float(form.get("data-amount")),
            "flow": "direct",
            "tokenization_requested": False,
            "landing_route": form.get("data-landing-route"),
            "is_validation": False,
            "access_token": form.get("data-access-token"),
            **changes,
        }
        route = values.pop("route", form.get("data-transaction-route"))
        return self.make_jsonrpc_request(route, values)

    def test_from_the_pile_to_the_wallet_and_back(self):
        pile_page = f"/charging/p/{self.pile.code}"
        _response, tree = self.page(pile_page)
        [link] = tree.xpath("//div[contains(@class, 'o_acrel_wallet')]//a/@href")
        self.assertIn(f"return_to={pile_page}", link)
        _response, tree = self.page(link)
        [back] = tree.xpath("//form[contains(@class, 'o_acrel_topup')]/input[@name='return_to']")
        self.assertEqual(back.get("value"), pile_page)
        _response, [form] = self.pay_form(company=self.company.id, return_to=pile_page)
        values = self.start_payment(form)
        tx = self.env["payment.transaction"].search([("reference", "=", values["reference"])])
        self.assertEqual((tx.acrel_wallet_id, tx.amount), (self.wallet, 50.0))
        self.tell(tx, "done")
        status = self.make_jsonrpc_request("/payment/status/poll", {})
        self.assertEqual(status["state"], "done")
        self.make_jsonrpc_request("/payment/status/poll", {})
        self.assertEqual(self.balance(), 5000)
        response = self.url_open(status["landing_route"], allow_redirects=False)
        self.assertTrue(response.headers["Location"].endswith(pile_page))
        _response, tree = self.page("/my/wallet")
        [available] = tree.xpath("//*[@data-acrel-wallet='available']")
        self.assertIn("50.00", available.text_content())

    def test_a_payment_that_failed_is_explained(self):
        _response, [form] = self.pay_form(return_to="/charging")
        values = self.start_payment(form)
        tx = self.env["payment.transaction"].search([("reference", "=", values["reference"])])
        with mute_logger("odoo.addons.payment.models.payment_transaction"):
            self.tell(tx, "cancel")
        _response, tree = self.page(f"/my/wallet/topup/{tx.id}")
        self.assertIn("Nothing was added", tree.text_content())
        self.assertTrue(tree.xpath("//a[@href='/charging']"))
        self.assertEqual(self.balance(), 0)

    @mute_logger("odoo.http")
    def test_a_tampered_form_is_refused(self):
        _response, [form] = self.pay_form()
        other = self.env["res.company"].create(
            {"name": "Other", "currency_id": self.company.currency_id.id}
        )
        changes = [
            {"amount": 500.0},
            {"access_token": "forged"},
            {"is_validation": True},
            {"acrel_wallet_id": self.wallet.id + 1},
            {"partner_id": self.env.user.partner_id.id},
            {"provider_id": self.provider.copy({"state": "disabled"}).id},
            {"route": f"/my/wallet/transaction/{other.id}"},
        ]
        for change in changes:
            with self.subTest(change=change), self.assertRaises(JsonRpcException):
                self.start_payment(form, **change)
        self.assertFalse(
            self.env["payment.transaction"].search([("partner_id", "=", self.partner.id)])
        )

    def test_amounts_out_of_bounds_say_so(self):
        for amount, sentence in (
            ("0.5", "A top-up is from"),
            ("5000.01", "A top-up is from"),
            ("abc", "Enter an amount"),
            ("nan", "Enter an amount"),
            ("-5", "Enter an amount"),
            ("1e400", "Enter an amount"),
            ("10.005", "two decimals"),
        ):
            response, tree = self.page(f"/my/wallet/pay?other={amount}")
            self.assertEqual(response.status_code, 422, amount)
            self.assertIn(sentence, tree.xpath("//div[@role='alert']")[0].text_content(), amount)

    def test_another_driver_s_payment_does_not_exist(self):
        stranger = self.env["res.partner"].create({"name": "Stranger"})
        wallet = self.env["acrel.wallet"]._ensure(stranger, self.company)
        tx = self.transaction(acrel_wallet_id=wallet.id, partner_id=stranger.id)
        response = self.url_open(f"/my/wallet/topup/{tx.id}", allow_redirects=False)
        self.assertTrue(response.headers["Location"].endswith("/my/wallet"))
        self.wallet = wallet
        self.tell(tx, "done")
        tx._post_process()
        refund = self.env["acrel.wallet.refund"]._request(wallet, 100, "x")
        self.post_form(f"/my/wallet/refund/{refund.id}/withdraw")
        self.assertEqual(refund.state, "requested")

    def post_form(self, url, **data):
        _response, tree = self.page("/my/wallet")
        token = tree.xpath("//input[@name='csrf_token']/@value")
        token = token[0] if token else self.csrf()
        return self.url_open(url, data={"csrf_token": token, **data})

    def csrf(self):
        _response, tree = self.page("/my/account")
        return tree.xpath("//input[@name='csrf_token']/@value")[0]

    def test_the_driver_asks_for_money_back_and_withdraws(self):
        tx = self.transaction()
        self.tell(tx, "done")
        tx._post_process()
        response = self.post_form("/my/wallet/refund", amount="60", note="ICBC")
        self.assertEqual(response.status_code, 422)
        self.assertIn("less than", response.text)
        response = self.post_form("/my/wallet/refund", amount="20", note=" ")
        self.assertIn("paid to", response.text)
        response = self.post_form("/my/wallet/refund", amount="20", note="ICBC 6222")
        self.assertEqual(response.status_code, 200)
        refund = self.wallet.refund_ids
        self.assertEqual((refund.amount_fen, refund.note), (2000, "ICBC 6222"))
        self.assertIn(refund.name, response.text)
        self.post_form(f"/my/wallet/refund/{refund.id}/withdraw")
        refund.invalidate_recordset()
        self.assertEqual(refund.state, "withdrawn")
        self.assertEqual((self.balance(), self.wallet.held_fen), (5000, 0))

    def test_only_pages_of_this_server_are_returned_to(self):
        for url in ("/charging/p/T001", "/my/charging/7?x=1"):
            self.assertEqual(local_path(url), url)
        for url in (
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example",
            "\\\\evil.example",
            "javascript:alert(1)",
            "/a\nb",
            "charging",
            "",
            None,
        ):
            self.assertEqual(local_path(url), "", url)


@tagged("post_install", "-at_install")
class TestInvoicePage(BillingCase, HttpCase):
    """The driver asks for the invoice of his bill."""

    def setUp(self):
        super().setUp()
        self.driver.password = "charging driver"
        self.bill = self.morning().bill_id

    def ask(self, login, **data):
        self.authenticate(login, "charging driver")
        page = html.fromstring(self.url_open("/my/account").content)
        token = page.xpath("//input[@name='csrf_token']/@value")[0]
        return self.url_open(f"/my/bills/{self.bill.id}/invoice", {"csrf_token": token, **data})

    def test_an_invoice_for_a_business(self):
        response = self.ask(self.driver.login, title="Ningbo Freight", tax_id="91330200MA2A")
        self.assertEqual(response.status_code, 422)
        self.assertIn("tax number", response.text)
        data = {"title": "Ningbo Freight", "tax_id": "91330200 ma2afxxx0n"}
        response = self.ask(self.driver.login, **data)
        self.bill.invalidate_recordset()
        invoice = self.bill.invoice_id
        self.assertEqual(invoice.partner_id.vat, "91330200MA2AFXXX0N")
        self.assertIn(f"/my/invoices/{invoice.id}", response.url)
        self.assertEqual(response.status_code, 200)
        self.ask(self.driver.login, **data)
        self.assertEqual(
            self.env["account.move"].search_count([("partner_id", "=", invoice.partner_id.id)]), 1
        )

    def test_nobody_invoices_another_driver_s_bill(self):
        stranger = self.driver.copy({"login": "stranger", "password": "charging driver"})
        self.ask(stranger.login)
        self.assertFalse(self.bill.invoice_id)
