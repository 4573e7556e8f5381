"""From the order to the money, on each kind of device."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from lxml import html

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from .common import APP, PHONE, AlipayCommon


@tagged("post_install", "-at_install")
class TestFlow(AlipayCommon):
    """A payer pays."""

    def test_desk_page_pay_from_order_to_done(self):
        tx = self.order()
        answer = self.open_pay_page(tx)
        self.assertEqual(answer.status_code, 303)
        link = answer.headers["Location"]
        self.assertTrue(link.startswith(self.simulator.gateway))
        self.visit_cashier(link)
        self.assertEqual(self.simulator.order(tx.reference)["amount"], 8888)
        self.assertEqual(tx.state, "draft")
        self.simulator.order(tx.reference, "pay")
        self.assertEqual(self.notify(tx).text, "success")
        self.assertEqual(tx.state, "done")
        self.assertEqual(
            tx.provider_reference, self.simulator.order(tx.reference)["gateway_number"]
        )
        self.assertFalse(tx.alipay_cn_next_query_at)

    def test_desk_qr_shows_the_same_code_however_often_it_is_loaded(self):
        self.provider.alipay_cn_desk_page = "precreate"
        tx = self.order()
        page = html.fromstring(self.open_pay_page(tx).content)
        [image] = page.xpath("//img[contains(@class, 'o_alipay_cn_qr')]")
        code = image.get("data-code")
        self.assertRegex(code, r"^https://qr\.alipay\.com/")
        self.assertTrue(image.get("src").startswith("data:image/svg+xml;base64,"))
        calls = self.simulator.calls()
        again = html.fromstring(self.open_pay_page(tx).content)
        self.assertEqual(again.xpath("//img[@data-code]/@data-code"), [code])
        self.assertEqual(self.simulator.calls(), calls, "a reload asks the gateway nothing")
        self.simulator.order(tx.reference, "pay")
        self.notify(tx)
        self.assertEqual(tx.state, "done")

    def test_phone_gets_the_phone_page_and_a_way_back(self):
        tx = self.order()
        page = html.fromstring(self.open_pay_page(tx, PHONE).content)
        [link] = page.xpath("//a[contains(@class, 'o_alipay_cn_open')]/@href")
        given = parse_qs(urlsplit(link).query)
        self.assertEqual(given["method"], ["alipay.trade.wap.pay"])
        self.assertIn("QUICK_WAP_WAY", given["biz_content"][0])
        self.visit_cashier(link)
        self.simulator.order(tx.reference, "pay")
        self.notify(tx)
        self.assertEqual(tx.state, "done")

    def test_inside_wechat_a_sentence_instead_of_a_link_that_does_not_open(self):
        page = self.open_pay_page(self.order(), PHONE + " MicroMessenger/8.0.50").content
        [told] = html.fromstring(page).xpath("//p[contains(@class, 'alert-info')]")
        self.assertRegex(told.text, "Alipay|支付宝")
        self.assertNotIn(b"o_alipay_cn_open", page)

    def test_mini_program_parameters_for_open_id_and_user_id(self):
        tx = self.order()
        given = tx._alipay_cn_client_parameters(buyer_open_id="074a1CcTG1LelxKe4xQC0zgNdId0nxi9")
        self.assertEqual(list(given), ["tradeNO"])
        again = tx._alipay_cn_client_parameters(buyer_open_id="074a1CcTG1LelxKe4xQC0zgNdId0nxi9")
        self.assertEqual(again, given)
        self.simulator.order(tx.reference, "pay")
        self.notify(tx)
        self.assertEqual((tx.state, tx.provider_reference), ("done", given["tradeNO"]))
        other = self.order()._alipay_cn_client_parameters(buyer_id="2088102534368455")
        self.assertTrue(other["tradeNO"])
        with self.assertRaisesRegex(ValidationError, "open_id or by user id"):
            self.order()._alipay_cn_client_parameters()

    def test_mini_program_payer_from_the_code_that_the_wallet_gave(self):
        code = self.simulator.control("codes", {"merchant": APP, "user_id": "2088102534368455"})
        buyer = self.provider._alipay_cn_buyer(code["code"])
        self.assertEqual(buyer, {"buyer_id": "2088102534368455"})
        self.assertTrue(self.order()._alipay_cn_client_parameters(**buyer)["tradeNO"])
        with self.assertRaisesRegex(ValidationError, "Alipay refuses"):
            self.provider._alipay_cn_buyer(code["code"])

    def test_return_page_asks_the_gateway_and_leads_to_the_status(self):
        tx = self.order()
        back = self.pay_at_cashier(self.open_pay_page(tx).headers["Location"])
        self.assertEqual(tx.state, "draft")
        answer = self.url_open(back, allow_redirects=False)
        self.assertTrue(answer.headers["Location"].endswith("/payment/status"))
        tx.invalidate_recordset()
        self.assertEqual(tx.state, "done", "the query, not the page's parameters, said so")
        self.assertEqual(self.notify(tx).text, "success", "a notification after the return")
        self.assertEqual(tx.state, "done")

    def test_return_page_of_a_payer_who_did_not_pay_proves_nothing(self):
        tx = self.order()
        other = self.order()
        back = self.pay_at_cashier(self.open_pay_page(other).headers["Location"])
        self.visit_cashier(self.open_pay_page(tx).headers["Location"])
        swapped = back.replace(f"/return/{other.id}?", f"/return/{tx.id}?")
        self.assertNotEqual(swapped, back)
        self.url_open(swapped, allow_redirects=False)
        tx.invalidate_recordset()
        self.assertEqual(tx.state, "draft")

    def test_forged_return_page_asks_nobody(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay", notify=False)
        calls = self.simulator.calls()
        self.url_open(
            f"/payment/alipay_cn/return/{tx.id}?out_trade_no={tx.reference}&app_id={APP}"
            "&sign=aGFsbG8=&sign_type=RSA2",
            allow_redirects=False,
        )
        self.assertEqual(tx.state, "draft")
        self.assertEqual(self.simulator.calls(), calls)

    def test_page_needs_its_token(self):
        tx = self.order()
        for query in ("", "?access_token=", f"?access_token={'0' * 64}"):
            answer = self.url_open(f"/payment/alipay_cn/pay/{tx.id}{query}")
            self.assertEqual(answer.status_code, 404)

    def test_order_holds_beijing_time_though_the_server_runs_on_utc(self):
        tx = self.order()
        given = parse_qs(urlsplit(self.open_pay_page(tx).headers["Location"]).query)
        beijing = datetime.fromisoformat(given["timestamp"][0])
        ahead = beijing - datetime.now(UTC).replace(tzinfo=None)
        self.assertAlmostEqual(ahead.total_seconds(), 8 * 3600, delta=60)
        expiry = json.loads(given["biz_content"][0])["time_expire"]
        self.assertEqual(
            datetime.fromisoformat(expiry), tx.alipay_cn_expires_at + timedelta(hours=8)
        )

    def test_gateway_down_tells_the_payer_and_keeps_the_order(self):
        self.provider.alipay_cn_desk_page = "precreate"
        tx = self.order()
        self.simulator.fault("status500", times=2)
        with self.quiet():
            page = self.open_pay_page(tx)
        self.assertIn('data-state="failed"', page.text)
        self.assertEqual(tx.state, "draft")
        self.assertIn("data-code", self.open_pay_page(tx).text, "the next try works")

    def test_order_number_that_another_database_used_is_told(self):
        self.provider.alipay_cn_desk_page = "precreate"
        tx = self.order()
        self.open_pay_page(tx)
        self.simulator.order(tx.reference, "scan")
        tx.write({"amount": 10, "alipay_cn_qr_code": False})
        with self.quiet() as logs:
            page = self.open_pay_page(tx)
        self.assertIn("another amount or title", logs.output[0])
        self.assertIn('data-state="failed"', page.text)
        self.assertEqual(tx.state, "draft")

    def test_one_repetition_with_the_same_number_after_an_answer_got_lost(self):
        self.provider.alipay_cn_desk_page = "precreate"
        tx = self.order()
        self.simulator.fault("drop_after")
        page = html.fromstring(self.open_pay_page(tx).content)
        self.assertTrue(page.xpath("//img/@data-code"))
        self.assertEqual(self.simulator.calls(), 2)
        orders = self.simulator.control(f"orders?merchant={APP}")["orders"]
        self.assertEqual(len([o for o in orders if o["number"] == tx.reference]), 1)

    def test_status_route_tells_the_page(self):
        tx = self.opened_order()
        view = self.make_jsonrpc_request(
            f"/payment/alipay_cn/status/{tx.id}", {"access_token": tx._alipay_cn_token()}
        )
        self.assertEqual(view["state"], "waiting")
        self.assertGreater(view["seconds_left"], 800)
        self.simulator.order(tx.reference, "pay", notify=False)
        tx.alipay_cn_next_query_at = "2020-01-01 00:00:00"
        view = self.make_jsonrpc_request(
            f"/payment/alipay_cn/status/{tx.id}", {"access_token": tx._alipay_cn_token()}
        )
        self.assertEqual((view["state"], view["redirect"]), ("paid", "/payment/status"))
