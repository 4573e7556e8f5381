"""Notifications: valid ones once, and every forged, wrong or repeated one refused."""

import json
import logging

from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import API_V3_KEY, WechatpayCommon

NOTIFY = "odoo.addons.payment_wechatpay.controllers.notify"
TRANSACTION = "odoo.addons.payment_wechatpay.models.payment_transaction"


@tagged("post_install", "-at_install")
class TestNotifications(WechatpayCommon):
    def setUp(self):
        super().setUp()
        self.transaction = self._order()
        self.simulator.pay(self.transaction.reference, notify=False)

    def _made(self, *mutations):
        return self.simulator.make(order=self.transaction.reference, mutations=list(mutations))

    def _assert_refused(self, response, status, state="draft"):
        self.assertEqual(response.status_code, status, response.text)
        self.assertEqual(response.json()["code"], "FAIL")
        self.assertEqual(self.transaction.state, state)

    # === Taken ===

    def test_a_payment_is_confirmed(self):
        response = self._deliver(self._made())
        self.assertEqual((response.status_code, response.json()["code"]), (200, "SUCCESS"))
        self.assertNotIn("Set-Cookie", response.headers)
        self.assertEqual(self.transaction.state, "done")
        order = self.simulator.order(self.transaction.reference)
        self.assertEqual(self.transaction.provider_reference, order["gateway_number"])
        self.assertEqual(int(self.transaction.wechatpay_paid_at.timestamp()), int(order["paid_at"]))
        self.assertFalse(self.transaction.wechatpay_next_query_at)
        self.assertFalse(self.transaction.wechatpay_code_url)

    def test_fifteen_times_is_once(self):
        messages = []
        self.patch(
            self.registry["payment.transaction"],
            "_log_received_message",
            lambda records: messages.extend(records.ids),
        )
        for _delivery in range(15):
            self.assertEqual(self._deliver(self._made()).status_code, 200)
        self.assertEqual(self.transaction.state, "done")
        self.assertEqual(messages, self.transaction.ids)

    def test_before_the_answer_to_the_order(self):
        """The payer was faster than our own answer: nothing of the order is stored yet."""
        transaction = self._transaction()
        self.simulator.fault("/v3/pay/transactions/native", "drop_after", times=2)
        with self.assertRaisesRegex(ValidationError, "could not be reached"):
            transaction._wechatpay_prepare("native")
        self.assertFalse(transaction.wechatpay_trade_type)
        self.simulator.pay(transaction.reference, notify=False)
        self.assertEqual(self._notify(order=transaction.reference).status_code, 200)
        self.assertEqual(transaction.state, "done")

    def test_two_orders_in_the_other_order(self):
        other = self._order()
        self.simulator.pay(other.reference, notify=False)
        first = self._made()
        self.assertEqual(self._notify(order=other.reference).status_code, 200)
        self.assertEqual(self._deliver(first).status_code, 200)
        self.assertEqual((self.transaction + other).mapped("state"), ["done", "done"])

    def test_a_provider_that_was_disabled_still_takes_its_money(self):
        self.provider.state = "disabled"
        self.assertEqual(self._deliver(self._made()).status_code, 200)
        self.assertEqual(self.transaction.state, "done")

    # === Not proven ===

    def _test_forged(self, *mutations):
        made = self._made(*mutations)
        self.simulator.control("requests/clear")
        before = self.transaction.write_date
        with self.assertLogs(NOTIFY, logging.INFO) as logs:
            self._assert_refused(self._deliver(made), 401)
        self.assertEqual(self.simulator.requests(), [], "no outgoing call")
        self.assertEqual(self.transaction.write_date, before)
        self.assertEqual(len(logs.output), 1)

    def test_a_forged_signature(self):
        self._test_forged("forged")

    def test_a_missing_signature(self):
        self._test_forged("missing_signature")

    def test_signed_by_another_key(self):
        self._test_forged("other_key")

    def test_an_unknown_serial_makes_no_outgoing_call(self):
        self._test_forged("unknown_serial")

    def test_an_old_signature(self):
        self._test_forged("old_timestamp")

    def test_a_signature_of_ten_minutes_ahead(self):
        self._test_forged("future_timestamp")

    def test_signature_probe_traffic(self):
        self._test_forged("probe")

    def test_a_body_that_was_changed(self):
        self._test_forged("changed_body")

    def test_no_header_at_all(self):
        self._assert_refused(self._deliver(self._made() | {"headers": {}}), 401)

    def test_a_rotated_serial_is_taken_again_with_its_key(self):
        """The gateway's key changed: refused until the new key is entered, then taken."""
        self._use_merchant("1900000301")
        self.transaction = self._order()
        self.simulator.pay(self.transaction.reference, notify=False)
        new = self.simulator.control("merchants/1900000301/keys")
        self._test_forged()
        self.provider.write(
            {
                "wechatpay_public_key_id": new["public_key_id"],
                "wechatpay_public_key": new["public_key"],
            }
        )
        self.assertEqual(self._deliver(self._made()).status_code, 200)
        self.assertEqual(self.transaction.state, "done")

    def test_a_provider_that_is_not_there(self):
        made = self._made()
        made["url"] = made["url"].replace(f"/{self.provider.id}", "/999999")
        self._assert_refused(self._deliver(made), 401)
        made["url"] = made["url"].replace("/999999", f"/{self.dummy_provider.id}")
        self._assert_refused(self._deliver(made), 401)

    def test_a_body_of_a_megabyte(self):
        made = self._made()
        made["body"] = "x" * (1 << 20)
        self.assertEqual(self._deliver(made).status_code, 413)

    # === Proven, but not to be taken ===

    @mute_logger(NOTIFY)
    def test_a_wrong_aes_tag(self):
        self._assert_refused(self._deliver(self._made("aes_tag")), 400)

    @mute_logger(NOTIFY)
    def test_another_apiv3_key(self):
        made = self._made()
        self.env.cr.execute(
            "UPDATE payment_provider SET wechatpay_api_v3_key = %s WHERE id = %s",
            (API_V3_KEY[::-1], self.provider.id),
        )
        self.provider.invalidate_recordset()
        self._assert_refused(self._deliver(made), 400)

    @mute_logger(NOTIFY)
    def test_not_json(self):
        self._assert_refused(self._deliver(self._made("not_json")), 400)

    @mute_logger(NOTIFY)
    def test_another_merchant(self):
        for _delivery in range(3):
            self._assert_refused(self._deliver(self._made("wrong_merchant")), 400)

    @mute_logger(NOTIFY)
    def test_another_app(self):
        for _delivery in range(3):
            self._assert_refused(self._deliver(self._made("wrong_app")), 400)

    @mute_logger(NOTIFY)
    def test_another_order(self):
        self._assert_refused(self._deliver(self._made("wrong_order")), 404)

    @mute_logger(NOTIFY, TRANSACTION)
    def test_another_amount_also_on_the_second_and_third_delivery(self):
        for _delivery in range(3):
            self._assert_refused(self._deliver(self._made("wrong_amount")), 400, "error")
        self.assertIn("amount", self.transaction.state_message)

    @mute_logger(NOTIFY, TRANSACTION)
    def test_another_currency_also_on_the_second_and_third_delivery(self):
        for _delivery in range(3):
            self._assert_refused(self._deliver(self._made("wrong_currency")), 400, "error")
        self.assertIn("currency", self.transaction.state_message)

    @mute_logger(NOTIFY, TRANSACTION)
    def test_the_right_notification_after_a_wrong_one(self):
        self._assert_refused(self._deliver(self._made("wrong_amount")), 400, "error")
        self.assertEqual(self._deliver(self._made()).status_code, 200)
        self.assertEqual(self.transaction.state, "done")

    @mute_logger(NOTIFY, TRANSACTION, "odoo.addons.payment.models.payment_transaction")
    def test_a_wrong_amount_after_the_right_one_changes_nothing(self):
        self.assertEqual(self._deliver(self._made()).status_code, 200)
        paid_at = self.transaction.wechatpay_paid_at
        for _delivery in range(2):
            self._deliver(self._made("wrong_amount"))
            self.assertEqual(self.transaction.state, "done")
        self.assertEqual(self.transaction.wechatpay_paid_at, paid_at)

    @mute_logger(NOTIFY, TRANSACTION)
    def test_less_was_paid_than_ordered(self):
        transaction = self._order()
        self.simulator.pay(transaction.reference, amount=1, notify=False)
        for _delivery in range(2):
            self.assertEqual(self._notify(order=transaction.reference).status_code, 400)
            self.assertEqual(transaction.state, "error")

    # === Several merchants ===

    def test_two_companies_with_two_merchants(self):
        """Each order is its company's merchant's; notifications of the other cannot touch it."""
        merchant_id, app_id = "1900000208", "wx7777777777777777"
        key = "another-key-of-32-letters-here!!"
        gateway = self.simulator.register(merchant_id, appids=[app_id], apiv3_key=key)
        company = self.env["res.company"].create({"name": "Second Port"})
        provider = self.provider.copy({"company_id": company.id, "name": "Second"})
        provider.write(
            self._credentials(
                wechatpay_merchant_id=merchant_id,
                wechatpay_app_id=app_id,
                wechatpay_api_v3_key=key,
                wechatpay_public_key_id=gateway["public_key_id"],
                wechatpay_public_key=gateway["public_key"],
                state="test",
            )
        )
        other = self._order(provider_id=provider.id)
        self.assertEqual(other.company_id, company)
        self.simulator.pay(other.reference, notify=False)
        theirs = self.simulator.make(order=other.reference)
        crossed = theirs | {"url": self._made()["url"]}
        self.assertEqual(self._deliver(crossed).status_code, 401)
        self.assertEqual(other.state, "draft")
        self.assertEqual(self._deliver(theirs).status_code, 200)
        self.assertEqual((other.state, self.transaction.state), ("done", "draft"))

    @mute_logger(NOTIFY)
    def test_an_order_of_another_database(self):
        """One merchant number, two databases: the other's order is not here, and WeChat repeats."""
        made = self._made()
        self.transaction.unlink()
        response = self._deliver(made)
        self.assertEqual(response.status_code, 404)
        self.assertIn("no order", json.loads(response.text)["message"])
