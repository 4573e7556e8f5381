"""Refunds: done only when Alipay says so, and counted once."""

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import tagged

from .common import AlipayCommon


@tagged("post_install", "-at_install")
class TestRefund(AlipayCommon):
    """Money goes back."""

    def check(self, refund):
        """Do what the cron does when the refund's time has come."""
        refund._alipay_cn_check()

    def test_partial_refunds_up_to_the_whole(self):
        tx = self.paid_order()
        first = tx._refund(30)
        second = tx._refund(58.88)
        self.assertEqual((first.state, second.state), ("done", "done"))
        self.assertEqual(first.reference, f"R_{tx.reference}")
        self.assertEqual(second.reference, f"R_{tx.reference}_1")
        self.assertEqual(self.simulator.order(tx.reference)["refunded"], 8888)
        self.assertEqual(tx.state, "done")
        self.assertFalse((first | second).filtered("alipay_cn_next_query_at"))

    def test_above_the_paid_amount_is_refused_before_a_refund_exists(self):
        tx = self.paid_order()
        tx._refund(80)
        with self.assertRaisesRegex(ValidationError, r"only.*8\.88.*left"):
            tx._refund(8.89)
        self.assertEqual(len(tx.child_transaction_ids), 1)
        self.assertEqual(self.simulator.order(tx.reference)["refunded"], 8000)

    def test_answer_without_moved_money_stays_pending_until_the_query(self):
        tx = self.paid_order()
        self.simulator.control("refunds/policy", {"automatic": False})
        refund = tx._refund(10)
        self.assertEqual(refund.state, "pending")
        self.assertTrue(refund.alipay_cn_next_query_at)
        self.check(refund)
        self.assertEqual(refund.state, "pending", "asked again, still not done")
        self.simulator.control(f"refunds/{refund.reference}/finish", {"status": "success"})
        self.check(refund)
        self.assertEqual(refund.state, "done")
        self.assertEqual(self.simulator.order(tx.reference)["refunded"], 1000)

    def test_notification_finishes_it(self):
        tx = self.paid_order()
        self.simulator.control("refunds/policy", {"automatic": False})
        refund = tx._refund(10)
        self.simulator.control(f"refunds/{refund.reference}/finish", {"status": "success"})
        calls = self.simulator.calls()
        for _delivery in range(3):
            self.assertEqual(self.refund_notified(refund).text, "success")
            self.assertEqual((tx.state, refund.state), ("done", "done"))
        self.assertEqual(self.simulator.calls(), calls, "a notification makes no call")

    def refund_notified(self, refund):
        wanted = {"refund": refund.reference}
        notification = self.simulator.control("notifications/make", wanted)["notifications"][0]
        answer = self.deliver(notification)
        (refund | refund.source_transaction_id).invalidate_recordset()
        return answer

    def test_notification_and_answer_together_count_once(self):
        tx = self.paid_order()
        refund = tx._refund(10)
        self.assertEqual(refund.state, "done")
        self.assertEqual(self.refund_notified(refund).text, "success")
        self.assertEqual(len(tx.child_transaction_ids), 1)
        self.assertEqual(refund.state, "done")

    def test_notification_whose_sum_does_not_come_out_has_the_query_decide(self):
        tx = self.paid_order()
        self.refund_elsewhere(tx)
        self.simulator.control("refunds/policy", {"automatic": False})
        refund = tx._refund(10)
        self.simulator.control(f"refunds/{refund.reference}/finish", {"status": "success"})
        self.refund_notified(refund)
        self.assertEqual(refund.state, "pending")
        self.check(refund)
        self.assertEqual(refund.state, "done")

    def refund_elsewhere(self, tx):
        """Refund 5 yuan in the merchant centre; return the refund's number."""
        number = f"E_{tx.reference}"
        self.provider._alipay_cn_call(
            "alipay.trade.refund",
            {"out_trade_no": tx.reference, "out_request_no": number, "refund_amount": "5.00"},
        )
        return number

    def test_refund_made_elsewhere_is_told_once(self):
        tx = self.paid_order()
        wanted = {"refund": self.refund_elsewhere(tx)}
        notification = self.simulator.control("notifications/make", wanted)["notifications"][0]
        with self.quiet() as logs:
            self.assertEqual(self.deliver(notification).text, "success")
            self.assertEqual(self.deliver(notification).text, "success")
        self.assertEqual(len(logs.output), 1)
        self.assertIn("was not made here", logs.output[0])
        self.assertFalse(tx.child_transaction_ids)

    def test_notification_of_a_refund_that_is_not_committed_yet_comes_again(self):
        tx = self.paid_order()
        refund = tx._refund(5)
        number = refund.reference
        wanted = {"refund": number}
        notification = self.simulator.control("notifications/make", wanted)["notifications"][0]
        refund.reference = "hidden"
        self.assertEqual(self.deliver(notification).status_code, 404)
        refund.reference = number
        self.assertEqual(self.deliver(notification).text, "success")

    def test_refund_whose_own_transaction_got_lost_is_told_after_ten_minutes(self):
        tx = self.paid_order()
        number = f"R_{tx.reference}"
        self.provider._alipay_cn_call(
            "alipay.trade.refund",
            {"out_trade_no": tx.reference, "out_request_no": number, "refund_amount": "5.00"},
        )
        wanted = {"refund": number}
        notification = self.simulator.control("notifications/make", wanted)["notifications"][0]
        self.assertEqual(self.deliver(notification).status_code, 404, "it may be on its way")
        later = fields.Datetime.now() + timedelta(minutes=11)
        with patch.object(fields.Datetime, "now", lambda: later), self.quiet() as logs:
            self.assertEqual(self.deliver(notification).text, "success")
        self.assertIn("was not made here", logs.output[0])

    def test_outage_keeps_it_pending_and_the_number_makes_it_count_once(self):
        tx = self.paid_order()
        self.simulator.fault("drop_after", times=2)
        with self.quiet() as logs:
            refund = tx._refund(10)
        self.assertIn("gives no answer", logs.output[0])
        self.assertEqual(refund.state, "pending")
        self.check(refund)
        self.assertEqual(refund.state, "done")
        self.assertEqual(self.simulator.order(tx.reference)["refunded"], 1000)

    def test_lost_answer_is_repeated_once_with_the_same_number(self):
        tx = self.paid_order()
        self.simulator.fault("status500_after")
        refund = tx._refund(10)
        self.assertIn(refund.state, ("pending", "done"))
        self.check(refund)
        self.assertEqual(refund.state, "done")
        self.assertEqual(self.simulator.order(tx.reference)["refunded"], 1000)

    def test_refusal_is_an_error_with_a_sentence(self):
        tx = self.paid_order()
        for sub_code, sentence in (
            ("ACQ.SELLER_BALANCE_NOT_ENOUGH", "holds too little money"),
            ("ACQ.TRADE_NOT_ALLOW_REFUND", "number is limited"),
            ("ACQ.TRADE_HAS_FINISHED", "by another way"),
        ):
            self.simulator.fault("error", values={"code": "40004", "sub_code": sub_code})
            refund = tx._refund(1)
            self.assertEqual(refund.state, "error")
            self.assertIn(sentence, refund.state_message)
            self.assertIn(sub_code, refund.state_message)
        self.assertEqual(self.simulator.order(tx.reference)["refunded"], 0)

    def test_fifty_first_refund(self):
        tx = self.paid_order()
        for number in range(50):
            self.provider._alipay_cn_call(
                "alipay.trade.refund",
                {
                    "out_trade_no": tx.reference,
                    "out_request_no": f"E{number}_{tx.reference}",
                    "refund_amount": "0.01",
                },
            )
        last = tx._refund(0.01)
        self.assertEqual(last.state, "error")
        self.assertIn("number is limited", last.state_message)

    def test_after_a_year(self):
        app_id, seller_id = "2021000000000004", "2088000000000004"
        side = self.register_at_simulator(
            app_id=app_id, seller_id=seller_id, timestamp_tolerance=10**9
        )
        self.provider.write(
            {
                "alipay_cn_app_id": app_id,
                "alipay_cn_seller_id": seller_id,
                "alipay_cn_public_key": side["alipay_public_key"],
            }
        )
        tx = self.paid_order()
        self.simulator.control("clock", {"offset_seconds": 367 * 86400})
        refund = tx._refund(1)
        self.assertEqual(refund.state, "error")
        self.assertIn("(a year, or less by contract)", refund.state_message)

    def test_answer_signed_by_another_key_changes_nothing(self):
        tx = self.paid_order()
        for kind in ("other_key", "forged", "missing_signature", "not_json", "wrong_order"):
            self.simulator.control("refunds/policy", {"automatic": False})
            self.simulator.fault(kind, times=1)
            with self.quiet():
                refund = tx._refund(1)
            self.assertEqual(refund.state, "pending", kind)

    def test_refund_from_the_backend_by_its_button(self):
        tx = self.paid_order()
        tx.with_user(self.admin_user).sudo().action_refund(amount_to_refund=8.88)
        self.assertEqual(tx.child_transaction_ids.amount, -8.88)
        self.assertEqual(tx.child_transaction_ids.state, "done")
