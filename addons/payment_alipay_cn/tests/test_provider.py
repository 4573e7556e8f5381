"""Enabling the provider: each wrong value is named in a sentence before a payer meets it."""

import logging
import os
import pathlib
import tempfile
from unittest.mock import patch

from cryptography.hazmat.primitives import serialization
from psycopg2.errors import CheckViolation

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import APP, SELLER, AlipayCommon, bare_public, pem, rsa_key

PKCS1 = serialization.PrivateFormat.TraditionalOpenSSL


@tagged("post_install", "-at_install")
class TestProvider(AlipayCommon):
    """Credentials and settings."""

    def refuse(self, sentence, **values):
        """Assert that enabling with these values is refused by a sentence."""
        with self.assertRaisesRegex(ValidationError, sentence), self.cr.savepoint():
            self.provider.write({f"alipay_cn_{name}": value for name, value in values.items()})

    def test_private_key_in_every_shape(self):
        key = rsa_key("app")
        pkcs8, pkcs1 = pem(key), pem(key, PKCS1)
        for text in (
            pkcs8,
            pkcs1,
            "".join(pkcs8.splitlines()[1:-1]),
            "".join(pkcs1.splitlines()[1:-1]),
            pkcs8.replace("\n", " "),
            pkcs1.replace("\n", "\r\n"),
        ):
            self.provider.alipay_cn_app_private_key = text
            self.assertTrue(self.order()._alipay_cn_page_link("page"))

    def test_what_is_no_private_key(self):
        refuse = self.refuse
        refuse("Application Private Key.*is no key", app_private_key="not a key!")
        refuse("Application Private Key.*no RSA private key", app_private_key="aGFsbG8=")
        refuse("public key; the private one", app_private_key=bare_public(rsa_key("app")))
        refuse("BEGIN or the END line", app_private_key="-----BEGIN PRIVATE KEY-----")
        encrypted = rsa_key("app").private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
        refuse("protected by a password", app_private_key=encrypted.decode())
        refuse("following fields must be filled", app_private_key=False)

    def test_key_of_another_application(self):
        self.refuse(
            "cannot verify our signature.*Application Private Key",
            app_private_key=pem(rsa_key("other")),
        )

    def test_what_is_no_public_key_of_alipay(self):
        self.refuse("Alipay Public Key” is empty", public_key=False)
        self.refuse("Alipay Public Key.*own public key", public_key=bare_public(rsa_key("app")))
        self.refuse("Alipay Public Key.*no RSA public key", public_key="aGFsbG8=")
        self.refuse("Keep yours secret", public_key=self.private_key)
        self.refuse(
            "not signed with the key in the field “Alipay Public Key”",
            public_key=bare_public(rsa_key("other")),
        )

    def test_application_and_seller_number(self):
        self.refuse("Application ID.*16 digits", app_id="wx1234")
        self.refuse("Seller ID.*16 digits", seller_id="2021000000000001")
        self.refuse("does not know the application", app_id="2021999999999999")

    def test_gateway_address(self):
        self.refuse("Test Gateway.*enter the gateway's address", test_address=False)
        self.refuse("Test Gateway.*enter the gateway's address", test_address="ftp://alipay")
        self.refuse("gives no answer", test_address="http://127.0.0.1:1/gateway.do")
        self.refuse("is not Alipay's gateway", test_address=self.simulator.address + "/cashier")

    def test_live_gateway_when_enabled_and_test_gateway_in_test(self):
        self.assertEqual(self.provider._alipay_cn_gateway(), self.simulator.gateway)
        self.provider.write({"state": "enabled", "alipay_cn_live_address": self.simulator.gateway})
        self.provider.alipay_cn_test_address = "https://nowhere.invalid/gateway.do"
        self.assertEqual(self.provider._alipay_cn_gateway(), self.simulator.gateway)

    def test_clock_ten_minutes_off_is_told(self):
        for offset in (-700, 700):
            self.simulator.control("clock", {"offset_seconds": offset})
            self.refuse("set the server's clock", app_id=APP)

    def test_certificates(self):
        app_id, seller_id = "2021000000000006", "2088000000000006"
        side = self.register_at_simulator(app_id=app_id, seller_id=seller_id, mode="certificate")
        good = {
            "app_id": app_id,
            "seller_id": seller_id,
            "mode": "certificate",
            "app_certificate": side["app_certificate"],
            "alipay_certificate": side["alipay_certificate"],
            "root_certificate": side["root_certificate"],
        }
        self.provider.write({f"alipay_cn_{name}": value for name, value in good.items()})
        self.refuse("Alipay Root Certificate” is empty", root_certificate=False)
        self.refuse("Application Certificate.*no certificate", app_certificate="abc")
        self.refuse("another key than", app_certificate=side["alipay_certificate"])
        self.refuse("your application's own", alipay_certificate=side["app_certificate"])
        other = self.register_at_simulator(
            app_id="2021000000000007",
            seller_id=seller_id,
            mode="certificate",
            certificate_days=[-400, -1],
        )
        self.refuse("ended on", app_certificate=other["app_certificate"])
        early = self.register_at_simulator(
            app_id="2021000000000008",
            seller_id=seller_id,
            mode="certificate",
            certificate_days=[2, 100],
        )
        self.refuse("begins on.*clock", app_certificate=early["app_certificate"])

    def test_renewed_certificate_over_the_same_key_goes_on_working(self):
        app_id, seller_id = "2021000000000009", "2088000000000009"
        self.use_certificates(app_id, seller_id)
        self.simulator.control(f"merchants/{app_id}/keys", {"certificate_only": True})
        self.assertEqual(self.paid_order()._refund(1).state, "done")

    def test_rotated_key_is_told_and_changes_nothing(self):
        app_id, seller_id = "2021000000000010", "2088000000000010"
        side = self.register_at_simulator(app_id=app_id, seller_id=seller_id)
        self.provider.write(
            {
                "alipay_cn_app_id": app_id,
                "alipay_cn_seller_id": seller_id,
                "alipay_cn_public_key": side["alipay_public_key"],
            }
        )
        tx = self.opened_order()
        new = self.simulator.control(f"merchants/{app_id}/keys", {})
        self.simulator.order(tx.reference, "pay")
        calls = self.simulator.calls()
        self.assertEqual(self.notify(tx).status_code, 403)
        self.assertEqual(self.simulator.calls(), calls, "no outgoing call")
        with self.quiet() as logs:
            tx._alipay_cn_check()
        self.assertIn("Alipay Public Key", logs.output[0])
        self.assertEqual(tx.state, "draft")
        self.provider.alipay_cn_public_key = new["alipay_public_key"]
        self.assertEqual(self.notify(tx).text, "success")
        self.assertEqual(tx.state, "done")

    def test_only_yuan_is_offered(self):
        self.assertEqual(self.provider._get_supported_currencies().mapped("name"), ["CNY"])
        self.assertEqual(self.provider.support_refund, "partial")
        offered = self.env["payment.provider"]._get_compatible_providers
        arguments = (self.company_id, self.partner.id, self.amount)
        self.assertIn(self.provider, offered(*arguments, currency_id=self.currency.id))
        self.assertNotIn(self.provider, offered(*arguments, currency_id=self.currency_euro.id))

    def test_expiry_range(self):
        for minutes in (0, 121):
            with self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"), self.cr.savepoint():
                self.provider.alipay_cn_expiry_minutes = minutes
                self.provider.flush_recordset()

    def test_secret_in_a_file_of_the_folder_only(self):
        with tempfile.TemporaryDirectory() as folder:
            secrets = pathlib.Path(folder) / "secrets"
            secrets.mkdir()
            (secrets / "alipay.pem").write_text(self.private_key)
            (pathlib.Path(folder) / "outside.pem").write_text(self.private_key)
            (secrets / "link.pem").symlink_to(pathlib.Path(folder) / "outside.pem")
            with patch.dict(os.environ, {"PAYMENT_SECRETS_DIR": str(secrets)}):
                self.provider.alipay_cn_app_private_key = "file:alipay.pem"
                self.assertTrue(self.order()._alipay_cn_page_link("page"))
                for name in ("../outside.pem", "/etc/hostname", "", ".", "..", "a\\..\\b/../c"):
                    self.refuse("name of one file", app_private_key=f"file:{name}")
                self.refuse("cannot be read", app_private_key="file:link.pem")
                self.refuse("cannot be read", app_private_key="file:absent.pem")
        with patch.dict(os.environ, {"PAYMENT_SECRETS_DIR": ""}):
            self.refuse("PAYMENT_SECRETS_DIR", app_private_key="file:alipay.pem")

    def test_secrets_are_for_system_administrators_only(self):
        name = "alipay_cn_app_private_key"
        field = self.env["payment.provider"]._fields[name]
        self.assertEqual(field.groups, "base.group_system")
        self.assertFalse(field.exportable)
        self.assertFalse(field.copy)
        with self.assertRaises(AccessError):
            self.provider.with_user(self.internal_user).read([name])
        self.assertFalse(self.provider.copy()[name])

    def test_no_secret_in_any_log_or_error(self):
        secret = self.private_key.splitlines()[5]
        buyer = "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5l"
        with self.assertLogs("odoo", logging.DEBUG) as logs:
            self.order()._alipay_cn_client_parameters(buyer_open_id=buyer)
            tx = self.paid_order()
            tx._refund(1)
            self.simulator.fault("not_json", times=2)
            refund = tx._refund(1)
            self.refuse("no RSA private key", app_private_key=secret)
            with self.assertRaises(ValidationError) as refused, self.cr.savepoint():
                self.provider.alipay_cn_app_private_key = self.private_key[:-40]
        told = "\n".join([*logs.output, str(refused.exception), refund.state_message])
        self.assertNotIn(secret, told)
        self.assertNotIn(buyer, told)
        self.assertIn("Sending alipay.trade.refund", told)
        self.assertNotIn(secret, repr(self.provider._alipay_cn_credentials()))
        self.assertNotIn(secret, repr(self.provider._alipay_cn_client()))

    def test_reference_alphabet_length_and_uniqueness(self):
        transactions = self.env["payment.transaction"]
        seen = set()
        for prefix in ("INV/2026/00001", None, "发票 2026", "S" * 200, "a-b|c*d", "R-unknown"):
            for _time in range(3):
                reference = transactions._compute_reference("alipay_cn", prefix=prefix)
                self.assertRegex(reference, r"\A[0-9A-Za-z_]{6,64}\Z")
                seen.add(reference)
        self.assertEqual(len(seen), 18)
        tx = self.order()
        self.assertTrue(tx.reference.startswith("INV_2026_00001_"))
        refund = tx._compute_reference("alipay_cn", prefix=f"R-{tx.reference}")
        self.assertEqual(refund, f"R_{tx.reference}")
        self.assertEqual(transactions._alipay_cn_by_number(tx.reference), tx)

    def test_refused_by_alipay_tells_the_payer_nothing_of_the_inside(self):
        self.provider.alipay_cn_desk_page = "precreate"
        tx = self.order()
        refused = {"code": "40004", "sub_code": "ACQ.TRADE_HAS_CLOSE"}
        self.simulator.fault("error", values=refused)
        with self.quiet() as logs:
            page = self.open_pay_page(tx).text
        self.assertIn("Alipay has closed this order", logs.output[0])
        self.assertNotIn("TRADE_HAS_CLOSE", page)
        self.assertIn('data-state="failed"', page)

    def test_reset_credentials_empties_them_all(self):
        self.provider.action_reset_credentials()
        self.assertEqual(self.provider.state, "disabled")
        for name in ("app_id", "seller_id", "app_private_key", "public_key"):
            self.assertFalse(self.provider[f"alipay_cn_{name}"])

    def test_seller_id_of_the_setting_is_the_one_that_counts(self):
        tx = self.opened_order()
        self.simulator.order(tx.reference, "pay")
        notification = self.notification(tx)
        self.provider.alipay_cn_seller_id = "2088000000000099"
        with self.quiet():
            self.assertEqual(self.deliver(notification).status_code, 403)
        self.provider.alipay_cn_seller_id = SELLER
        self.assertEqual(self.deliver(notification).text, "success")
