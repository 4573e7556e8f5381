"""The provider's settings, keys and features."""

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import ormcache

from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..secret_files import SecretFileError, read_secret
from ..wechatpay_v3 import keys

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)


class PaymentProvider(models.Model):
    """The merchant's settings for WeChat Pay."""

    _inherit = "payment.provider"

    code = fields.Selection(
        selection_add=[("wechatpay", "WeChat Pay")], ondelete={"wechatpay": "set default"}
    )
    wechatpay_merchant_id = fields.Char(
        string="Merchant ID",
        help="The merchant number (mchid), 8 to 10 digits.",
        required_if_provider="wechatpay",
        copy=False,
    )
    wechatpay_app_id = fields.Char(
        string="App ID",
        help="The app ID of the official account, mini program or app that is bound to the"
        " merchant number. It begins with wx.",
        required_if_provider="wechatpay",
        copy=False,
    )
    wechatpay_certificate_serial = fields.Char(
        string="Merchant Certificate Serial",
        help="The serial number of the merchant API certificate, 40 hexadecimal digits.",
        required_if_provider="wechatpay",
        copy=False,
    )
    wechatpay_merchant_certificate = fields.Text(
        string="Merchant Certificate",
        help="Optional: the text of apiclient_cert.pem. With it the private key, the serial number"
        " and the date are checked before anything is sent.",
        copy=False,
        groups="base.group_system",
    )
    wechatpay_private_key = fields.Char(
        string="Merchant Private Key",
        help="The text of apiclient_key.pem, or file:NAME for a file below the directory that the"
        " server option payment_secrets_dir names.",
        required_if_provider="wechatpay",
        copy=False,
        exportable=False,
        groups="base.group_system",
    )
    wechatpay_api_v3_key = fields.Char(
        string="APIv3 Key",
        help="The 32 letters and digits that you set for API v3, or file:NAME.",
        required_if_provider="wechatpay",
        copy=False,
        exportable=False,
        groups="base.group_system",
    )
    wechatpay_verification = fields.Selection(
        string="WeChat Pay Signs With",
        help="How this merchant number recognises WeChat Pay: new ones by the WeChat Pay public"
        " key, older ones by platform certificates.",
        selection=[
            ("public_key", "WeChat Pay public key"),
            ("certificate", "Platform certificates"),
        ],
        default="public_key",
        copy=False,
    )
    wechatpay_public_key_id = fields.Char(
        string="WeChat Pay Public Key ID",
        help="It begins with PUB_KEY_ID_.",
        copy=False,
    )
    wechatpay_public_key = fields.Text(
        string="WeChat Pay Public Key",
        help="The text of pub_key.pem as downloaded from the merchant platform.",
        copy=False,
        groups="base.group_system",
    )
    wechatpay_platform_certificates = fields.Text(
        string="Platform Certificates",
        help="Fetched by itself when the provider is enabled, and every day.",
        copy=False,
        groups="base.group_system",
    )
    wechatpay_live_address = fields.Char(
        string="Live Gateway Address",
        help="Where requests go in the state Enabled: WeChat Pay itself, or your proxy to it.",
        default=const.LIVE_ADDRESS,
        required_if_provider="wechatpay",
        groups="base.group_system",
    )
    wechatpay_test_address = fields.Char(
        string="Test Gateway Address",
        help="Where requests go in the state Test Mode. WeChat Pay has no test system for API v3:"
        " give the address of a simulator.",
        copy=False,
        groups="base.group_system",
    )
    wechatpay_expiry_minutes = fields.Integer(
        string="Minutes to Pay",
        help="After so many minutes an unpaid order is closed (1 to 120).",
        default=15,
    )
    wechatpay_late_payment = fields.Selection(
        string="Payment of a Canceled Order",
        help="What happens with money that arrives for a transaction that was canceled here.",
        selection=[
            ("keep", "Keep it: the transaction is confirmed after all"),
            ("refund", "Refund it: its documents stay unpaid"),
        ],
        default="keep",
        required=True,
    )

    # === COMPUTE METHODS === #

    def _compute_feature_support_fields(self):
        """Override of `payment`: full and partial refunds."""
        result = super()._compute_feature_support_fields()
        self.filtered(lambda p: p.code == "wechatpay").support_refund = "partial"
        return result

    def _get_supported_currencies(self):
        """Override of `payment`: yuan only."""
        currencies = super()._get_supported_currencies()
        if self.code == "wechatpay":
            currencies = currencies.filtered(lambda c: c.name in const.SUPPORTED_CURRENCIES)
        return currencies

    # === CONSTRAINT METHODS === #

    @api.constrains("code", "wechatpay_expiry_minutes")
    def _check_wechatpay_expiry_minutes(self):
        for provider in self.filtered(lambda p: p.code == "wechatpay"):
            if not 1 <= provider.wechatpay_expiry_minutes <= const.MAXIMUM_EXPIRY_MINUTES:
                raise ValidationError(
                    self.env._(
                        "Minutes to Pay: give 1 to %(limit)s minutes; a WeChat Pay QR code does"
                        " not live longer.",
                        limit=const.MAXIMUM_EXPIRY_MINUTES,
                    )
                )

    # === CRUD METHODS === #

    @api.model_create_multi
    def create(self, vals_list):
        """Override of `payment`: a provider that begins in use proves its credentials."""
        providers = super().create(vals_list)
        providers._wechatpay_after_change(const.CREDENTIAL_FIELDS)
        return providers

    def write(self, vals):
        """Override of `payment`: credentials that changed are proven again."""
        result = super().write(vals)
        if "wechatpay_platform_certificates" in vals:
            self.env.registry.clear_cache()
        self._wechatpay_after_change(const.CREDENTIAL_FIELDS & vals.keys())
        return result

    def _wechatpay_after_change(self, changed):
        """Forget cached public keys, and check the credentials of the providers in use."""
        providers = self.filtered(lambda p: p.code == "wechatpay")
        if not changed or not providers:
            return
        self.env.registry.clear_cache()
        for provider in providers.filtered(lambda p: p.state != "disabled"):
            provider._wechatpay_check_credentials()

    def _get_default_payment_method_codes(self):
        """Override of `payment`: the method that the provider activates."""
        self.ensure_one()
        if self.code != "wechatpay":
            return super()._get_default_payment_method_codes()
        return const.DEFAULT_PAYMENT_METHOD_CODES

    def _get_reset_values(self):
        """Override of `payment`: every credential is forgotten."""
        if self.code != "wechatpay":
            return super()._get_reset_values()
        return {
            "wechatpay_merchant_id": None,
            "wechatpay_app_id": None,
            "wechatpay_certificate_serial": None,
            "wechatpay_merchant_certificate": None,
            "wechatpay_private_key": None,
            "wechatpay_api_v3_key": None,
            "wechatpay_public_key_id": None,
            "wechatpay_public_key": None,
            "wechatpay_platform_certificates": None,
        }

    # === KEYS === #

    def _wechatpay_field_label(self, field_name):
        """Return a field's label in the user's language, for sentences."""
        return self._fields[field_name].get_description(self.env, ["string"])["string"]

    def _wechatpay_complain(self, field_name, problem):
        """Raise a sentence about a field, without what it was found by, which may hold a secret."""
        raise ValidationError(
            self.env._(
                "%(field)s: %(problem)s",
                field=self._wechatpay_field_label(field_name),
                problem=problem,
            )
        ) from None

    def _wechatpay_secret(self, field_name):
        """Return the text of a secret field, read from its file if it names one."""
        self.ensure_one()
        try:
            return read_secret(self.sudo()[field_name])
        except SecretFileError as error:
            sentences = {
                "directory": self.env._(
                    "its value names a file, but the server has no directory for secrets: set the"
                    " server option payment_secrets_dir or the environment PAYMENT_SECRETS_DIR."
                ),
                "name": self.env._(
                    "after file: give the name of a file in the directory for secrets, without a"
                    " path."
                ),
                "missing": self.env._("the file that it names cannot be read."),
                "size": self.env._("the file that it names is too large for a key."),
            }
            return self._wechatpay_complain(field_name, sentences[error.reason])

    def _wechatpay_private_key(self):
        """Return the merchant's private key, ready to sign."""
        return self._wechatpay_parsed(
            "wechatpay_private_key",
            keys.load_private_key,
            self._wechatpay_secret("wechatpay_private_key"),
        )

    def _wechatpay_parsed(self, field_name, load, text):
        """Return `load(text)`, or raise a sentence that names the field."""
        try:
            return load(text)
        except keys.KeyFormatError as error:
            sentences = {
                "not_pem": self.env._(
                    "this is no PEM text. It has a line -----BEGIN …----- and a line"
                    " -----END …-----; copy the file with both."
                ),
                "encrypted": self.env._("the key has a password; save it without one."),
                "wrong_kind": self.env._("this is a key or certificate of another kind."),
                "unreadable": self.env._("the text between the two lines is damaged."),
                "not_rsa": self.env._("this is no RSA key."),
                "too_short": self.env._("the key is shorter than 2048 bits."),
            }
            return self._wechatpay_complain(field_name, sentences[error.reason])

    def _wechatpay_verifiers(self):
        """Return {key id or certificate serial: keys.Verifier} of the keys this provider trusts."""
        return self._wechatpay_all_verifiers().get(self.id, {})

    @api.model
    @ormcache()
    def _wechatpay_all_verifiers(self):
        """Return the verifiers by provider id; only public keys are kept in memory.

        One entry for all, so that notifications for providers that do not exist cost no query and
        crowd nothing out of the cache.
        """
        verifiers = {}
        for provider in self.sudo().search([("code", "=", const.PROVIDER_CODE)]):
            try:
                verifiers[provider.id] = provider._wechatpay_read_verifiers()
            except ValidationError as error:
                _logger.warning("Provider %s: %s", provider.id, error.args[0])
        return verifiers

    def _wechatpay_read_verifiers(self):
        """Return the verifiers of this provider's fields."""
        if self.wechatpay_verification == "certificate":
            if not self.wechatpay_platform_certificates:
                return {}
            certificates = self._wechatpay_parsed(
                "wechatpay_platform_certificates",
                keys.load_certificates,
                self.wechatpay_platform_certificates,
            )
            return {
                keys.certificate_serial(certificate): keys.certificate_verifier(certificate)
                for certificate in certificates
            }
        if not (self.wechatpay_public_key and self.wechatpay_public_key_id):
            return {}
        key = self._wechatpay_parsed(
            "wechatpay_public_key", keys.load_public_key, self.wechatpay_public_key
        )
        return {self.wechatpay_public_key_id.strip(): keys.Verifier(key)}
