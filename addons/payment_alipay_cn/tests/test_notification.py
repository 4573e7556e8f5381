"""Notifications: only Alipay's, only about this order, each counted once."""

from contextlib import nullcontext

from odoo.tests import tagged

from .common import AlipayCommon


@tagged("post_install", "-at_install")
class TestNotification(AlipayCommon):
    """What arrives at notify_url."""

    def assertRefused(self, mutation, status=403, warned=False):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay", notify=False)
        calls = self.simulator.calls()
        notification = self.notification(tx, [mutation])
        with self.quiet() if warned else nullcontext():
            answer = self.deliver(notification)
        tx.invalidate_recordset()
        self.assertEqual((answer.status_code, answer.text), (status, "failure"))
        self.assertEqual(tx.state, "draft")
        self.assertEqual(self.simulator.calls(), calls, "no call went out")
        self.assertNotIn("session_id", answer.cookies)
        return tx

    def test_wrong_signature(self):
        self.assertRefused("forged")

    def test_missing_signature(self):
        self.assertRefused("missing_signature")

    def test_missing_sign_type(self):
        self.assertRefused("missing_sign_type")

    def test_sign_type_of_the_old_kind(self):
        self.assertRefused("sign_type_rsa")

    def test_signed_by_another_key(self):
        self.assertRefused("other_key")

    def test_a_field_changed_after_signing(self):
        self.assertRefused("changed_body")

    def test_other_application(self):
        self.assertRefused("wrong_app", warned=True)

    def test_other_seller(self):
        self.assertRefused("wrong_merchant", warned=True)

    def test_order_nobody_knows_is_to_be_delivered_again(self):
        self.assertRefused("wrong_order", 404, warned=True)

    def test_not_a_form(self):
        self.assertRefused("not_json")

    def test_provider_that_does_not_exist(self):
        notification = self.notification(self.paid_order())
        answer = self.deliver(notification, "/payment/alipay_cn/notify/99999999")
        self.assertEqual((answer.status_code, answer.text), (404, "failure"))

    def test_provider_of_another_kind(self):
        answer = self.deliver(
            self.notification(self.paid_order()),
            f"/payment/alipay_cn/notify/{self.dummy_provider.id}",
        )
        self.assertEqual((answer.status_code, answer.text), (404, "failure"))

    def test_too_large_a_body_is_not_read(self):
        answer = self.url_open(
            f"/payment/alipay_cn/notify/{self.provider.id}", data={"sign": "a" * 100_000}
        )
        self.assertEqual(answer.status_code, 413)

    def test_wrong_amount_on_the_first_second_and_third_delivery(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay", amount=100)
        for _delivery in range(3):
            self.assertEqual(self.notify(tx).text, "success")
            self.assertEqual(tx.state, "error")
        self.assertIn("Alipay reports 1.0 yuan where 88.88 yuan were ordered", tx.state_message)

    def test_wrong_amount_in_a_signed_notification(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay")
        for _delivery in range(2):
            self.notify(tx, ["wrong_amount"])
            self.assertEqual(tx.state, "error")
        self.notify(tx)
        self.assertEqual(tx.state, "done", "the right one, once it comes, is taken")

    def test_other_currency(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay")
        for _delivery in range(2):
            self.notify(tx, ["wrong_currency"])
            self.assertEqual(tx.state, "error")
        self.assertIn("currency", tx.state_message)

    def test_amount_that_is_none(self):
        tx = self.opened_order()
        for told in ("", "88.888", "NaN", "８８.88", "1e2", "-88.88"):
            tx._process(
                "alipay_cn",
                {
                    "out_trade_no": tx.reference,
                    "trade_status": "TRADE_SUCCESS",
                    "total_amount": told,
                },
            )
            self.assertEqual(tx.state, "error", told)

    def test_fifteen_deliveries_count_once(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay")
        for _delivery in range(15):
            self.assertEqual(self.notify(tx).text, "success")
        self.assertEqual(tx.state, "done")
        self.assertFalse(tx.child_transaction_ids)

    def test_waiting_for_the_payer_is_not_paid(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay")
        self.assertEqual(self.notify(tx, ["waiting"]).text, "success")
        self.assertEqual(tx.state, "draft")

    def test_finished_trade_is_paid(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay")
        self.notify(tx, ["finished"])
        self.assertEqual(tx.state, "done")

    def test_closed_unpaid_order_is_cancelled(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "close")
        [closing] = self.simulator.control(f"notifications?order={tx.reference}")["held"]
        answer = self.delivered_by_alipay(ids=[closing["id"]])
        self.assertEqual([d["accepted"] for d in answer["deliveries"]], [True])
        tx.invalidate_recordset()
        self.assertEqual(tx.state, "cancel")
        self.assertFalse(tx.alipay_cn_next_query_at)

    def delivered_by_alipay(self, **values):
        """Have the simulator itself deliver, over its own connections."""
        with self.allow_requests(all_requests=True):
            return self.simulator.control("notifications/deliver", values)

    def test_two_equal_notifications_at_once_on_two_connections_fifteen_times(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay")
        answer = self.delivered_by_alipay(order=tx.reference, connections=2, times=15)
        self.assertEqual([d["accepted"] for d in answer["deliveries"]], [True] * 30)
        tx.invalidate_recordset()
        self.assertEqual(tx.state, "done")

    def test_old_notification_replayed_after_a_full_refund_changes_nothing(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay")
        old = self.notification(tx)
        self.deliver(old)
        tx.invalidate_recordset()
        refund = tx._refund()
        self.assertEqual(refund.state, "done")
        self.assertEqual(self.deliver(old).text, "success")
        (tx | refund).invalidate_recordset()
        self.assertEqual((tx.state, refund.state), ("done", "done"))
        self.assertEqual(len(tx.child_transaction_ids), 1)

    def test_notification_before_the_answer_to_the_order(self):
        tx = self.order()
        self.simulator.fault("drop_after", times=2)  # the answer to the order never comes
        self.provider.alipay_cn_desk_page = "precreate"
        with self.quiet():
            self.open_pay_page(tx)
        self.simulator.order(tx.reference, "pay")
        self.assertEqual(self.notify(tx).text, "success")
        self.assertEqual(tx.state, "done")

    def test_clock_ten_minutes_off_takes_notifications_all_the_same(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay")
        self.notify(tx, ["future_timestamp"])
        self.assertEqual(tx.state, "done")

    def test_braces_and_markup_in_the_subject(self):
        self.env.company.name = '充电 } {"a": "<b>{{1}}</b>&=/'
        tx = self.paid_order()
        self.assertEqual(self.simulator.order(tx.reference)["refunded"], 0)
        self.assertNotRegex(tx._alipay_cn_subject(), r"[/=&{}<>\"]")

    def test_answers_with_braces_in_a_subject_are_believed(self):
        # an order placed elsewhere under the same merchant: its subject is not ours to clean
        tx = self.order()
        tx._alipay_cn_place("page")
        self.provider._alipay_cn_call(
            "alipay.trade.create",
            {
                "out_trade_no": tx.reference,
                "total_amount": "88.88",
                "subject": 'a } b { "sign":"x" <i>',
                "product_code": "JSAPI_PAY",
                "op_app_id": self.provider.alipay_cn_app_id,
                "buyer_id": "2088102534368455",
            },
        )
        self.simulator.order(tx.reference, "pay", notify=False)
        tx._alipay_cn_check()
        self.assertEqual(tx.state, "done")

    def test_several_companies_with_several_merchants(self):
        company = self.env["res.company"].create({"name": "Second port"})
        other_app, other_seller = "2021000000000002", "2088000000000002"
        side = self.register_at_simulator(app_id=other_app, seller_id=other_seller)
        second = self.provider.copy({"company_id": company.id})
        second.write(
            {
                "alipay_cn_app_id": other_app,
                "alipay_cn_seller_id": other_seller,
                "alipay_cn_app_private_key": self.private_key,
                "alipay_cn_public_key": side["alipay_public_key"],
                "state": "test",
            }
        )
        theirs = self.opened_order(provider_id=second.id)
        ours = self.opened_order()
        self.simulator.order(theirs.reference, "pay")
        notification = self.notification(theirs)
        self.assertIn(f"/notify/{second.id}", notification["url"])
        wrong_address = f"/payment/alipay_cn/notify/{self.provider.id}"
        self.assertEqual(self.deliver(notification, wrong_address).status_code, 403)
        self.assertEqual(self.deliver(notification).text, "success")
        (theirs | ours).invalidate_recordset()
        self.assertEqual((theirs.state, ours.state), ("done", "draft"))
        self.assertEqual(theirs.company_id, company)

    def test_certificate_mode_from_order_to_notification(self):
        app_id, seller_id = "2021000000000003", "2088000000000003"
        self.use_certificates(app_id, seller_id)
        tx = self.paid_order()
        self.assertEqual(tx._refund(10).state, "done")
        self.simulator.control(f"merchants/{app_id}/keys", {})
        rotated = self.opened_order()
        self.simulator.order(rotated.reference, "pay", notify=False)
        with self.quiet() as logs:
            rotated._alipay_cn_check()
        self.assertIn("Alipay signs with another certificate", logs.output[0])
        self.assertEqual(self.notify(rotated).status_code, 403)
        self.assertEqual(rotated.state, "draft")
