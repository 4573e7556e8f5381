"""Checks of the credentials, and the gateway's certificates."""

import re
import secrets
from datetime import UTC, datetime

from odoo import models
from odoo.exceptions import ValidationError

from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..exceptions import WechatpayNoAnswer, WechatpayRefused
from ..wechatpay_v3 import keys, resource

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)

MERCHANT_ID = re.compile(r"[0-9]{8,10}")
APP_ID = re.compile(r"wx[0-9A-Za-z]{4,30}")
CERTIFICATE_SERIAL = re.compile(r"[0-9A-F]{16,40}")


class PaymentProvider(models.Model):
    """Prove the credentials before anybody pays with them; keep the platform certificates."""

    _inherit = "payment.provider"

    def _wechatpay_check_credentials(self):
        """Raise a sentence that names the field unless this provider can work.

        First what can be seen here: forms, lengths, key pairs, dates. Then one signed question
        after an order that cannot exist: its signed "unknown order" proves both sides' keys.
        """
        self.ensure_one()
        self._wechatpay_check_forms()
        self._wechatpay_check_certificate_of_merchant(self._wechatpay_private_key())
        self._wechatpay_check_gateway_keys()
        number = f"check-{secrets.token_hex(8)}"
        try:
            self._wechatpay_request(
                "GET",
                f"/v3/pay/transactions/out-trade-no/{number}?mchid={self.wechatpay_merchant_id}",
            )
        except WechatpayRefused as refusal:
            if refusal.code in const.ORDER_UNKNOWN_CODES:
                return
            raise ValidationError(
                self.env._(
                    "WeChat Pay knows the signature, but refuses this merchant: %(answer)s Look at"
                    " %(merchant)s and at the products that are opened for it.",
                    answer=refusal.args[0],
                    merchant=self._wechatpay_field_label("wechatpay_merchant_id"),
                )
            ) from refusal
        raise ValidationError(
            self.env._(
                "What answers at %(address)s knows an order that was never made: this is not"
                " WeChat Pay.",
                address=self._wechatpay_address(),
            )
        )

    def _wechatpay_check_forms(self):
        """Check the short fields by their forms."""
        problems = {
            "wechatpay_merchant_id": (
                MERCHANT_ID,
                self.env._("give the merchant number, 8 to 10 digits."),
            ),
            "wechatpay_app_id": (
                APP_ID,
                self.env._("give the app ID; it begins with wx and has letters and digits."),
            ),
            "wechatpay_certificate_serial": (
                CERTIFICATE_SERIAL,
                self.env._(
                    "give the serial number in hexadecimal digits, capital letters, without colons."
                ),
            ),
        }
        for field_name, (form, problem) in problems.items():
            if not form.fullmatch(self[field_name] or ""):
                self._wechatpay_complain(field_name, problem)
        try:
            length = len(self._wechatpay_secret("wechatpay_api_v3_key").encode("ascii"))
        except UnicodeEncodeError:
            length = 0
        if length != resource.KEY_LENGTH:
            self._wechatpay_complain(
                "wechatpay_api_v3_key",
                self.env._("the key has exactly 32 letters and digits; this one has not."),
            )
        live = self.state == "enabled"
        field_name = "wechatpay_live_address" if live else "wechatpay_test_address"
        address = self._wechatpay_address()
        if not address:
            self._wechatpay_complain(
                field_name,
                self.env._(
                    "WeChat Pay has no test system for API v3. Give the address of a simulator,"
                    " or choose the state Enabled."
                ),
            )
        if not re.match(r"https?://[^\s/]+", address):
            self._wechatpay_complain(
                field_name, self.env._("give an address such as https://api.mch.weixin.qq.com.")
            )
        notify_url = self._wechatpay_notify_url()
        if live and address == const.LIVE_ADDRESS and not notify_url.startswith("https://"):
            raise ValidationError(
                self.env._(
                    "WeChat Pay notifies https addresses only, but this server calls itself"
                    " %(address)s. Set the system parameter web.base.url.",
                    address=self.get_base_url(),
                )
            )

    def _wechatpay_check_certificate_of_merchant(self, private_key):
        """Check the merchant's own certificate, if it was given."""
        field_name = "wechatpay_merchant_certificate"
        if not self[field_name]:
            return
        certificate = self._wechatpay_parsed(field_name, keys.load_certificates, self[field_name])[
            0
        ]
        if not keys.fits(private_key, certificate.public_key()):
            self._wechatpay_complain(
                field_name, self.env._("it does not belong to the Merchant Private Key.")
            )
        if keys.certificate_serial(certificate) != self.wechatpay_certificate_serial:
            self._wechatpay_complain(
                "wechatpay_certificate_serial",
                self.env._(
                    "the certificate's own serial number is %(serial)s.",
                    serial=keys.certificate_serial(certificate),
                ),
            )
        if not keys.certificate_verifier(certificate).holds(datetime.now(UTC)):
            self._wechatpay_complain(
                field_name,
                self.env._(
                    "it is valid from %(start)s to %(end)s. Renew it in the merchant platform.",
                    start=certificate.not_valid_before_utc.date(),
                    end=certificate.not_valid_after_utc.date(),
                ),
            )

    def _wechatpay_check_gateway_keys(self):
        """Check the keys that WeChat Pay signs with; fetch the certificates where they are used."""
        if self.wechatpay_verification == "certificate":
            if self.wechatpay_platform_certificates:
                self._wechatpay_parsed(
                    "wechatpay_platform_certificates",
                    keys.load_certificates,
                    self.wechatpay_platform_certificates,
                )
            now = datetime.now(UTC)
            if not any(verifier.holds(now) for verifier in self._wechatpay_verifiers().values()):
                self._wechatpay_fetch_certificates()
            return
        if not (self.wechatpay_public_key_id or "").strip().startswith("PUB_KEY_ID_"):
            self._wechatpay_complain(
                "wechatpay_public_key_id",
                self.env._("give the ID of the public key; it begins with PUB_KEY_ID_."),
            )
        key = self._wechatpay_parsed(
            "wechatpay_public_key", keys.load_public_key, self.wechatpay_public_key
        )
        if keys.fits(self._wechatpay_private_key(), key):
            self._wechatpay_complain(
                "wechatpay_public_key",
                self.env._(
                    "this is your own public key. WeChat Pay's is downloaded from its platform."
                ),
            )

    # === PLATFORM CERTIFICATES === #

    def _wechatpay_fetch_certificates(self):
        """Fetch, prove and keep the platform certificates (GET /v3/certificates).

        Proven twice: they open with the APIv3 key only, and one of them signed the answer.
        """
        self.ensure_one()
        answer = self._wechatpay_request("GET", "/v3/certificates", certificates=True)
        certificates = self._wechatpay_open_certificates(answer)
        text = "".join(certificates.values())
        if text != self.sudo().wechatpay_platform_certificates:
            self.sudo().write({"wechatpay_platform_certificates": text})
            _logger.info(
                "Provider %s: platform certificates %s kept.", self.id, ", ".join(certificates)
            )

    def _wechatpay_open_certificates(self, content):
        """Return {serial: PEM} of the encrypted list of certificates."""
        key = self._wechatpay_secret("wechatpay_api_v3_key").encode()
        certificates = {}
        try:
            for entry in content["data"]:
                text = resource.decrypt(key, entry["encrypt_certificate"]).decode()
                (certificate,) = keys.load_certificates(text)
                certificates[keys.certificate_serial(certificate)] = text.strip() + "\n"
        except resource.ResourceError:
            self._wechatpay_complain(
                "wechatpay_api_v3_key",
                self.env._("WeChat Pay's certificates do not open with it."),
            )
        except (KeyError, TypeError, ValueError):
            certificates = {}
        if not certificates:
            raise WechatpayNoAnswer(
                self.env._("WeChat Pay sent no platform certificate for this merchant.")
            )
        return certificates

    def action_wechatpay_fetch_certificates(self):
        """Fetch the platform certificates now."""
        self.ensure_one()
        self._wechatpay_fetch_certificates()
        return {"type": "ir.actions.client", "tag": "soft_reload"}

    def _cron_wechatpay_certificates(self):
        """Keep the platform certificates of the merchants that use them up to date."""
        providers = self.search(
            [
                ("code", "=", "wechatpay"),
                ("state", "!=", "disabled"),
                ("wechatpay_verification", "=", "certificate"),
            ]
        )
        for provider in providers:
            try:
                provider._wechatpay_fetch_certificates()
            except ValidationError as error:
                _logger.warning("Provider %s: %s", provider.id, error.args[0])

    # === SENTENCES === #

    def _wechatpay_refusal_sentence(self, refusal, said=None):
        """Return the sentence for an answer that is not proven; `said`: what it claims."""
        if refusal.reason == "clock":
            return self._wechatpay_clock_sentence()
        if self.wechatpay_verification == "certificate":
            field_names = ["wechatpay_platform_certificates"]
        elif refusal.reason == "signature":
            field_names = ["wechatpay_public_key"]
        else:
            field_names = ["wechatpay_public_key_id", "wechatpay_public_key"]
        fields_to_see = ", ".join(self._wechatpay_field_label(name) for name in field_names)
        if said:
            return self.env._(
                "The answer is not proven to be WeChat Pay's (%(reason)s). Look at %(fields)s and"
                " at the gateway address. It says: %(said)s",
                reason=refusal.reason,
                fields=fields_to_see,
                said=said,
            )
        return self.env._(
            "The answer is not proven to be WeChat Pay's (%(reason)s). Look at %(fields)s and at"
            " the gateway address.",
            reason=refusal.reason,
            fields=fields_to_see,
        )

    def _wechatpay_clock_sentence(self):
        """Return the sentence about two clocks that differ."""
        return self.env._(
            "The clocks of this server and of WeChat Pay differ by more than five minutes. Set this"
            " server's clock by a time service."
        )

    def _wechatpay_unauthorized_sentence(self, message):
        """Return the sentence for a request whose signature the gateway did not accept."""
        if "timestamp" in message:
            return self._wechatpay_clock_sentence()
        return self.env._(
            "WeChat Pay does not accept this merchant's signature: %(message)s Look at %(key)s,"
            " %(serial)s and %(merchant)s.",
            message=message,
            key=self._wechatpay_field_label("wechatpay_private_key"),
            serial=self._wechatpay_field_label("wechatpay_certificate_serial"),
            merchant=self._wechatpay_field_label("wechatpay_merchant_id"),
        )
