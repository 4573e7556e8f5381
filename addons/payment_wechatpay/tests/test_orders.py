"""Orders: made once, paid, queried, closed, late."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..wechatpay_v3.numbers import ORDER_NUMBER
from .common import APP_ID, OPENID, WechatpayCommon


@tagged("post_install", "-at_install")
class TestOrders(WechatpayCommon):
    def test_a_qr_order_is_what_was_asked_for(self):
        transaction = self._order()
        order = self.simulator.order(transaction.reference)
        self.assertEqual(
            (order["merchant"], order["app"], order["amount"], order["currency"], order["state"]),
            ("1900000109", APP_ID, 1234, "CNY", "open"),
        )
        self.assertEqual(order["qr"], transaction.wechatpay_code_url)
        self.assertEqual(order["expires"], int((transaction.wechatpay_expires_at).timestamp()))
        self.assertTrue(
            order["notify_url"].endswith(f"/payment/wechatpay/notify/{self.provider.id}")
        )

    def test_the_reference_is_a_number_that_tells_its_document(self):
        transaction = self._transaction(document="INV/2026/00042")
        self.assertTrue(ORDER_NUMBER.fullmatch(transaction.reference))
        self.assertTrue(transaction.reference.startswith("INV-2026-00042-"))
        self.assertEqual(
            self.env["payment.transaction"]._search_by_reference(
                "wechatpay", {"out_trade_no": transaction.reference}
            ),
            transaction,
        )
        twin = self._transaction(document="INV/2026/00042")
        self.assertNotEqual(twin.reference, transaction.reference)

    def test_other_providers_keep_their_references(self):
        self.assertEqual(
            self.env["payment.transaction"]._compute_reference("none", "INV/2026/00042"),
            "INV/2026/00042",
        )

    def test_the_same_order_again_asks_the_gateway_nothing_new(self):
        transaction = self._order()
        code = transaction.wechatpay_code_url
        self.simulator.control("requests/clear")
        transaction._wechatpay_prepare("native")
        self.assertEqual(transaction.wechatpay_code_url, code)
        self.assertEqual(self.simulator.requests(), [])

    def test_an_order_whose_answer_was_lost_is_made_again_as_the_same(self):
        transaction = self._transaction()
        self.simulator.fault("/v3/pay/transactions/native", "drop_after")
        transaction._wechatpay_prepare("native")
        self.assertTrue(transaction.wechatpay_code_url)
        self.assertEqual(self.simulator.requests(), ["POST /v3/pay/transactions/native"] * 2)

    def test_an_order_number_that_was_used_for_something_else_is_a_sentence(self):
        transaction = self._order()
        transaction.write({"wechatpay_code_url": False, "amount": 99})
        with self.assertRaisesRegex(ValidationError, "refused"):
            transaction._wechatpay_prepare("native")
        self.assertEqual(self.simulator.order(transaction.reference)["amount"], 1234)

    def test_braces_markup_and_chinese_in_the_names(self):
        self.company.name = '<b>{码头}</b> \\ "电" } & {'
        transaction = self._order(document="<i>{账单}</i>")
        order = self.simulator.order(transaction.reference)
        self.assertEqual(order["subject"], f"{self.company.name} {transaction.reference}")
        self.simulator.pay(transaction.reference, notify=False)
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "done")

    def test_a_long_company_name_is_cut_to_the_allowed_length(self):
        self.company.name = "长" * 200
        transaction = self._order()
        self.assertEqual(len(self.simulator.order(transaction.reference)["subject"]), 127)

    def test_parameters_of_a_mini_program_are_taken_by_the_wallet(self):
        transaction = self._transaction()
        parameters = transaction._wechatpay_client_parameters(OPENID)
        self.assertEqual(parameters["appId"], APP_ID)
        self.simulator.control("client/pay", **parameters)
        self.assertEqual(self.simulator.order(transaction.reference)["state"], "paid")
        self.assertEqual(transaction._wechatpay_check(), None)
        self.assertEqual(transaction.state, "done")

    def test_parameters_again_belong_to_the_same_order(self):
        transaction = self._transaction()
        first = transaction._wechatpay_client_parameters(OPENID)
        second = transaction._wechatpay_client_parameters(OPENID)
        self.assertEqual(first["package"], second["package"])
        with self.assertRaisesRegex(ValidationError, "another WeChat user"):
            transaction._wechatpay_client_parameters("oOtherUser00000000000000000")
        with self.assertRaisesRegex(ValidationError, "openid"):
            self._transaction()._wechatpay_client_parameters("")

    def test_another_app_of_the_merchant(self):
        mini_program = "wx9999999999999999"
        self._use_merchant("1900000303", appids=[APP_ID, mini_program])
        transaction = self._transaction()
        parameters = transaction._wechatpay_client_parameters(OPENID, app_id=mini_program)
        self.assertEqual(parameters["appId"], mini_program)
        self.simulator.control("client/pay", **parameters)
        self.assertEqual(self._notify(order=transaction.reference).status_code, 200)
        self.assertEqual(transaction.state, "done")

    def test_a_phone_order_is_renewed_as_the_same_order(self):
        transaction = self._order("h5")
        first = transaction.wechatpay_h5_url
        transaction.wechatpay_h5_until = fields.Datetime.now()
        transaction._wechatpay_prepare("h5", client_ip="203.0.113.9")
        self.assertTrue(first and transaction.wechatpay_h5_url)
        self.assertEqual(self.simulator.order(transaction.reference)["state"], "open")

    def test_an_order_keeps_to_the_way_it_was_begun(self):
        transaction = self._order("h5")
        with self.assertRaisesRegex(ValidationError, "another way"):
            transaction._wechatpay_prepare("native")

    def test_only_yuan(self):
        self.assertEqual(self.provider.available_currency_ids.mapped("name"), ["CNY"])
        transaction = self._transaction(currency_id=self.currency_euro.id)
        with self.assertRaisesRegex(ValidationError, "yuan"):
            transaction._wechatpay_prepare("native")
        with self.assertRaisesRegex(ValidationError, "0.01"):
            self._transaction(amount=0.0)._wechatpay_prepare("native")

    def test_amounts_are_fen_without_rounding_errors(self):
        for amount, fen in ((0.29, 29), (1.15, 115), (1111.11, 111111), (99999.99, 9999999)):
            self.assertEqual(self._transaction(amount=amount)._wechatpay_fen(), fen)

    # === Notification never came ===

    def test_a_payment_without_notification_is_found_by_the_cron(self):
        transaction = self._order()
        self.simulator.pay(transaction.reference, notify=False)
        self._run_query_cron()
        self.assertEqual(transaction.state, "draft", "15 seconds have not passed")
        transaction.wechatpay_next_query_at = fields.Datetime.now()
        self._run_query_cron()
        self.assertEqual(transaction.state, "done")
        self.assertFalse(transaction.wechatpay_next_query_at)

    def test_queries_back_off_to_an_hour(self):
        self.provider.wechatpay_expiry_minutes = 120
        transaction = self._order()
        now = fields.Datetime.now()
        self.assertAlmostEqual(
            (transaction.wechatpay_next_query_at - now).total_seconds(), 15, delta=3
        )
        waits = []
        for _query in range(10):
            transaction._wechatpay_check()
            wait = transaction.wechatpay_next_query_at - fields.Datetime.now()
            waits.append(round(wait.total_seconds() / 5) * 5)
        self.assertEqual(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600])

    def test_the_expiry_is_a_query_too(self):
        transaction = self._order()
        for _query in range(6):
            transaction._wechatpay_check()
        self.assertLessEqual(
            transaction.wechatpay_next_query_at,
            transaction.wechatpay_expires_at + timedelta(seconds=2),
        )

    # === Expiry ===

    def _expire(self, transaction):
        past = fields.Datetime.now() - timedelta(seconds=1)
        transaction.write({"wechatpay_expires_at": past, "wechatpay_next_query_at": past})

    def test_an_unpaid_order_is_closed_at_its_expiry(self):
        transaction = self._order()
        self._expire(transaction)
        self._run_query_cron()
        self.assertEqual(transaction.state, "cancel")
        self.assertEqual(self.simulator.order(transaction.reference)["state"], "closed")
        self.assertFalse(transaction.wechatpay_next_query_at)

    def test_an_order_that_was_never_made_is_canceled_at_its_expiry(self):
        transaction = self._transaction()
        self._expire(transaction)
        self._run_query_cron()
        self.assertEqual(transaction.state, "cancel")

    def test_an_order_paid_at_the_last_moment_is_not_closed(self):
        transaction = self._order()
        self.simulator.pay(transaction.reference, notify=False)
        self._expire(transaction)
        self._run_query_cron()
        self.assertEqual(transaction.state, "done")

    def test_an_order_that_the_gateway_closed_is_canceled(self):
        transaction = self._order()
        self.simulator.control(f"orders/{transaction.reference}/close")
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "cancel")

    def test_an_expired_order_cannot_be_made(self):
        transaction = self._transaction()
        self._expire(transaction)
        with self.assertRaisesRegex(ValidationError, "time to pay is over"):
            transaction._wechatpay_prepare("native")
        self.assertEqual(self.simulator.requests(), [])

    def test_minutes_to_pay_have_limits(self):
        for minutes in (0, 121, -5):
            with self.assertRaisesRegex(ValidationError, "Minutes to Pay"):
                self.provider.wechatpay_expiry_minutes = minutes

    # === Late payment ===

    def _paid_after_cancellation(self):
        transaction = self._order()
        transaction._set_canceled()
        self.simulator.pay(transaction.reference, notify=False)
        return transaction

    def test_a_late_payment_is_kept(self):
        self.provider.wechatpay_late_payment = "keep"
        transaction = self._paid_after_cancellation()
        self.assertEqual(self._notify(order=transaction.reference).status_code, 200)
        self.assertEqual(transaction.state, "done")
        self.assertFalse(transaction.child_transaction_ids)

    def test_a_late_payment_is_refunded(self):
        self.provider.wechatpay_late_payment = "refund"
        transaction = self._paid_after_cancellation()
        self.simulator.control("requests/clear")
        self.assertEqual(self._notify(order=transaction.reference).status_code, 200)
        self.assertEqual(self.simulator.requests(), [], "nothing goes out while WeChat waits")
        self.assertEqual(transaction.state, "done")
        refund = transaction.child_transaction_ids
        self.assertEqual((refund.state, refund.amount), ("draft", -12.34))
        self.assertEqual(self._notify(order=transaction.reference).status_code, 200)
        self.assertEqual(transaction.child_transaction_ids, refund, "one refund, not two")
        refund.wechatpay_next_query_at = fields.Datetime.now()
        self._run_query_cron()
        self.assertEqual(refund.state, "pending")
        refund.wechatpay_next_query_at = fields.Datetime.now()
        self._run_query_cron()
        self.assertEqual(refund.state, "done")
        self.assertEqual(self.simulator.order(transaction.reference)["refunded"], 1234)

    def test_a_late_payment_that_may_not_be_refunded_is_kept(self):
        self.provider.wechatpay_late_payment = "refund"
        transaction = self._paid_after_cancellation()
        model = self.registry["payment.transaction"]

        def forbid(_self, *_args, **_kwargs):
            raise ValidationError(self.env._("Refund the wallet instead."))

        self.patch(model, "_create_child_transaction", forbid)
        with mute_logger("odoo.addons.payment_wechatpay.models.payment_transaction"):
            self.assertEqual(self._notify(order=transaction.reference).status_code, 200)
        self.assertEqual(transaction.state, "done")
        self.assertFalse(transaction.child_transaction_ids)
