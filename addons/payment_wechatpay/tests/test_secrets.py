"""Secrets: for system administrators only, in no log, readable from files."""

import logging
import os
import tempfile
from pathlib import Path
from unittest.mock import patch

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged

from .common import API_V3_KEY, OPENID, WechatpayCommon, private_pem

NOTIFY = "odoo.addons.payment_wechatpay.controllers.notify"
SECRET_FIELDS = ("wechatpay_private_key", "wechatpay_api_v3_key")


class Recorder(logging.Handler):
    """Keeps every record's text."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.texts = []
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record):
        self.texts.append(self.format(record))


@tagged("post_install", "-at_install")
class TestSecrets(WechatpayCommon):
    def test_only_system_administrators_read_them(self):
        manager = self._create_new_internal_user(login="manager", groups="base.group_erp_manager")
        for user in (manager, self.internal_user, self.portal_user):
            for field_name in (*SECRET_FIELDS, "wechatpay_public_key"):
                with self.assertRaises(AccessError):
                    self.provider.with_user(user).read([field_name])
        self.assertTrue(self.provider.with_user(self.admin_user).read([SECRET_FIELDS[0]]))

    def test_they_are_neither_copied_nor_offered_for_export(self):
        described = self.env["payment.provider"].fields_get(SECRET_FIELDS, ["exportable"])
        copied = self.provider.copy({"name": "Copy"})
        for field_name in SECRET_FIELDS:
            self.assertFalse(described[field_name]["exportable"])
            self.assertFalse(copied[field_name])

    def test_nothing_secret_is_logged(self):
        """A whole life of an order, with faults and refusals, at the level DEBUG."""
        recorder = Recorder()
        root = logging.getLogger()
        quiet = [logging.getLogger(name) for name in ("odoo.sql_db", "odoo.http")]
        root.addHandler(recorder)
        self.addCleanup(root.removeHandler, recorder)
        for name in ("odoo.addons.payment", "odoo.addons.payment_wechatpay", "urllib3", "odoo.api"):
            logger = logging.getLogger(name)
            self.addCleanup(logger.setLevel, logger.level)
            logger.setLevel(logging.DEBUG)
        self.assertTrue(all(logger.propagate for logger in quiet))

        self.provider.write(self._credentials())
        mini_program = self._order("jsapi")
        parameters = mini_program._wechatpay_client_parameters(OPENID)
        transaction = self._order()
        code = transaction.wechatpay_code_url
        prepay_id = mini_program.wechatpay_prepay_id
        self.simulator.pay(transaction.reference, notify=False)
        made = self.simulator.make(order=transaction.reference, mutations=["forged"])
        self._deliver(made)
        with self.assertLogs(NOTIFY, "WARNING") as warnings:
            for mutation in ("aes_tag", "wrong_merchant"):
                self._notify(order=transaction.reference, mutations=[mutation])
        recorder.texts += warnings.output
        for kind in ("status500", "forged", "drop"):
            self.simulator.fault("/v3/", kind)
            transaction._wechatpay_check()
        good = self.simulator.make(order=transaction.reference)
        self._deliver(good)
        transaction._refund(1)
        with self.assertRaises(ValidationError) as error:
            self.provider.wechatpay_private_key = private_pem()[:200]
        with self.assertRaises(ValidationError) as other_error:
            self.provider.wechatpay_api_v3_key = API_V3_KEY + "x"

        text = "\n".join([*recorder.texts, str(error.exception), str(other_error.exception)])
        self.assertIn("WeChat Pay request POST", text)
        body = "".join(private_pem().splitlines()[1:-1])
        for secret in (
            API_V3_KEY,
            body[:40],
            body[200:240],
            "WECHATPAY2-SHA256-RSA2048 mchid",
            parameters["paySign"],
            prepay_id,
            OPENID,
            code,
            good["headers"]["Wechatpay-Signature"],
        ):
            self.assertNotIn(secret, text)

    # === Files ===

    def _with_files(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(lambda: [p.unlink() for p in Path(folder).rglob("*") if not p.is_dir()])
        Path(folder, "key.pem").write_text(private_pem())
        Path(folder, "v3").write_text(API_V3_KEY + "\n")
        patcher = patch.dict(os.environ, {"PAYMENT_SECRETS_DIR": folder})
        patcher.start()
        self.addCleanup(patcher.stop)
        return Path(folder)

    def test_secrets_in_files(self):
        self._with_files()
        self.provider.write(
            self._credentials(wechatpay_private_key="file:key.pem", wechatpay_api_v3_key="file:v3")
        )
        self.assertEqual(self._paid().state, "done")
        self.assertEqual(self.provider.wechatpay_private_key, "file:key.pem")

    def test_no_path_leaves_the_directory(self):
        folder = self._with_files()
        outside = folder.parent / f"{folder.name}-outside"
        outside.write_text(private_pem())
        self.addCleanup(outside.unlink)
        (folder / "link").symlink_to(outside)
        for name in (f"../{outside.name}", str(outside), "", ".", "..", "a/b", "link", "k\x00"):
            with self.assertRaisesRegex(ValidationError, "Merchant Private Key.*without a path"):
                self.provider.wechatpay_private_key = f"file:{name}"
        with self.assertRaisesRegex(ValidationError, "cannot be read"):
            self.provider.wechatpay_private_key = "file:missing.pem"
        (folder / "large").write_text("x" * (65 * 1024))
        with self.assertRaisesRegex(ValidationError, "too large"):
            self.provider.wechatpay_private_key = "file:large"

    def test_files_without_a_directory(self):
        with (
            patch.dict(os.environ, {"PAYMENT_SECRETS_DIR": ""}),
            self.assertRaisesRegex(ValidationError, "payment_secrets_dir"),
        ):
            self.provider.wechatpay_private_key = "file:key.pem"
