from cryptography.hazmat.primitives.serialization import pkcs12

from odoo.exceptions import UserError
from odoo.tests import HttpCase, tagged

from ..acrel_link.keys.authority import certify_link, make_authority
from ..acrel_link.keys.package import LinkCertificate, Payload, open_with_passphrase
from .key_case import PASSPHRASE, KeyCase


@tagged("post_install", "-at_install")
class TestKeyPackage(KeyCase, HttpCase):
    """The package on its way to the browser."""

    def job(self, kind="issue", payload=None):
        """Return a job whose package waits."""
        job = self.order_under_passphrase(kind)
        self.finish(job, payload)
        return job

    def certificate(self):
        """Return a payload with the link's certificate."""
        authority = make_authority("Test")
        made = certify_link(authority, self.link.serial, 30)
        handed = LinkCertificate(self.link.serial, made.private_pem, made.pem, authority.pem)
        return Payload(certificates=(handed,))

    def test_the_officer_s_browser_fetches_it_once(self):
        job = self.job()
        url = job.action_fetch()["url"]
        self.authenticate("officer", "officer-password")
        answer = self.url_open(url)
        self.assertEqual(answer.status_code, 200)
        self.assertIn("keys.json", answer.headers["Content-Disposition"])
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertTrue(open_with_passphrase(answer.content, PASSPHRASE).links)
        self.assertEqual(self.url_open(url).status_code, 404)

    def test_nobody_else_fetches_it(self):
        job = self.job()
        url = job.action_fetch()["url"]
        self.authenticate("manager", "manager-password")
        self.assertEqual(self.url_open(url).status_code, 404)
        self.authenticate(None, None)
        self.assertNotIn(b"acrel-provisioning-package", self.url_open(url).content)
        self.assertTrue(self.job_row(job)["result"], "it still waits for its officer")

    def test_a_certificate_is_fetched_as_pkcs12(self):
        job = self.job("certificate", self.certificate())
        values = {"job_id": job.id, "passphrase": PASSPHRASE}
        unpack = self.env["acrel.key.unpack"].with_user(self.officer).create(values)
        self.assertFalse(unpack.passphrase)
        url = unpack.action_fetch()["url"]
        self.authenticate("officer", "officer-password")
        answer = self.url_open(url)
        self.assertIn(f"{self.link.serial}.p12", answer.headers["Content-Disposition"])
        key, certificate, [authority] = pkcs12.load_key_and_certificates(
            answer.content, PASSPHRASE.encode()
        )
        certificate.verify_directly_issued_by(authority)
        self.assertEqual(key.public_key(), certificate.public_key())

    def test_another_passphrase_leaves_the_package_as_it_is(self):
        job = self.job("certificate", self.certificate())
        before = bytes(self.job_row(job)["result"])
        with self.assertRaisesRegex(UserError, "passphrase is another one"):
            self.env["acrel.key.unpack"].with_user(self.officer).create(
                {"job_id": job.id, "passphrase": "another passphrase"}
            )
        self.assertEqual(bytes(self.job_row(job)["result"]), before)

    def test_a_package_of_keys_is_no_pkcs12(self):
        job = self.job()
        with self.assertRaisesRegex(UserError, "is of one certificate"):
            self.env["acrel.key.unpack"].with_user(self.officer).create(
                {"job_id": job.id, "passphrase": PASSPHRASE}
            )
