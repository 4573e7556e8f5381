"""Orders nobody told us about: asked with growing pauses, closed at their expiry, never lost."""

from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from .common import AlipayCommon


@tagged("post_install", "-at_install")
class TestQuery(AlipayCommon):
    """The cron and the waiting page ask the gateway."""

    def run_cron(self):
        """Run the cron's work."""
        self.env.ref("payment_alipay_cn.cron_query").method_direct_trigger()

    def expire(self, tx):
        """Let the order's time to pay be over, here; the gateway keeps its own clock."""
        tx.alipay_cn_expires_at = fields.Datetime.now() - timedelta(seconds=1)
        tx.alipay_cn_next_query_at = fields.Datetime.now()

    def test_pauses_grow_from_fifteen_seconds_to_an_hour_and_meet_the_expiry(self):
        tx = self.opened_order()
        tx.alipay_cn_expires_at = fields.Datetime.now() + timedelta(days=1)
        pauses = []
        for _check in range(10):
            before = fields.Datetime.now()
            tx._alipay_cn_check()
            pauses.append(round((tx.alipay_cn_next_query_at - before).total_seconds() / 15) * 15)
        self.assertEqual(pauses, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600])
        tx.alipay_cn_expires_at = fields.Datetime.now() + timedelta(minutes=2)
        tx._alipay_cn_check()
        self.assertEqual(tx.alipay_cn_next_query_at, tx.alipay_cn_expires_at)

    def test_placing_the_order_wakes_the_cron(self):
        tx = self.opened_order()
        triggers = self.env["ir.cron.trigger"].search(
            [("cron_id", "=", self.env.ref("payment_alipay_cn.cron_query").id)]
        )
        self.assertIn(tx.alipay_cn_next_query_at, triggers.mapped("call_at"))

    def test_lost_notification_is_made_good_by_the_cron(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay", notify=False)
        tx.alipay_cn_next_query_at = fields.Datetime.now()
        self.run_cron()
        self.assertEqual(tx.state, "done")
        self.assertFalse(tx.alipay_cn_next_query_at)

    def test_order_is_not_asked_before_its_time_nor_after_its_end(self):
        tx = self.opened_order()
        self.run_cron()
        self.assertEqual(self.simulator.calls(), 1, "the browser's visit alone")
        self.notify_paid(tx)
        self.assertFalse(tx.alipay_cn_next_query_at)

    def notify_paid(self, tx):
        self.simulator.order(tx.reference, "pay")
        self.notify(tx)

    def test_expiry_closes_the_order_at_the_gateway_and_here(self):
        tx = self.opened_order()
        self.expire(tx)
        self.run_cron()
        self.assertEqual(self.simulator.order(tx.reference)["state"], "closed")
        self.assertEqual(tx.state, "cancel")
        self.assertFalse(tx.alipay_cn_next_query_at)

    def test_expiry_of_an_order_whose_page_was_never_opened(self):
        tx = self.order()
        self.open_pay_page(tx)
        self.expire(tx)
        self.run_cron()
        self.assertEqual((tx.state, tx.state_message), ("cancel", "Nobody paid in time."))

    def test_paid_while_it_expires_is_done(self):
        tx = self.opened_order()
        self.expire(tx)
        self.simulator.order(tx.reference, "pay", notify=False)
        self.run_cron()
        self.assertEqual(tx.state, "done")

    def test_paid_between_the_query_and_the_closing_is_done(self):
        tx = self.opened_order()
        self.expire(tx)
        self.simulator.fault(
            "error",
            path="/gateway.do/alipay.trade.close",
            values={"code": "40004", "sub_code": "ACQ.TRADE_STATUS_ERROR"},
        )
        self.run_cron()
        self.assertEqual(tx.state, "draft", "refused closing: asked again, not cancelled")
        self.simulator.order(tx.reference, "pay", notify=False)
        tx._alipay_cn_check()
        self.assertEqual(tx.state, "done")

    def test_outage_cancels_nothing_even_after_the_expiry(self):
        tx = self.opened_order()
        for kind in ("drop", "status500", "not_json", "other_key", "forged", "missing_signature"):
            self.expire(tx)
            self.simulator.fault(kind, times=2)
            with self.quiet():
                self.run_cron()
            self.simulator.reset()
            self.assertEqual(tx.state, "draft", kind)
            self.assertGreater(tx.alipay_cn_next_query_at, fields.Datetime.now())

    def test_answer_about_another_order_or_amount(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay", notify=False)
        self.simulator.fault("wrong_order")
        with self.quiet():
            tx._alipay_cn_check()
        self.assertEqual(tx.state, "draft")
        for _answer in range(2):
            self.simulator.fault("wrong_amount")
            tx._alipay_cn_check_order()
            self.assertEqual(tx.state, "error")
        tx._alipay_cn_check_order()
        self.assertEqual(tx.state, "done")

    def test_late_payment_is_kept_and_told(self):
        tx = self.opened_order()
        tx._set_canceled()
        self.notify_paid(tx)
        self.assertEqual(tx.state, "done")
        self.assertIn("already cancelled. It was kept", tx.state_message)
        self.assertFalse(tx.child_transaction_ids)
        self.notify(tx)
        self.assertFalse(tx.child_transaction_ids)

    def test_late_payment_is_refunded_by_the_setting(self):
        self.provider.alipay_cn_late_payment = "refund"
        tx = self.opened_order()
        tx._set_canceled()
        self.notify_paid(tx)
        self.notify(tx)
        self.assertEqual(tx.state, "done")
        refund = tx.child_transaction_ids
        self.assertEqual((len(refund), refund.amount), (1, -88.88))
        self.run_cron()
        self.assertEqual(refund.state, "done")
        self.assertEqual(self.simulator.order(tx.reference)["refunded"], 8888)
        self.assertFalse(refund.alipay_cn_next_query_at)

    def test_payment_that_went_back_entirely_before_we_heard_of_it(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay")
        paid = self.notification(tx)
        number = f"E_{tx.reference}"
        self.provider._alipay_cn_call(
            "alipay.trade.refund",
            {"out_trade_no": tx.reference, "out_request_no": number, "refund_amount": "88.88"},
        )
        wanted = {"refund": number}
        refunded = self.simulator.control("notifications/make", wanted)["notifications"][0]
        with self.quiet():
            self.assertEqual(self.deliver(refunded).text, "success")
        self.assertEqual(tx.state, "cancel")
        self.provider.alipay_cn_late_payment = "refund"
        self.assertEqual(self.deliver(paid).text, "success")
        tx.invalidate_recordset()
        self.assertEqual((tx.state, tx.child_transaction_ids.ids), ("cancel", []))

    def test_provider_switched_to_another_application_asks_nobody_and_cancels_nothing(self):
        tx = self.opened_order()
        app_id, seller_id = "2021000000000005", "2088000000000005"
        side = self.register_at_simulator(app_id=app_id, seller_id=seller_id)
        self.provider.write(
            {
                "alipay_cn_app_id": app_id,
                "alipay_cn_seller_id": seller_id,
                "alipay_cn_public_key": side["alipay_public_key"],
            }
        )
        self.expire(tx)
        calls = self.simulator.calls()
        with self.quiet() as logs:
            self.run_cron()
        self.assertIn("was placed by application 2021000000000001", logs.output[0])
        self.assertEqual((tx.state, self.simulator.calls()), ("draft", calls))

    def test_disabled_provider_still_asks_the_gateway_of_its_open_orders(self):
        tx = self.opened_order()
        self.provider.write({"state": "disabled", "alipay_cn_test_address": False})
        self.simulator.order(tx.reference, "pay", notify=False)
        tx._alipay_cn_check()
        self.assertEqual(tx.state, "done")

    def test_cron_takes_one_after_the_other_though_one_fails(self):
        broken, whole = self.opened_order(), self.opened_order()
        for tx in broken + whole:
            self.simulator.order(tx.reference, "pay", notify=False)
            self.expire(tx)
        broken.alipay_cn_next_query_at -= timedelta(minutes=1)
        self.simulator.fault("drop", times=2)
        with self.quiet():
            self.run_cron()
        self.assertEqual((broken.state, whole.state), ("draft", "done"))
