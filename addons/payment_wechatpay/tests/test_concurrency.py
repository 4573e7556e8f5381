"""Real connections that bring the same money at the same time."""

from functools import partial
from unittest.mock import patch

from odoo import SUPERUSER_ID, api, fields
from odoo.exceptions import ValidationError
from odoo.service.model import retrying
from odoo.sql_db import db_connect
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger

FEN = 1234


@tagged("post_install", "-at_install")
class TestConcurrency(TransactionCase):
    """Orders are committed and removed again; the test's own transaction is empty.

    What is delivered is the verified content of notifications, as the controller hands it on: the
    way from the wire to there is tried in the other tests.
    """

    def setUp(self):
        super().setUp()
        with self.connection() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            provider = env["payment.provider"].search([("code", "=", "wechatpay")], limit=1)
            yuan = env.ref("base.CNY")
            partner = env["res.partner"].create({"name": "Racing payer"})
            order = env["payment.transaction"].create(
                {
                    "provider_id": provider.id,
                    "payment_method_id": env.ref("payment.payment_method_wechat_pay").id,
                    "amount": FEN / 100,
                    "currency_id": yuan.id,
                    "partner_id": partner.id,
                    "operation": "online_redirect",
                }
            )
            self.ids = {"order": order.id, "partner": partner.id, "provider": provider.id}
            self.old_values = {
                "wechatpay_merchant_id": provider.wechatpay_merchant_id,
                "wechatpay_app_id": provider.wechatpay_app_id,
                "wechatpay_late_payment": provider.wechatpay_late_payment,
            }
            provider.write(
                {"wechatpay_merchant_id": "1900000109", "wechatpay_app_id": "wx8888888888888888"}
            )
            self.reference = order.reference
        self.addCleanup(self.clean)

    def connection(self):
        return db_connect(self.env.cr.dbname).cursor()

    def clean(self):
        with self.connection() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            cr.execute(
                "DELETE FROM payment_transaction WHERE source_transaction_id = %(order)s", self.ids
            )
            cr.execute("DELETE FROM payment_transaction WHERE id = %(order)s", self.ids)
            env["payment.provider"].browse(self.ids["provider"]).write(self.old_values)
            env["res.partner"].browse(self.ids["partner"]).unlink()

    def paid_data(self, fen=FEN):
        return {
            "mchid": "1900000109",
            "appid": "wx8888888888888888",
            "out_trade_no": self.reference,
            "transaction_id": "4200000000202611220000000001",
            "trade_state": "SUCCESS",
            "success_time": "2026-11-22T12:00:00+08:00",
            "amount": {"total": fen, "currency": "CNY"},
        }

    def deliver(self, env, data):
        """Do what the controller does with verified data; tell whether this one confirmed."""
        transactions = env["payment.transaction"]
        order = transactions.search([("reference", "=", self.reference)])
        order._wechatpay_lock()
        before = order.state
        order._process("wechatpay", data)
        return before != "done" and order.state == "done"

    def at_once(self, *calls):
        """Run each function on a connection of its own whose snapshot is older than all effects.

        One after the other, since a test's threads cannot load the registry; what decides is that
        none of the connections can see what the others did until it is made to begin anew.
        """
        envs = []
        for _call in calls:
            cr = self.connection()
            self.addCleanup(cr.close)
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["payment.transaction"].browse(self.ids["order"]).read(["state"])
            envs.append(env)
        with patch("odoo.service.model.random.uniform", return_value=0):  # no pause before a retry
            return [
                retrying(partial(call, env), env) for call, env in zip(calls, envs, strict=True)
            ]

    def stored(self, *names):
        with self.connection() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            order = env["payment.transaction"].browse(self.ids["order"])
            return tuple(order[name] for name in names), len(order.child_transaction_ids)

    @mute_logger("odoo.sql_db", "odoo.service.model")
    def test_two_equal_notifications_at_the_same_instant(self):
        data = self.paid_data()
        results = self.at_once(*[partial(self.deliver, data=data)] * 4)
        self.assertEqual(sorted(results), [False, False, False, True])
        self.assertEqual(self.stored("state"), (("done",), 0))

    @mute_logger("odoo.sql_db", "odoo.service.model")
    def test_a_notification_and_the_browsers_query_together(self):
        """The query's answer is there already; both bring it in."""

        def query(env):
            order = env["payment.transaction"].browse(self.ids["order"])
            before = order.state
            order._wechatpay_act_on(self.paid_data())
            return before != "done" and order.state == "done"

        results = self.at_once(partial(self.deliver, data=self.paid_data()), query, query)
        self.assertEqual(self.stored("state"), (("done",), 0))
        self.assertIn(True, results)

    @mute_logger("odoo.sql_db", "odoo.service.model")
    def test_a_notification_and_the_cancellation_together(self):
        """Whoever is first: the money is kept, by the setting for late payments."""

        def cancel(env):
            env["payment.transaction"].browse(self.ids["order"])._wechatpay_cancel()
            return False

        self.at_once(partial(self.deliver, data=self.paid_data()), cancel)
        self.assertEqual(self.stored("state"), (("done",), 0))

    @mute_logger("odoo.sql_db", "odoo.service.model")
    def test_equal_late_payments_are_refunded_once(self):
        with self.connection() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["payment.transaction"].browse(self.ids["order"])._set_canceled()
            provider = env["payment.provider"].browse(self.ids["provider"])
            provider.wechatpay_late_payment = "refund"
        self.at_once(*[partial(self.deliver, data=self.paid_data())] * 3)
        self.assertEqual(self.stored("state"), (("done",), 1))

    @mute_logger("odoo.sql_db", "odoo.service.model")
    def test_the_payment_again_and_its_refund_together(self):
        self.at_once(partial(self.deliver, data=self.paid_data()))
        with self.connection() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            order = env["payment.transaction"].browse(self.ids["order"])
            refund = order._create_child_transaction(1.0, is_refund=True)
            refund._set_pending()
            number, refund_id = refund.reference, refund.id
        told = {
            "mchid": "1900000109",
            "out_trade_no": self.reference,
            "out_refund_no": number,
            "refund_id": "50000000002026112200000001",
            "refund_status": "SUCCESS",
            "amount": {"total": FEN, "refund": 100},
        }

        def refunded(env):
            refund = env["payment.transaction"].browse(refund_id)
            (refund.source_transaction_id | refund)._wechatpay_lock()
            before = refund.state
            refund._process("wechatpay", told)
            return before != "done" and refund.state == "done"

        results = self.at_once(refunded, refunded, partial(self.deliver, data=self.paid_data()))
        self.assertEqual(sorted(results), [False, False, True])
        with self.connection() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            refund = env["payment.transaction"].browse(refund_id)
            self.assertEqual((refund.state, refund.amount), ("done", -1.0))
            self.assertLessEqual(refund.last_state_change, fields.Datetime.now())

    @mute_logger("odoo.sql_db", "odoo.service.model")
    def test_two_partial_refunds_that_do_not_fit_together(self):
        """Who comes second sees the first one's refund and gets the sentence."""
        self.at_once(partial(self.deliver, data=self.paid_data()))

        def refund(env):
            order = env["payment.transaction"].browse(self.ids["order"])
            try:
                order._wechatpay_claim()
                order._wechatpay_check_refundable(8.0)
            except ValidationError as error:
                return error.args[0]
            return order._create_child_transaction(8.0, is_refund=True).reference

        first, second = self.at_once(refund, refund)
        self.assertEqual(first, f"R-{self.reference}")
        self.assertIn("can still be refunded", second)
        self.assertEqual(self.stored("state"), (("done",), 1))
