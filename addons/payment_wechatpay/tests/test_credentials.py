"""Enabling: every field is proven, and what is wrong is said with the field's name."""

from cryptography.hazmat.primitives.asymmetric import rsa

from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import (
    API_V3_KEY,
    WechatpayCommon,
    certificate_pem,
    private_pem,
    public_pem,
)

CHECK = "odoo.addons.payment_wechatpay.models.payment_provider_check"
OTHER_KEY = rsa.generate_private_key(65537, 2048)


@tagged("post_install", "-at_install")
class TestCredentials(WechatpayCommon):
    def _assert_refused(self, words, **changes):
        with self.assertRaisesRegex(ValidationError, words):
            self.provider.write(self._credentials(state="test", **changes))

    def test_good_ones_make_one_harmless_question(self):
        self.provider.write(self._credentials(state="test"))
        (request,) = self.simulator.requests()
        self.assertRegex(request, "GET /v3/pay/transactions/out-trade-no/check-[0-9a-f]{16}")

    def test_fields_that_are_no_credentials_ask_nothing(self):
        self.provider.write({"wechatpay_late_payment": "refund", "name": "WeChat"})
        self.assertEqual(self.simulator.requests(), [])

    def test_both_forms_of_the_private_key(self):
        for form in ("PKCS8", "TraditionalOpenSSL"):
            self.provider.write(self._credentials(wechatpay_private_key=private_pem(form=form)))
        one_line = private_pem().replace("\n", "")
        self.provider.write(self._credentials(wechatpay_private_key=one_line))

    def test_forms(self):
        for field_name, value, words in (
            ("wechatpay_merchant_id", "19000001O9", "Merchant ID"),
            ("wechatpay_app_id", "8888888888888888", "App ID"),
            ("wechatpay_certificate_serial", "40:8B:07", "Certificate Serial"),
            ("wechatpay_api_v3_key", API_V3_KEY[:-1], "APIv3 Key.*32"),
            ("wechatpay_api_v3_key", "码" * 32, "APIv3 Key.*32"),
            ("wechatpay_private_key", "a secret", "Private Key.*PEM"),
            ("wechatpay_private_key", public_pem(), "Private Key.*another kind"),
            ("wechatpay_public_key_id", "PUB_KEY", "Public Key ID"),
            ("wechatpay_public_key", private_pem(), "WeChat Pay Public Key.*another kind"),
            ("wechatpay_public_key", public_pem(), "your own public key"),
            ("wechatpay_merchant_certificate", public_pem(), "Merchant Certificate"),
            ("wechatpay_test_address", "simulator", "Test Gateway Address"),
        ):
            self._assert_refused(words, **{field_name: value})
        self.assertEqual(self.simulator.requests(), [], "nothing was sent")

    def test_the_test_state_needs_an_address_of_its_own(self):
        self._assert_refused("Test Gateway Address.*no test system", wechatpay_test_address="")

    def test_empty_fields(self):
        self._assert_refused("Merchant ID", wechatpay_merchant_id=False)
        self._assert_refused("Public Key ID", wechatpay_public_key_id=False)
        self._assert_refused("WeChat Pay Public Key.*PEM", wechatpay_public_key=False)

    def test_the_merchants_own_certificate(self):
        self.provider.write(self._credentials(wechatpay_merchant_certificate=certificate_pem()))
        for words, text in (
            ("does not belong", certificate_pem(OTHER_KEY)),
            ("own serial number is ABC", certificate_pem(serial="ABC1234567890123")),
            ("valid from .* Renew", certificate_pem(days=(-20, -10))),
            ("valid from .* Renew", certificate_pem(days=(10, 20))),
        ):
            self._assert_refused(words, wechatpay_merchant_certificate=text)

    def test_a_private_key_that_the_gateway_does_not_know(self):
        self._assert_refused(
            "does not accept this merchant's signature.*Merchant Private Key",
            wechatpay_private_key=private_pem(OTHER_KEY),
        )

    def test_a_merchant_that_the_gateway_does_not_know(self):
        self._assert_refused("Merchant ID", wechatpay_merchant_id="1999999999")

    def test_a_public_key_that_is_not_the_gateways(self):
        self._assert_refused(
            "not proven.*WeChat Pay Public Key", wechatpay_public_key=public_pem(OTHER_KEY)
        )
        self._assert_refused("Public Key ID", wechatpay_public_key_id="PUB_KEY_ID_0000000000")

    def test_an_address_where_nothing_answers(self):
        self._assert_refused(
            "could not be reached at http://127.0.0.1:9",
            wechatpay_test_address="http://127.0.0.1:9",
        )

    def test_an_address_where_something_else_answers(self):
        self._assert_refused(
            "not WeChat Pay", wechatpay_test_address=f"{self.simulator.address}/cashier"
        )

    def test_clocks_ten_minutes_apart(self):
        for offset in (600, -600):
            self.simulator.control("clock", offset_seconds=offset)
            self._assert_refused("clocks .* differ by more than five minutes")

    def test_the_live_state_needs_https(self):
        self.env["ir.config_parameter"].set_param("web.base.url", "http://shop.example.com")
        with self.assertRaisesRegex(ValidationError, "https.*http://shop.example.com"):
            self.provider.write(self._credentials(state="enabled"))

    def test_the_state_chooses_the_address(self):
        self.assertFalse(self._transaction().is_live)
        self.provider.write(
            {
                "wechatpay_live_address": self.simulator.address,
                "wechatpay_test_address": "http://127.0.0.1:9",
                "state": "enabled",
            }
        )
        self.assertEqual(len(self.simulator.requests()), 1)
        self.assertTrue(self._order().wechatpay_code_url)

    def test_an_order_is_asked_for_where_it_was_made(self):
        """Made in the test state, looked at after the provider went live."""
        transaction = self._order()
        self.provider.write({"wechatpay_live_address": self.simulator.address, "state": "enabled"})
        self.env.cr.execute(
            "UPDATE payment_provider SET wechatpay_live_address = 'http://127.0.0.1:9'"
            " WHERE id = %s",
            (self.provider.id,),
        )
        self.provider.invalidate_recordset()
        self.simulator.pay(transaction.reference, notify=False)
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "done")

    def test_resetting_the_credentials_forgets_them(self):
        self.provider.action_reset_credentials()
        self.assertEqual(self.provider.state, "disabled")
        self.assertFalse(self.provider.wechatpay_private_key)
        self.assertFalse(self.provider._wechatpay_verifiers())

    # === Platform certificates ===

    def _certificate_mode(self, merchant_id, **changes):
        gateway = self.simulator.register(merchant_id, mode="certificate")
        self.provider.write(
            self._credentials(
                wechatpay_merchant_id=merchant_id,
                wechatpay_verification="certificate",
                wechatpay_public_key_id=False,
                wechatpay_public_key=False,
                **changes,
            )
        )
        return gateway

    def test_certificates_are_fetched_when_enabled(self):
        gateway = self._certificate_mode("1900000401")
        self.assertEqual(
            list(self.provider._wechatpay_verifiers()), [gateway["certificate_serial"]]
        )
        self.simulator.control("requests/clear")
        transaction = self._paid()
        self.assertTrue(transaction.wechatpay_paid_at)
        self.assertNotIn("GET /v3/certificates", self.simulator.requests())

    def test_a_wrong_apiv3_key_does_not_open_the_certificates(self):
        with self.assertRaisesRegex(ValidationError, "APIv3 Key.*do not open"):
            self._certificate_mode("1900000402", wechatpay_api_v3_key=API_V3_KEY[::-1])

    def test_a_rotated_certificate(self):
        """Its notification fetches nothing; the answer to our own request does."""
        self._certificate_mode("1900000403")
        transaction = self._order()
        self.simulator.pay(transaction.reference, notify=False)
        new = self.simulator.control("merchants/1900000403/keys")
        self.simulator.control("requests/clear")
        self.assertEqual(self._notify(order=transaction.reference).status_code, 401)
        self.assertEqual(self.simulator.requests(), [])
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "done")
        self.assertIn(new["certificate_serial"], self.provider._wechatpay_verifiers())
        self.assertEqual(self._notify(order=transaction.reference).status_code, 200)

    def test_a_platform_certificate_that_expired(self):
        gateway = self._certificate_mode("1900000404")
        transaction = self._order()
        self.simulator.pay(transaction.reference, notify=False)
        expired = certificate_pem(OTHER_KEY, gateway["certificate_serial"], days=(-20, -10))
        self.provider.wechatpay_platform_certificates = expired
        response = self._notify(order=transaction.reference)
        self.assertEqual((response.status_code, transaction.state), (401, "draft"))
        self.assertIn("expired", response.json()["message"])
        transaction._wechatpay_check()
        self.assertEqual(transaction.state, "done", "our own query fetched the new one")

    def test_the_daily_job_fetches(self):
        gateway = self._certificate_mode("1900000405")
        self.provider.wechatpay_platform_certificates = certificate_pem(OTHER_KEY)
        self.provider._cron_wechatpay_certificates()
        self.assertEqual(
            list(self.provider._wechatpay_verifiers()), [gateway["certificate_serial"]]
        )
        self.simulator.fault("/v3/certificates", "drop", times=2)
        with self.assertLogs(CHECK, "WARNING") as logs:
            self.provider._cron_wechatpay_certificates()
        self.assertIn("could not be reached", logs.output[0])

    def test_a_list_of_certificates_signed_by_another_key(self):
        self.simulator.fault("/v3/certificates", "other_key", times=2)
        with self.assertRaisesRegex(ValidationError, "not proven"), mute_logger(CHECK):
            self._certificate_mode("1900000406")
