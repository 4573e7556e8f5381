"""What the tests of this add-on share: a merchant at the simulator and a way to be its payer."""

import base64
import functools
import logging
from urllib.parse import parse_qsl, urlsplit

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from odoo.addons.payment.tests.http_common import PaymentHttpCommon

from .simulator import Simulator

DESK = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36"
PHONE = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537"
APP = "2021000000000001"
SELLER = "2088000000000001"


@functools.cache
def rsa_key(_name):
    """Return the RSA key of this name, made once a test process."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key, shape=serialization.PrivateFormat.PKCS8):
    """Return a private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, shape, serialization.NoEncryption()
    ).decode()


def bare_public(key):
    """Return a public key as Alipay's console shows it: base64 in one line."""
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()


class AlipayCommon(PaymentHttpCommon):
    """A provider in test mode at the simulator."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context=dict(cls.env.context, lang="en_US"))
        cls.simulator = Simulator()
        cls.addClassCleanup(cls.simulator.stop)
        cls.private_key = pem(rsa_key("app"))
        cls.alipay = cls.register_at_simulator()
        cls.provider = cls._prepare_provider(
            "alipay_cn",
            update_values={
                "alipay_cn_app_id": APP,
                "alipay_cn_seller_id": SELLER,
                "alipay_cn_app_private_key": cls.private_key,
                "alipay_cn_public_key": cls.alipay["alipay_public_key"],
                "alipay_cn_test_address": cls.simulator.gateway,
                "alipay_cn_mode": "public_key",
                "alipay_cn_desk_page": "page",
                "alipay_cn_expiry_minutes": 15,
                "alipay_cn_late_payment": "keep",
            },
        )
        cls.payment_method = cls.env.ref("payment.payment_method_alipay")
        cls.payment_method_id = cls.payment_method.id
        cls.currency = cls._enable_currency("CNY")
        cls.amount = 88.88
        cls.reference = None

    def setUp(self):
        super().setUp()
        self.simulator.reset()
        # a test's rollback brings credentials back, but not what was cached of them
        self.addCleanup(self.registry.clear_cache)

    @classmethod
    def register_at_simulator(cls, **values):
        """Register the merchant (again), and return the gateway's side."""
        given = {
            "app_id": APP,
            "seller_id": SELLER,
            "name": "岸电充电",
            "public_key": bare_public(rsa_key("app")),
            **values,
        }
        return cls.simulator.control("merchants", given)

    def use_certificates(self, app_id, seller_id):
        """Let the provider be this merchant, who signs and verifies by certificates."""
        side = self.register_at_simulator(app_id=app_id, seller_id=seller_id, mode="certificate")
        self.provider.write(
            {
                "alipay_cn_app_id": app_id,
                "alipay_cn_seller_id": seller_id,
                "alipay_cn_mode": "certificate",
                "alipay_cn_app_certificate": side["app_certificate"],
                "alipay_cn_alipay_certificate": side["alipay_certificate"],
                "alipay_cn_root_certificate": side["root_certificate"],
            }
        )

    def order(self, **values):
        """Return a draft transaction, as the payment form creates it."""
        transactions = self.env["payment.transaction"]
        values.setdefault("provider_id", self.provider.id)
        values.setdefault(
            "reference", transactions._compute_reference("alipay_cn", prefix="INV/2026/00001")
        )
        return self._create_transaction("redirect", **values)

    def open_pay_page(self, tx, agent=DESK):
        """Open the payer's page; redirections are not followed."""
        rendered = tx._get_processing_values()["redirect_form_html"]
        form = self._extract_values_from_html_form(rendered)
        return self.url_open(
            f"{form['action']}?access_token={form['inputs']['access_token']}",
            headers={"User-Agent": agent},
            allow_redirects=False,
        )

    def visit_cashier(self, link):
        """Be the payer's browser at Alipay's page."""
        answer = requests.get(link, timeout=10)
        self.assertEqual(answer.status_code, 200, answer.text)
        return answer

    def pay_at_cashier(self, link):
        """Pay at Alipay's page; return the address that Alipay sends the browser to."""
        cashier = self.visit_cashier(link).url
        answer = requests.post(cashier, data={"pay": "1"}, allow_redirects=False, timeout=10)
        return answer.headers["Location"]

    def opened_order(self, **values):
        """Return a transaction whose payer stands at Alipay's page."""
        tx = self.order(**values)
        self.visit_cashier(self.open_pay_page(tx).headers["Location"])
        return tx

    def paid_order(self, **values):
        """Return a transaction that was paid and notified."""
        tx = self.opened_order(**values)
        self.simulator.order(tx.reference, "pay")
        self.assertEqual(self.notify(tx).text, "success")
        self.assertEqual(tx.state, "done")
        return tx

    def notification(self, tx, mutations=(), **values):
        """Return a notification that Alipay signed, not yet sent."""
        wanted = {"order": tx.reference, "mutations": list(mutations), **values}
        return self.simulator.control("notifications/make", wanted)["notifications"][0]

    def deliver(self, notification, path=None):
        """Send a notification to Odoo as Alipay does."""
        return self.url_open(
            path or urlsplit(notification["url"]).path,
            data=notification["body"].encode(),
            headers=notification["headers"],
            method="POST",
        )

    def notify(self, tx, mutations=(), **values):
        """Have Alipay notify Odoo of the order's state; return Odoo's answer."""
        answer = self.deliver(self.notification(tx, mutations, **values))
        tx.invalidate_recordset()
        return answer

    @staticmethod
    def form(notification):
        """Return the parameters of a notification."""
        return dict(parse_qsl(notification["body"], keep_blank_values=True))

    def quiet(self):
        """Catch this add-on's warnings, which the test expects."""
        return self.assertLogs("odoo.addons.payment_alipay_cn", logging.WARNING)
