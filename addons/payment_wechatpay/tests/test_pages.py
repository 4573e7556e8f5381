"""What a payer sees, on a desk, on a phone, inside WeChat."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from lxml import html

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import WechatpayCommon

DESK = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
PHONE = (
    "Mozilla/5.0 (Linux; Android 15; Pixel) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"
)
IN_WECHAT = f"{PHONE} MicroMessenger/8.0.50"


@tagged("post_install", "-at_install")
class TestPages(WechatpayCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.lang"]._activate_lang("zh_CN")
        cls.public_user.lang = "en_US"

    def _begin(self):
        """Begin a payment as the portal's form does; return the transaction and its page."""
        values = self._get_processing_values(
            **self._prepare_transaction_values(self.payment_method_id, None, "redirect")
            | {"tokenization_requested": False, "reference_prefix": "INV/2026/00042"}
        )
        form = self._extract_values_from_html_form(values["redirect_form_html"])
        transaction = self._get_tx(values["reference"])
        self.assertEqual(form["method"], "get")
        return transaction, f"{form['action']}?access_token={form['inputs']['access_token']}"

    def _open(self, path, agent=DESK, language="en-US"):
        headers = {"User-Agent": agent, "Accept-Language": language}
        response = self.url_open(path, headers=headers)
        self.assertEqual(response.status_code, 200, response.text[:500])
        (page,) = self._find(html.fromstring(response.text), "o_wechatpay_pay")
        return page

    def _find(self, page, class_name):
        """Return the elements of a class."""
        return page.xpath(f"//*[contains(concat(' ', @class, ' '), ' {class_name} ')]")

    def _status(self, transaction, token=None):
        token = token or transaction._wechatpay_access_token()
        return self.make_jsonrpc_request(
            f"/payment/wechatpay/status/{transaction.id}", {"access_token": token}
        )

    def test_a_desk_shows_the_qr_code_of_the_order(self):
        transaction, path = self._begin()
        self.assertTrue(transaction.reference.startswith("INV-2026-00042-"))
        page = self._open(path)
        self.assertEqual(page.get("data-state"), "waiting")
        (picture,) = self._find(page, "o_wechatpay_qr")
        order = self.simulator.order(transaction.reference)
        self.assertEqual(picture.get("data-code"), order["qr"])
        self.assertTrue(picture.get("src").startswith("data:image/png;base64,"))
        self.assertFalse(self._find(page, "o_wechatpay_open"))
        self.assertRegex(
            self._find(page, "o_wechatpay_countdown")[0].text_content(), r"14:5\d|15:00"
        )
        self.assertIn("12.34", self._find(page, "o_wechatpay_amount")[0].text_content())

    def test_reloading_shows_the_same_order(self):
        transaction, path = self._begin()
        codes = {
            self._find(self._open(path), "o_wechatpay_qr")[0].get("data-code")
            for _reload in range(3)
        }
        self.assertEqual(codes, {transaction.wechatpay_code_url})
        posts = [r for r in self.simulator.requests() if r.startswith("POST")]
        self.assertEqual(len(posts), 1)

    def test_a_phone_shows_the_button(self):
        transaction, path = self._begin()
        page = self._open(path, PHONE)
        (button,) = self._find(page, "o_wechatpay_open")
        query = parse_qs(urlsplit(button.get("href")).query)
        self.assertTrue(
            urlsplit(query["redirect_url"][0]).path.endswith(
                f"/payment/wechatpay/pay/{transaction.id}"
            )
        )
        self.assertTrue(button.get("href").startswith(transaction.wechatpay_h5_url))
        self.assertFalse(self._find(page, "o_wechatpay_qr"))

    def test_begun_on_a_desk_and_opened_on_a_phone(self):
        transaction, path = self._begin()
        self._open(path)
        page = self._open(path, PHONE)
        self.assertTrue(self._find(page, "o_wechatpay_qr"))
        self.assertEqual(transaction.wechatpay_trade_type, "native")

    def test_begun_on_a_phone_and_opened_on_a_desk(self):
        transaction, path = self._begin()
        self._open(path, PHONE)
        page = self._open(path)
        self.assertEqual(page.get("data-state"), "failed")
        self.assertIn("in another way", page.text_content())
        self.assertEqual(transaction.wechatpay_trade_type, "h5")

    def test_inside_wechat_a_sentence_tells_what_to_do(self):
        _transaction, path = self._begin()
        page = self._open(path, IN_WECHAT)
        self.assertEqual(page.get("data-state"), "failed")
        self.assertIn("three dots", page.text_content())
        self.assertFalse([r for r in self.simulator.requests() if r.startswith("POST")])

    def test_paid_leads_to_odoos_page(self):
        transaction, path = self._begin()
        self._open(path)
        self.assertEqual(self._status(transaction)["state"], "waiting")
        self.simulator.pay(transaction.reference, notify=False)
        self.assertEqual(self._notify(order=transaction.reference).status_code, 200)
        answer = self._status(transaction)
        self.assertEqual((answer["state"], answer["redirect"]), ("paid", "/payment/status"))
        self.assertTrue(urlsplit(self.url_open(path).url).path.endswith("/payment/status"))

    def test_the_waiting_page_asks_the_gateway_itself(self):
        transaction, path = self._begin()
        self._open(path)
        self.simulator.pay(transaction.reference, notify=False)
        self.assertEqual(self._status(transaction)["state"], "waiting", "not due yet")
        transaction.wechatpay_next_query_at = fields.Datetime.now()
        self.assertEqual(self._status(transaction)["state"], "paid")

    def test_the_time_is_over(self):
        transaction, path = self._begin()
        self._open(path)
        past = fields.Datetime.now() - timedelta(seconds=1)
        transaction.write({"wechatpay_expires_at": past, "wechatpay_next_query_at": past})
        answer = self._status(transaction)
        self.assertEqual((answer["state"], answer["seconds_left"]), ("closed", 0))
        page = self._open(path)
        self.assertEqual(page.get("data-state"), "closed")
        self.assertEqual(self.simulator.order(transaction.reference)["state"], "closed")

    def test_the_gateway_is_away(self):
        transaction, path = self._begin()
        self.simulator.fault("/v3/pay/", "drop", times=2)
        page = self._open(path)
        self.assertEqual(page.get("data-state"), "failed")
        self.assertIn("Nothing was charged", page.text_content())
        self.assertNotIn(self.simulator.address, page.text_content())
        self.assertEqual(self._open(path).get("data-state"), "waiting")
        self.assertEqual(transaction.state, "draft")

    @mute_logger("odoo.addons.payment_wechatpay.controllers.notify")
    def test_a_wrong_amount_is_a_sentence_for_the_payer(self):
        transaction, path = self._begin()
        self._open(path)
        self.simulator.pay(transaction.reference, amount=1, notify=False)
        self._notify(order=transaction.reference)
        self.assertEqual(self._status(transaction)["state"], "failed")
        self.assertIn("do not pay again", self._open(path).text_content())

    def test_a_payer_reads_chinese(self):
        self.env["ir.module.module"]._load_module_terms(["payment_wechatpay"], ["zh_CN"])
        self.opener.cookies.set("frontend_lang", "zh_CN")
        _transaction, path = self._begin()
        page = self._open(path, language="zh-CN")
        self.assertIn("请打开手机微信", page.text_content())
        _transaction, path = self._begin()
        self.assertIn("三个点", self._open(path, IN_WECHAT, "zh-CN").text_content())

    def test_names_with_markup_stay_text(self):
        self.company.name = "<script>alert(1)</script>"
        _transaction, path = self._begin()
        text = self.url_open(path).text
        self.assertNotIn("<script>alert(1)", text)
        self.assertIn("&lt;script&gt;alert(1)", text)

    def test_only_the_token_admits(self):
        transaction, path = self._begin()
        other = self._transaction()
        for wrong in (
            path.replace("access_token=", "access_token=0"),
            path.split("?")[0],
            path.replace(f"/{transaction.id}?", f"/{other.id}?"),
            path.replace(f"/{transaction.id}?", "/999999999?"),
        ):
            self.assertEqual(self.url_open(wrong).status_code, 404)
        with self._assertNotFound(), mute_logger("odoo.http"):
            self._status(transaction, "wrong")
        self.assertFalse(re.search("POST", " ".join(self.simulator.requests())))
