"""A simulator of the gateway as a process of its own, and a provider that uses it."""

import json
import logging
import subprocess
import sys
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from odoo.tests import tagged

from odoo.addons.payment.tests.http_common import PaymentHttpCommon

_logger = logging.getLogger(__name__)

MERCHANT_ID = "1900000109"
APP_ID = "wx8888888888888888"
SERIAL = "408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB"
API_V3_KEY = "0123456789abcdefGHIJKLMNOPqrstuv"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
MERCHANT_KEY = rsa.generate_private_key(65537, 2048)


def private_pem(key=MERCHANT_KEY, form="PKCS8"):
    """Return a private key as PEM text."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        getattr(serialization.PrivateFormat, form),
        serialization.NoEncryption(),
    ).decode()


def public_pem(key=MERCHANT_KEY):
    """Return a public key as PEM text."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def certificate_pem(key=MERCHANT_KEY, serial=SERIAL, days=(-10, 10)):
    """Return a self-signed certificate of the key, valid for these days from now."""
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Merchant")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int(serial, 16))
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )


class Simulator:
    """The gateway's process and its control API."""

    def __init__(self):
        folder = next(
            (
                parent / "tests"
                for parent in Path(__file__).resolve().parents
                if (parent / "tests/gateways/wechatpay").is_dir()
            ),
            None,
        )
        if folder is None:
            raise unittest.SkipTest(
                "The gateway simulator (tests/gateways of the repository) is not beside this"
                " add-on: its tests cannot run."
            )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateways.wechatpay", "--port", "0", "--until-stdin-closes"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.address = json.loads(self.process.stdout.readline())["address"]
        self.session = requests.Session()

    def stop(self):
        """End the process."""
        self.session.close()
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def control(self, command, method="POST", **values):
        """Call the control API and return its answer."""
        response = self.session.request(
            method,
            f"{self.address}/_control/{command}",
            json=values if method == "POST" else None,
            timeout=60,
        )
        if not response.ok:
            raise AssertionError(f"{command}: {response.text}")
        return response.json()

    def register(self, merchant_id=MERCHANT_ID, **values):
        """Register a merchant and return the gateway's keys for it."""
        return self.control(
            "merchants",
            **{
                "mchid": merchant_id,
                "appids": [APP_ID],
                "serial_no": SERIAL,
                "public_key": public_pem(),
                "apiv3_key": API_V3_KEY,
                **values,
            },
        )

    def order(self, number):
        """Return the gateway's view of an order."""
        return self.control(f"orders/{number}", "GET")

    def pay(self, number, **values):
        """Pay an order as its payer would."""
        return self.control(f"orders/{number}/pay", **values)

    def make(self, **values):
        """Return one notification that is not sent."""
        (made,) = self.control("notifications/make", **values)["notifications"]
        return made

    def fault(self, path, kind, **values):
        """Have the next answer below a path go wrong."""
        self.control("faults", path=path, kind=kind, **values)

    def requests(self):
        """Return "METHOD path" of what reached the gateway."""
        return [
            f"{entry['method']} {entry['path'].split('?')[0]}"
            for entry in self.control("requests", "GET")["requests"]
        ]


@tagged("post_install", "-at_install")
class WechatpayCommon(PaymentHttpCommon):
    """A provider in the state Test Mode whose gateway is the simulator."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.simulator = Simulator()
        cls.addClassCleanup(cls.simulator.stop)
        cls.simulator.control("notifications/mode", mode="held")
        cls.gateway = cls.simulator.register()
        # Sentences are compared in English, whatever languages the database has.
        cls.env["res.lang"]._activate_lang("en_US")
        cls.currency_yuan = cls._enable_currency("CNY")
        cls.env["ir.config_parameter"].set_param("web.base.url", cls.base_url())
        cls.provider = cls._prepare_provider("wechatpay", update_values=cls._credentials())
        cls.provider.is_published = True
        cls.payment_method = cls.env.ref("payment.payment_method_wechat_pay")
        cls.payment_method_id = cls.payment_method.id
        cls.currency = cls.currency_yuan
        cls.amount = 12.34

    def setUp(self):
        super().setUp()
        self.simulator.control("faults", "DELETE")
        self.simulator.control("clock", offset_seconds=0)
        self.simulator.control("refunds/policy", automatic=True)
        self.simulator.control("requests/clear")

    @classmethod
    def _credentials(cls, **changes):
        return {
            "wechatpay_merchant_id": MERCHANT_ID,
            "wechatpay_app_id": APP_ID,
            "wechatpay_certificate_serial": SERIAL,
            "wechatpay_private_key": private_pem(),
            "wechatpay_api_v3_key": API_V3_KEY,
            "wechatpay_verification": "public_key",
            "wechatpay_public_key_id": cls.gateway["public_key_id"],
            "wechatpay_public_key": cls.gateway["public_key"],
            "wechatpay_test_address": cls.simulator.address,
            **changes,
        }

    def _use_merchant(self, merchant_id, **values):
        """Make the provider another merchant's, which no other test touches."""
        gateway = self.simulator.register(merchant_id, **values)
        self.provider.write(
            {
                "wechatpay_merchant_id": merchant_id,
                "wechatpay_public_key_id": gateway["public_key_id"],
                "wechatpay_public_key": gateway["public_key"],
            }
        )
        return gateway

    def _order(self, trade_type="native", **values):
        """Return a transaction whose order exists at the gateway."""
        transaction = self._transaction(**values)
        transaction._wechatpay_prepare(trade_type, openid=OPENID if trade_type == "jsapi" else None)
        return transaction

    def _transaction(self, **values):
        """Return a transaction that was just begun."""
        document = values.pop("document", "INV/2026/00042")
        reference = self.env["payment.transaction"]._compute_reference("wechatpay", document)
        return self._create_transaction("redirect", **{"reference": reference, **values})

    def _paid(self, **values):
        """Return a transaction that was paid and notified."""
        transaction = self._order(**values)
        self.simulator.pay(transaction.reference, notify=False)
        self.assertEqual(self._notify(order=transaction.reference).status_code, 200)
        self.assertEqual(transaction.state, "done")
        return transaction

    def _notify(self, **values):
        """Make a notification at the gateway and deliver it; return the server's response."""
        return self._deliver(self.simulator.make(**values))

    def _deliver(self, made):
        """Deliver a made notification; return the server's response."""
        return self.url_open(
            made["url"], data=made["body"].encode(), headers=made["headers"], method="POST"
        )

    def _run_query_cron(self):
        """Run the cron as the scheduler does."""
        self.env.ref("payment_wechatpay.cron_query").method_direct_trigger()
