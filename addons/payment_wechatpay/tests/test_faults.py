"""The gateway is away, slow, broken, or not the gateway: nothing is lost, nothing is believed."""

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import WechatpayCommon

TRANSACTION = "odoo.addons.payment_wechatpay.models.payment_transaction"
ORDERS = "/v3/pay/"
QUERY = "/v3/pay/transactions/out-trade-no/"


@tagged("post_install", "-at_install")
class TestFaults(WechatpayCommon):
    def _test_order(self, kind, words, times=2):
        """An order that fails is a sentence, and the next attempt makes it."""
        transaction = self._transaction()
        self.simulator.fault(ORDERS, kind, times=times)
        with self.assertRaisesRegex(ValidationError, words):
            transaction._wechatpay_prepare("native")
        self.assertEqual(transaction.state, "draft")
        transaction._wechatpay_prepare("native")
        self.assertTrue(transaction.wechatpay_code_url)

    def test_down(self):
        self._test_order("drop", "could not be reached")

    def test_500(self):
        self._test_order("status500", "not WeChat Pay .HTTP 500")

    def test_500_although_the_order_was_made(self):
        self._test_order("status500_after", "not WeChat Pay .HTTP 500")

    def test_not_json(self):
        self._test_order("not_json", "not proven|not WeChat Pay")

    def test_signed_by_another_key(self):
        self._test_order("other_key", "not proven")

    def test_forged(self):
        self._test_order("forged", "not proven")

    def test_not_signed(self):
        self._test_order("missing_signature", "not proven")

    def test_an_unknown_serial(self):
        self._test_order("unknown_serial", "Public Key ID")

    def test_a_changed_body(self):
        self._test_order("changed_body", "not proven")

    def test_an_old_answer(self):
        self._test_order("old_timestamp", "clocks", times=1)

    def test_one_fault_is_bridged_by_one_repetition(self):
        transaction = self._transaction()
        self.simulator.fault(ORDERS, "status500")
        transaction._wechatpay_prepare("native")
        self.assertEqual(len(self.simulator.requests()), 2)

    def test_a_repetition_has_its_bound(self):
        transaction = self._transaction()
        self.simulator.fault(ORDERS, "status500", times=None)
        with self.assertRaises(ValidationError):
            transaction._wechatpay_prepare("native")
        self.assertEqual(len(self.simulator.requests()), 2)

    def test_slow(self):
        transaction = self._transaction()
        self.simulator.fault(ORDERS, "delay", seconds=1)
        transaction._wechatpay_prepare("native")
        self.assertTrue(transaction.wechatpay_code_url)

    def test_too_many_requests_are_not_repeated_at_once(self):
        transaction = self._transaction()
        self.simulator.fault(
            ORDERS,
            "error",
            values={"status": 429, "code": "FREQUENCY_LIMITED", "message": "slow down"},
        )
        with self.assertRaisesRegex(ValidationError, "FREQUENCY_LIMITED"):
            transaction._wechatpay_prepare("native")
        self.assertEqual(len(self.simulator.requests()), 1)

    # === Queries ===

    def _paid_unheard(self):
        transaction = self._order()
        self.simulator.pay(transaction.reference, notify=False)
        return transaction

    def _test_query(self, kind, **values):
        """A query's answer that is not proven, or another's, changes nothing; the next one does."""
        transaction = self._paid_unheard()
        self.simulator.fault(QUERY, kind, **values)
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "draft")
        self.assertGreater(transaction.wechatpay_next_query_at, fields.Datetime.now())
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "done")

    def test_a_query_without_answer(self):
        for kind in ("drop", "status500", "not_json"):
            self._test_query(kind)

    def test_a_query_whose_answer_is_not_proven(self):
        for kind in ("other_key", "forged", "missing_signature", "old_timestamp", "changed_body"):
            self._test_query(kind)

    def test_a_query_whose_answer_is_about_something_else(self):
        for kind in ("wrong_merchant", "wrong_app", "wrong_order"):
            self._test_query(kind)

    @mute_logger(TRANSACTION)
    def test_a_query_with_another_amount_also_the_second_time(self):
        transaction = self._paid_unheard()
        for _query in range(2):
            self.simulator.fault(QUERY, "wrong_amount")
            answer = transaction._wechatpay_query()
            transaction._process("wechatpay", answer)
            self.assertEqual(transaction.state, "error")

    def test_an_unknown_order_before_its_expiry_is_waited_for(self):
        transaction = self._transaction()
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "draft")

    def test_an_unknown_order_that_is_not_proven_is_not_canceled(self):
        transaction = self._transaction()
        transaction.wechatpay_expires_at = fields.Datetime.now()
        self.simulator.fault(QUERY, "missing_signature")
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "draft")
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "cancel")

    def test_a_close_without_answer_is_tried_again(self):
        transaction = self._order()
        transaction.wechatpay_expires_at = fields.Datetime.now()
        self.simulator.fault(f"{QUERY}*/close", "drop", times=2)
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "draft")
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "cancel")

    # === Clocks ===

    def test_clocks_ten_minutes_apart(self):
        """Nothing is believed meanwhile, and nothing is lost: once mended, the query finds it."""
        transaction = self._paid_unheard()
        self.simulator.control("clock", offset_seconds=600)
        self.assertEqual(self._notify(order=transaction.reference).status_code, 401)
        with self.assertRaisesRegex(ValidationError, "clocks"):
            self._transaction()._wechatpay_prepare("native")
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "draft")
        self.simulator.control("clock", offset_seconds=0)
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "done")
