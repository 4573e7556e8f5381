"""Facts of WeChat Pay's API v3 that several files need."""

from odoo.addons.payment.const import SENSITIVE_KEYS as PAYMENT_SENSITIVE_KEYS

PROVIDER_CODE = "wechatpay"
DEFAULT_PAYMENT_METHOD_CODES = {"wechat_pay"}
SUPPORTED_CURRENCIES = ("CNY",)

LIVE_ADDRESS = "https://api.mch.weixin.qq.com"

# Never written to a log: secrets, and what identifies or admits a payer.
SENSITIVE_KEYS = {
    "wechatpay_private_key",
    "wechatpay_api_v3_key",
    "Authorization",
    "ciphertext",
    "openid",
    "paySign",
    "prepay_id",
    "code_url",
    "h5_url",
}
PAYMENT_SENSITIVE_KEYS.update(SENSITIVE_KEYS)

# A QR code's text lives for two hours, an H5 address for five minutes.
MAXIMUM_EXPIRY_MINUTES = 120
H5_ADDRESS_SECONDS = 240

FIRST_QUERY_SECONDS = 15
LAST_QUERY_SECONDS = 3600

MAXIMUM_REFUNDS = 50
REFUND_DAYS = 365

# Answers that say "not now" rather than "no": the same request with the same number may follow.
TEMPORARY_CODES = {
    "SYSTEM_ERROR",
    "SYSTEMERROR",
    "BANK_ERROR",
    "FREQUENCY_LIMITED",
    "FREQUENCY_LIMIT_EXCEED",
    "RATELIMIT_EXCEEDED",
    "RATELIMIT_EXCEED",
    "USER_PAYING",
    "USERPAYING",
}
ORDER_UNKNOWN_CODES = {"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"}
REFUND_UNKNOWN_CODES = {"RESOURCE_NOT_EXISTS", "REFUND_NOT_EXIST", "REFUNDNOTEXIST"}

# Fields whose change makes a provider in use prove its credentials again.
CREDENTIAL_FIELDS = {
    "state",
    "wechatpay_merchant_id",
    "wechatpay_app_id",
    "wechatpay_certificate_serial",
    "wechatpay_merchant_certificate",
    "wechatpay_private_key",
    "wechatpay_api_v3_key",
    "wechatpay_verification",
    "wechatpay_public_key_id",
    "wechatpay_public_key",
    "wechatpay_live_address",
    "wechatpay_test_address",
}
