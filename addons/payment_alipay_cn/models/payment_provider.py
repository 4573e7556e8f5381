"""The provider's fields and what the payment framework asks of it."""

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .. import const

CREDENTIAL_FIELDS = (
    "alipay_cn_app_id",
    "alipay_cn_seller_id",
    "alipay_cn_mode",
    "alipay_cn_app_private_key",
    "alipay_cn_public_key",
    "alipay_cn_app_certificate",
    "alipay_cn_alipay_certificate",
    "alipay_cn_root_certificate",
)
ADDRESS_FIELDS = ("alipay_cn_live_address", "alipay_cn_test_address")


class PaymentProvider(models.Model):
    """Alipay of mainland China as a payment provider."""

    _inherit = "payment.provider"

    code = fields.Selection(
        selection_add=[("alipay_cn", "Alipay (mainland China)")],
        ondelete={"alipay_cn": "set default"},
    )
    alipay_cn_app_id = fields.Char(
        string="Application ID",
        help="The APPID of your web or mobile application on the open platform, 16 digits.",
        required_if_provider="alipay_cn",
        copy=False,
    )
    alipay_cn_seller_id = fields.Char(
        string="Seller ID (PID)",
        help="The number of the merchant's account that receives the money: 16 digits, from 2088.",
        required_if_provider="alipay_cn",
        copy=False,
    )
    alipay_cn_mode = fields.Selection(
        string="Signing Mode",
        selection=[("public_key", "Public keys"), ("certificate", "Certificates")],
        help="As chosen on the open platform under 'interface signing method'.",
        default="public_key",
        required=True,
        copy=False,
    )
    alipay_cn_app_private_key = fields.Char(
        string="Application Private Key",
        help="Your own key, from Alipay's key tool: PKCS#1 or PKCS#8, with or without its "
        "BEGIN and END lines. Or file:NAME for a file in the server's folder of payment secrets.",
        required_if_provider="alipay_cn",
        copy=False,
        exportable=False,
        groups="base.group_system",
    )
    alipay_cn_public_key = fields.Char(
        string="Alipay Public Key",
        help="Alipay's key, shown on the open platform after you saved yours. Not your own.",
        copy=False,
        groups="base.group_system",
    )
    alipay_cn_app_certificate = fields.Text(
        string="Application Certificate",
        help="The content of appCertPublicKey_<APPID>.crt.",
        copy=False,
        groups="base.group_system",
    )
    alipay_cn_alipay_certificate = fields.Text(
        string="Alipay Certificate",
        help="The content of alipayCertPublicKey_RSA2.crt.",
        copy=False,
        groups="base.group_system",
    )
    alipay_cn_root_certificate = fields.Text(
        string="Alipay Root Certificate",
        help="The content of alipayRootCert.crt, all its certificates.",
        copy=False,
        groups="base.group_system",
    )
    alipay_cn_live_address = fields.Char(
        string="Live Gateway",
        help="Where requests go while the provider is enabled.",
        default=const.LIVE_ADDRESS,
    )
    alipay_cn_test_address = fields.Char(
        string="Test Gateway",
        help="Where requests go in test mode: Alipay's sandbox, or a simulator.",
        default=const.SANDBOX_ADDRESS,
    )
    alipay_cn_desk_page = fields.Selection(
        string="On a Desk",
        selection=[("page", "Alipay's web page"), ("precreate", "QR code on our page")],
        help="What a payer gets on a computer: each needs its own product in the contract with "
        "Alipay. Phones always get Alipay's phone page.",
        default="page",
        required=True,
    )
    alipay_cn_expiry_minutes = fields.Integer(
        string="Minutes to Pay by Alipay",
        help="After these minutes an unpaid order is closed at Alipay and cancelled here.",
        default=15,
    )
    alipay_cn_late_payment = fields.Selection(
        string="Late Payment",
        selection=[("keep", "Keep it"), ("refund", "Refund it")],
        help="What happens to money that arrives for an order that was already cancelled.",
        default="keep",
        required=True,
    )

    _alipay_cn_expiry_range = models.Constraint(
        "CHECK (alipay_cn_expiry_minutes BETWEEN 1 AND 120)",
        "Minutes to pay: a whole number from 1 to 120 (a QR code of Alipay lives two hours).",
    )

    @api.model_create_multi
    def create(self, vals_list):
        """Check the credentials of providers that start enabled."""
        providers = super().create(vals_list)
        providers._alipay_cn_check_if_on()
        return providers

    def write(self, vals):
        """Check the credentials when they, the gateway or the state change."""
        result = super().write(vals)
        if {"state", "code", "company_id", *CREDENTIAL_FIELDS} & set(vals):
            self.env.registry.clear_cache()  # what notifications are checked by
        if {"state", *CREDENTIAL_FIELDS, *ADDRESS_FIELDS} & set(vals):
            self._alipay_cn_check_if_on()
        return result

    def unlink(self):
        """Forget what notifications were checked by."""
        self.env.registry.clear_cache()
        return super().unlink()

    def _alipay_cn_check_if_on(self):
        for provider in self.filtered(lambda p: p.code == const.CODE and p.state != "disabled"):
            provider.sudo()._alipay_cn_check_credentials()

    def _compute_feature_support_fields(self):
        """Override of `payment`: partial refunds."""
        result = super()._compute_feature_support_fields()
        self.filtered(lambda p: p.code == const.CODE).support_refund = "partial"
        return result

    def _get_supported_currencies(self):
        """Override of `payment`: yuan only."""
        currencies = super()._get_supported_currencies()
        if self.code != const.CODE:
            return currencies
        return currencies.filtered(lambda c: c.name in const.SUPPORTED_CURRENCIES)

    def _get_default_payment_method_codes(self):
        """Override of `payment`: the wallet itself."""
        self.ensure_one()
        if self.code != const.CODE:
            return super()._get_default_payment_method_codes()
        return const.DEFAULT_PAYMENT_METHOD_CODES

    def _get_reset_values(self):
        """Override of `payment`: what "reset credentials" empties."""
        if self.code != const.CODE:
            return super()._get_reset_values()
        return {name: False for name in CREDENTIAL_FIELDS if name != "alipay_cn_mode"}

    def _alipay_cn_gateway(self):
        """Return the gateway's address for the provider's state, or tell which field lacks it."""
        self.ensure_one()
        name = "alipay_cn_live_address" if self.state == "enabled" else "alipay_cn_test_address"
        address = (self[name] or "").strip()
        if not address.startswith(("https://", "http://")) or "?" in address:
            raise ValidationError(
                self.env._(
                    "Alipay, field “%(field)s”: enter the gateway's address, beginning with "
                    "https:// and without a question mark.",
                    field=self._alipay_cn_label(name),
                )
            )
        return address

    def _alipay_cn_label(self, name):
        """Return a field's label in the user's language."""
        return self.env["ir.model.fields"]._get(self._name, name).field_description
