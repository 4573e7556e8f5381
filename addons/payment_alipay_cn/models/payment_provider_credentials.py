"""Where the credentials come from, and the check before the provider may be used."""

import os
import re
from pathlib import Path

from odoo import models
from odoo.exceptions import ValidationError
from odoo.tools import config, ormcache

from .. import const
from ..alipay_gateway import (
    AlipayClient,
    Credentials,
    GatewayError,
    KeyMaterialError,
    Refusal,
    check_credentials,
    verifier,
)

PART_FIELDS = {
    "app_private_key": "alipay_cn_app_private_key",
    "alipay_public_key": "alipay_cn_public_key",
    "app_certificate": "alipay_cn_app_certificate",
    "alipay_certificate": "alipay_cn_alipay_certificate",
    "alipay_root_certificate": "alipay_cn_root_certificate",
}
MODE_PARTS = {
    "public_key": ("alipay_public_key",),
    "certificate": ("app_certificate", "alipay_certificate", "alipay_root_certificate"),
}
# A number no order of ours can have: ours hold the document's name, a time and random letters.
PROBE_ORDER = "CREDENTIAL_CHECK_OF_ODOO"


class PaymentProvider(models.Model):
    """Credentials of the Alipay provider."""

    _inherit = "payment.provider"

    def _alipay_cn_secret(self, name):
        """Return the text of a credential field, from the file it names if it names one."""
        self.ensure_one()
        value = (self[name] or "").strip()
        if not value.startswith("file:"):
            return value
        field = self._alipay_cn_label(name)
        folder = config.get("payment_secrets_dir") or os.environ.get("PAYMENT_SECRETS_DIR")
        if not folder:
            raise ValidationError(
                self.env._(
                    "Alipay, field “%(field)s” names a file, but the server knows no folder of "
                    "payment secrets: set PAYMENT_SECRETS_DIR in the server's environment.",
                    field=field,
                )
            )
        wanted = value.removeprefix("file:").strip()
        if not wanted or wanted in (".", "..") or Path(wanted).name != wanted or "\0" in wanted:
            raise ValidationError(
                self.env._(
                    "Alipay, field “%(field)s”: after file: comes the name of one file in the "
                    "folder of payment secrets, without a path.",
                    field=field,
                )
            )
        root = Path(folder).resolve()
        path = (root / wanted).resolve()
        try:
            if path.parent != root:
                raise OSError("a link that leads out of the folder")
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ValidationError(
                self.env._(
                    "Alipay, field “%(field)s”: the file %(name)s cannot be read in the server's "
                    "folder of payment secrets.",
                    field=field,
                    name=wanted,
                )
            ) from None

    def _alipay_cn_credentials(self):
        """Return the credentials as the gateway package takes them."""
        self.ensure_one()
        parts = {
            part: self._alipay_cn_secret(PART_FIELDS[part]) for part in self._alipay_cn_parts()
        }
        return Credentials(app_id=(self.alipay_cn_app_id or "").strip(), **parts)

    def _alipay_cn_parts(self):
        return ("app_private_key", *MODE_PARTS[self.alipay_cn_mode])

    def _alipay_cn_client(self):
        """Return the client that signs and checks for this provider."""
        return AlipayClient.for_credentials(self._alipay_cn_credentials())

    @ormcache("self.id")
    def _alipay_cn_notification_keys(self):
        """Return what a notification is checked by: (application, seller, credentials), or None.

        Kept in memory without the private key, so that a forged call costs no query.
        """
        provider = self.sudo().exists()
        if provider.code != const.CODE:
            return None
        try:
            credentials = provider._alipay_cn_credentials()._replace(app_private_key="")
            verifier(credentials)
        except (ValidationError, KeyMaterialError):
            return None
        return credentials.app_id, (provider.alipay_cn_seller_id or "").strip(), credentials

    def _alipay_cn_check_credentials(self):
        """Refuse, with a sentence naming the field, credentials that cannot work.

        First what can be seen here, then one signed question to the gateway that changes nothing.
        """
        self.ensure_one()
        self._alipay_cn_gateway()
        for name, start in (("alipay_cn_app_id", ""), ("alipay_cn_seller_id", "2088")):
            value = (self[name] or "").strip()
            if not (re.fullmatch(r"[0-9]{16}", value) and value.startswith(start)):
                raise ValidationError(
                    self.env._(
                        "Alipay, field “%(field)s”: enter the 16 digits that the open platform "
                        "shows (a seller ID begins with 2088).",
                        field=self._alipay_cn_label(name),
                    )
                )
        for part in self._alipay_cn_parts():
            if not self._alipay_cn_secret(PART_FIELDS[part]):
                raise ValidationError(
                    self.env._(
                        "Alipay, field “%(field)s” is empty.",
                        field=self._alipay_cn_label(PART_FIELDS[part]),
                    )
                )
        try:
            check_credentials(self._alipay_cn_credentials())
            self._alipay_cn_call("alipay.trade.query", {"out_trade_no": PROBE_ORDER})
        except Refusal as refusal:
            if not refusal.is_unknown_order:
                raise ValidationError(self._alipay_cn_sentence(refusal)) from None
        except GatewayError as problem:
            raise ValidationError(self._alipay_cn_sentence(problem)) from None
