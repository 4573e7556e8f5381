"""Refunds: done only when the gateway says so, once, within its limits."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import WechatpayCommon

NOTIFY = "odoo.addons.payment_wechatpay.controllers.notify"
TRANSACTION = "odoo.addons.payment_wechatpay.models.payment_transaction"
REFUNDS = "/v3/refund/domestic/refunds"


@tagged("post_install", "-at_install")
class TestRefunds(WechatpayCommon):
    def setUp(self):
        super().setUp()
        self.simulator.control("refunds/policy", automatic=False)
        self.transaction = self._paid()

    def _refund(self, amount=None):
        self.transaction.action_refund(amount)
        return self.transaction.child_transaction_ids.sorted("id")[-1]

    def _finish(self, refund, status="success", **values):
        return self.simulator.control(
            f"refunds/{refund.reference}/finish", status=status, notify=False, **values
        )

    def test_a_full_refund_is_done_by_its_notification(self):
        refund = self._refund()
        self.assertEqual((refund.state, refund.amount), ("pending", -12.34))
        self.assertEqual(refund.reference, f"R-{self.transaction.reference}")
        self._finish(refund)
        self.assertEqual(refund.state, "pending", "only a notification or query ends it")
        for _delivery in range(3):
            self.assertEqual(self._notify(refund=refund.reference).status_code, 200)
        self.assertEqual(refund.state, "done")
        self.assertFalse(refund.wechatpay_next_query_at)
        self.assertEqual(self.transaction.state, "done")

    def test_an_answer_that_says_success_ends_nothing(self):
        self.simulator.control("refunds/policy", automatic=True)
        refund = self._refund()
        self.assertEqual(refund.state, "pending")

    def test_a_refund_is_done_by_a_query(self):
        refund = self._refund(2.34)
        self.assertEqual(refund.amount, -2.34)
        refund._wechatpay_check()
        self.assertEqual(refund.state, "pending")
        self._finish(refund)
        refund.wechatpay_next_query_at = fields.Datetime.now()
        self._run_query_cron()
        self.assertEqual(refund.state, "done")

    def test_partial_refunds_have_numbers_of_their_own(self):
        first, second = self._refund(1), self._refund(2)
        self.assertEqual(second.reference, f"R-{self.transaction.reference}-1")
        for refund in first + second:
            self._finish(refund)
            self.assertEqual(self._notify(refund=refund.reference).status_code, 200)
        self.assertEqual((first + second).mapped("state"), ["done", "done"])
        self.assertEqual(self.simulator.order(self.transaction.reference)["refunded"], 300)

    def test_more_than_was_paid(self):
        with self.assertRaisesRegex(ValidationError, "12.34.*can still be refunded"):
            self._refund(12.35)
        self._refund(10)
        with self.assertRaisesRegex(ValidationError, "2.34.*can still be refunded"):
            self._refund(2.35)
        with self.assertRaisesRegex(ValidationError, "above zero"):
            self._refund(-1)
        self.assertEqual(len(self.transaction.child_transaction_ids), 1)

    def test_the_fifty_first_refund(self):
        for _refund in range(50):
            self.transaction._create_child_transaction(0.1, is_refund=True).state = "done"
        with self.assertRaisesRegex(ValidationError, "50 refunds"):
            self._refund(0.1)

    def test_after_a_year(self):
        self.transaction.wechatpay_paid_at = fields.Datetime.now() - timedelta(days=366)
        with self.assertRaisesRegex(ValidationError, "within one year"):
            self._refund()
        self.transaction.wechatpay_paid_at = fields.Datetime.now() - timedelta(days=364)
        self.assertEqual(self._refund().state, "pending")

    def test_the_gateway_refuses(self):
        """Not enough money in the merchant's account: said, and nothing is taken for refunded."""
        self._use_merchant("1900000302", balance=0)
        self.transaction = self._paid()
        refund = self._refund()
        self.assertEqual(refund.state, "error")
        self.assertIn("NOT_ENOUGH", refund.state_message)
        self._use_merchant("1900000302")
        self.assertEqual(self._refund().state, "pending", "a refused one does not count")

    def test_the_answer_was_lost(self):
        self.simulator.fault(REFUNDS, "drop_after", times=2)
        refund = self._refund()
        self.assertEqual(refund.state, "pending")
        self._finish(refund)
        refund._wechatpay_check()
        self.assertEqual(refund.state, "done")
        self.assertEqual(self.simulator.order(self.transaction.reference)["refunded"], 1234)

    def test_the_request_was_lost(self):
        """The gateway knows nothing of it: it is sent again with the same number."""
        self.simulator.fault(REFUNDS, "drop", times=2)
        refund = self._refund()
        self.assertEqual(refund.state, "pending")
        refund._wechatpay_check()
        self.assertEqual(refund.state, "pending")
        self._finish(refund)
        refund._wechatpay_check()
        self.assertEqual(refund.state, "done")
        self.assertEqual(
            self.simulator.order(self.transaction.reference)["refunds"], [refund.reference]
        )

    def test_a_refusal_that_is_not_proven_ends_nothing(self):
        self.simulator.fault(REFUNDS, "status500", times=2)
        self.assertEqual(self._refund(1).state, "pending")
        self.simulator.fault(REFUNDS, "forged", times=2)
        self.assertEqual(self._refund(1).state, "pending")

    def test_a_closed_refund(self):
        refund = self._refund()
        self._finish(refund, "closed")
        self.assertEqual(self._notify(refund=refund.reference).status_code, 200)
        self.assertEqual(refund.state, "cancel")
        self.assertEqual(self._refund().state, "pending")

    def test_an_abnormal_refund_waits_for_a_person(self):
        refund = self._refund()
        told = []
        self.patch(
            self.registry["payment.transaction"],
            "_log_message_on_linked_documents",
            lambda _record, message: told.append(str(message)),
        )
        self._finish(refund, "abnormal")
        for _delivery in range(2):
            self.assertEqual(self._notify(refund=refund.reference).status_code, 200)
        self.assertEqual(refund.state, "pending")
        self.assertEqual(sum("merchant platform" in message for message in told), 1)

    @mute_logger(NOTIFY, TRANSACTION)
    def test_another_refund_amount_also_on_the_second_delivery(self):
        refund = self._refund()
        self._finish(refund)
        for _delivery in range(3):
            response = self._notify(refund=refund.reference, mutations=["wrong_amount"])
            self.assertEqual((response.status_code, refund.state), (400, "error"))
        self.assertEqual(self._notify(refund=refund.reference).status_code, 200)
        self.assertEqual(refund.state, "done")

    @mute_logger(NOTIFY)
    def test_another_merchant_or_order(self):
        refund = self._refund()
        self._finish(refund)
        for mutation, status in (("wrong_merchant", 400), ("wrong_order", 400)):
            response = self._notify(refund=refund.reference, mutations=[mutation])
            self.assertEqual((response.status_code, refund.state), (status, "pending"))

    def test_the_payment_is_notified_again_after_its_refund(self):
        refund = self._refund()
        self._finish(refund)
        self.assertEqual(self._notify(refund=refund.reference).status_code, 200)
        self.assertEqual(self._notify(order=self.transaction.reference).status_code, 200)
        self.assertEqual((self.transaction.state, refund.state), ("done", "done"))
        self.assertEqual(len(self.transaction.child_transaction_ids), 1)

    def test_a_payment_first_seen_when_it_was_refunded_already(self):
        """The query says REFUND: it was paid all the same."""
        self._finish(self._refund())
        self.transaction.state = "draft"
        self.transaction._wechatpay_check()
        self.assertEqual(self.transaction.state, "done")

    def test_a_refund_made_in_the_merchant_platform(self):
        refund = self._refund(3)
        number = refund.reference
        self._finish(refund)
        refund.unlink()
        for _delivery in range(2):
            self.assertEqual(self._notify(refund=number).status_code, 200)
        made = self.transaction.child_transaction_ids
        self.assertEqual((made.reference, made.amount, made.state), (number, -3.0, "pending"))
        made.wechatpay_next_query_at = fields.Datetime.now()
        self._run_query_cron()
        self.assertEqual(made.state, "done", "its own query confirmed it")

    def test_a_refund_that_the_gateway_does_not_know_is_not_counted(self):
        """A proven notification under a number that no query finds."""
        refund = self._refund(3)
        self._finish(refund)
        made = self.simulator.make(refund=refund.reference, mutations=["wrong_order"])
        refund.unlink()
        self.assertEqual(self._deliver(made).status_code, 200)
        foreign = self.transaction.child_transaction_ids
        self.assertEqual(foreign.state, "pending")
        foreign._wechatpay_check()
        self.assertEqual(foreign.state, "cancel")
        posts = [r for r in self.simulator.requests() if r == f"POST {REFUNDS}"]
        self.assertEqual(len(posts), 1, "it is never sent again")

    @mute_logger(NOTIFY)
    def test_a_known_refund_under_another_number(self):
        refund = self._refund(3)
        self._finish(refund)
        self.assertEqual(self._notify(refund=refund.reference).status_code, 200)
        response = self._notify(refund=refund.reference, mutations=["wrong_order"])
        self.assertEqual(response.status_code, 400)
        self.assertEqual(self.transaction.child_transaction_ids, refund)
