"""The driver's pages of wallet, top-up, refund and invoice, over HTTP."""

from lxml import html

from odoo.tests import HttpCase, JsonRpcException, tagged
from odoo.tools import mute_logger

from ..controllers.wallet import local_path
from .common import BillingCase
from .test_topup import TopupCase


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
