"""Bill files from the gateway to typed rows."""

from datetime import date, timedelta

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ..alipay_gateway import BillError
from .common import AlipayCommon


@tagged("post_install", "-at_install")
class TestBills(AlipayCommon):
    """The day's bill."""

    def setUp(self):
        super().setUp()
        # At the gateway it is the last noon in Beijing: no midnight falls into a test.
        beijing = fields.Datetime.now() + timedelta(hours=8)
        noon = beijing.replace(hour=12, minute=0, second=0)
        self.noon = noon if noon <= beijing else noon - timedelta(days=1)
        self.offset = self.noon - beijing
        app_id, seller_id = "2021000000000011", "2088000000000011"
        side = self.register_at_simulator(
            app_id=app_id, seller_id=seller_id, timestamp_tolerance=2 * 86400
        )
        self.provider.write(
            {
                "alipay_cn_app_id": app_id,
                "alipay_cn_seller_id": seller_id,
                "alipay_cn_public_key": side["alipay_public_key"],
            }
        )
        self.simulator.control("clock", {"offset_seconds": self.offset.total_seconds()})

    def published_day(self, lines=0):
        """Have the gateway publish the day's bill already; return the day."""
        day = self.noon.date()
        merchant = self.provider.alipay_cn_app_id
        self.simulator.control(
            "bills", {"merchant": merchant, "day": day.isoformat(), "lines": lines}
        )
        return day

    def test_trade_bill_holds_payment_and_refund_in_fen(self):
        tx = self.paid_order()
        refund = tx._refund(8.88)
        rows = list(self.provider._alipay_cn_bills("trade", self.published_day()))
        mine = {row.is_refund: row for row in rows if row.out_trade_no == tx.reference}
        self.assertEqual(len(mine), 2)
        self.assertEqual(mine[False].amount, 8888)
        self.assertEqual(mine[False].trade_no, tx.provider_reference)
        self.assertEqual(mine[True].amount, -888)
        self.assertEqual(mine[True].refund_request_no, refund.reference)
        age = mine[False].created_at - (self.noon - timedelta(hours=8))
        self.assertLess(abs(age), timedelta(minutes=5), "times are UTC")

    def test_fund_bill_balances(self):
        tx = self.paid_order()
        tx._refund(8.88)
        rows = list(self.provider._alipay_cn_bills("signcustomer", self.published_day()))
        mine = [row for row in rows if row.out_trade_no == tx.reference]
        moved = sum(row.income + row.expense for row in mine)
        self.assertLessEqual(moved, 8000)
        self.assertGreater(moved, 7800, "less Alipay's fee")

    def test_no_bill_or_a_gateway_in_trouble_is_a_sentence(self):
        with self.assertRaisesRegex(ValidationError, "no bill for that day"):
            list(self.provider._alipay_cn_bills("trade", date(2016, 1, 1)))
        with self.assertRaises(ValueError):
            list(self.provider._alipay_cn_bills("unknown", date(2016, 1, 1)))
        day = self.published_day(lines=1)
        self.simulator.control(
            "faults", {"path": "/downloadBillFile.resource", "kind": "status500", "times": 1}
        )
        with self.assertRaisesRegex(ValidationError, "its download failed: HTTP 500"):
            list(self.provider._alipay_cn_bills("trade", day))
        self.simulator.control(
            "faults", {"path": "/downloadBillFile.resource", "kind": "not_json", "times": 1}
        )
        with self.assertRaisesRegex(ValidationError, "it is no ZIP file"):
            list(self.provider._alipay_cn_bills("trade", day))

    def test_download_address_of_alipay_goes_over_https_and_others_are_refused(self):
        safe = self.provider._alipay_cn_safe_address
        self.assertEqual(
            safe("http://dwbillcenter.alipay.com/downloadBillFile.resource?fileId=1"),
            "https://dwbillcenter.alipay.com/downloadBillFile.resource?fileId=1",
        )
        for address in (
            "http://evil.invalid/",
            "http://x@evil.invalid#.alipay.com",
            "file:///a",
            "",
        ):
            with self.assertRaises(BillError):
                safe(address)
