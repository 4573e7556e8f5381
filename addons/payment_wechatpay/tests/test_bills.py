"""Bill files through the gateway."""

import time
from datetime import UTC, datetime, timedelta, timezone

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ..wechatpay_v3.bills import FundRow, TradeRow
from .common import WechatpayCommon

BEIJING = timezone(timedelta(hours=8))


@tagged("post_install", "-at_install")
class TestBills(WechatpayCommon):
    def setUp(self):
        super().setUp()
        self.merchant_id = f"19{int(time.monotonic() * 1000) % 10**8:08d}"
        self._use_merchant(self.merchant_id)
        self.day = datetime.now(UTC).astimezone(BEIJING).date()

    def _publish(self, lines=0):
        self.simulator.control(
            "bills", merchant=self.merchant_id, day=self.day.isoformat(), lines=lines
        )

    def test_a_day_with_a_payment_and_its_refund(self):
        transaction = self._paid()
        refund = transaction._refund(2.34)
        self._publish()
        rows = list(self.provider._wechatpay_bills("trade", self.day))
        self.assertIsInstance(rows[0], TradeRow)
        by_state = {row.trade_state: row for row in rows}
        payment = by_state["SUCCESS"]
        self.assertEqual(
            (payment.order_number, payment.order_amount, payment.transaction_id),
            (transaction.reference, 1234, transaction.provider_reference),
        )
        self.assertEqual(
            (by_state["REFUND"].refund_number, by_state["REFUND"].refund_amount),
            (refund.reference, 234),
        )
        funds = list(self.provider._wechatpay_bills("fund", self.day))
        self.assertIsInstance(funds[0], FundRow)
        amounts = [row.amount for row in funds]
        self.assertIn(1234, amounts)
        self.assertTrue(any(amount < 0 for amount in amounts))

    def test_a_bill_that_does_not_exist(self):
        with self.assertRaisesRegex(ValidationError, "There is no bill"):
            list(self.provider._wechatpay_bills("trade", self.day))

    def test_a_damaged_file(self):
        self._publish(3)
        self.simulator.fault("/v3/billdownload/", "not_json")
        with self.assertRaisesRegex(ValidationError, "damaged"):
            list(self.provider._wechatpay_bills("trade", self.day))
        self.assertEqual(len(list(self.provider._wechatpay_bills("trade", self.day))), 3)

    def test_a_digest_that_is_not_proven(self):
        self._publish(1)
        self.simulator.fault("/v3/bill/", "forged", times=2)
        with self.assertRaisesRegex(ValidationError, "not proven"):
            list(self.provider._wechatpay_bills("trade", self.day))

    def test_many_lines(self):
        self._publish(5000)
        total = sum(row.order_amount for row in self.provider._wechatpay_bills("trade", self.day))
        funds = self.provider._wechatpay_bills("fund", self.day)
        self.assertEqual(total, sum(row.amount for row in funds if row.amount > 0))
