import json
import re

from odoo.tests import HttpCase, new_test_user, tagged

from .common import BillingCase


@tagged("post_install", "-at_install")
class TestPortalBill(BillingCase, HttpCase):
    def page(self, url, user=None):
        if user:
            self.authenticate(user.login, user.login)
        answer = self.url_open(url)
        self.assertEqual(answer.status_code, 200, url)
        return re.sub(r"\s+", " ", answer.text)

    def test_the_page_of_a_pile_shows_the_price_of_each_period(self):
        self.station.portal_published = True
        text = self.page(f"/charging/p/{self.pile.code}")
        for begin, price, service, total in (
            ("00:00", "0.3526", "0.4000", "0.7526"),
            ("07:00", "0.6888", "0.4000", "1.0888"),
            ("10:00", "1.2050", "0.4000", "1.6050"),
            ("12:00", "1.0180", "0.4000", "1.4180"),
        ):
            row = re.search(rf"<tr[^>]*> <td[^>]*> {begin}–.*?</tr>", text)
            self.assertTrue(row, begin)
            for number in (price, service, total):
                self.assertIn(number, row[0])
        self.assertEqual(text.count('aria-current="time"'), 1)

    def test_a_pile_without_price_says_so(self):
        self.station.tariff_id = False
        self.assertIn("No price is in force", self.page(f"/charging/p/{self.pile.code}"))

    def test_money_grows_on_the_open_session(self):
        session = self.charge(100_000, at=self.at(9, 30))
        self.hear(100_500, self.at(9, 45))
        text = self.page(f"/my/charging/{session.id}", self.driver)
        self.assertRegex(text, r'data-acrel="amount">5\.44<')
        self.assertRegex(text, r'data-acrel="hold_left">44\.56<')
        live = json.loads(self.url_open(f"/my/charging/{session.id}/live").text)
        self.assertEqual((live["amount"], live["hold_left"]), ("5.44", "44.56"))

    def test_the_bill_after_the_stop_and_in_the_list(self):
        session = self.morning()
        bill = session.bill_id
        text = self.page(f"/my/charging/{session.id}", self.driver)
        self.assertIn(bill.name, text)
        self.assertIn("26.94", text)
        self.assertIn(f"/my/bills/{bill.id}", text)
        self.assertIn(bill.name, self.page("/my/bills"))
        text = self.page(f"/my/bills/{bill.id}")
        for expected in ("0.6888", "1.2050", "10.000", "26.94", "3.10", "1000.000", "1020.000"):
            self.assertIn(expected, text)
        self.assertIn(bill.name, self.page(f"/my/bills/{bill.id}?report_type=html"))

    def test_a_bill_is_its_payers_alone(self):
        bill = self.morning().bill_id
        stranger = new_test_user(self.env, "other driver", groups="base.group_portal")
        self.authenticate(stranger.login, stranger.login)
        for url in (f"/my/bills/{bill.id}", f"/my/bills/{bill.id}?access_token=wrong"):
            answer = self.url_open(url)
            self.assertNotIn(bill.name, answer.text)
            self.assertTrue(answer.url.endswith("/my"), answer.url)
        self.assertNotIn(bill.name, self.page("/my/bills"))
        self.authenticate(None, None)
        self.assertIn(bill.name, self.page(bill._get_share_url(redirect=False)))

    def test_the_home_page_counts_the_bills(self):
        self.morning()
        self.authenticate(self.driver.login, self.driver.login)
        counters = self.make_jsonrpc_request("/my/counters", {"counters": ["charging_bill_count"]})
        self.assertEqual(counters, {"charging_bill_count": 1})
