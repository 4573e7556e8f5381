"""Fixed words of the gateway and of this add-on."""

from odoo.addons.payment.const import SENSITIVE_KEYS as PAYMENT_SENSITIVE_KEYS

CODE = "alipay_cn"
DEFAULT_PAYMENT_METHOD_CODES = {"alipay"}
SUPPORTED_CURRENCIES = ("CNY",)

LIVE_ADDRESS = "https://openapi.alipay.com/gateway.do"
SANDBOX_ADDRESS = "https://openapi-sandbox.dl.alipaydev.com/gateway.do"

# What must never stand in a log: keys, and what tells a payer.
SENSITIVE_KEYS = {
    "alipay_cn_app_private_key",
    "app_private_key",
    "auth_code",
    "access_token",
    "refresh_token",
    "buyer_id",
    "open_id",
    "user_id",
    "buyer_open_id",
    "buyer_user_id",
    "buyer_logon_id",
}
PAYMENT_SENSITIVE_KEYS.update(SENSITIVE_KEYS)

# trade_type → API method and product code (guides of each product on the open platform)
PRODUCTS = {
    "page": ("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
    "wap": ("alipay.trade.wap.pay", "QUICK_WAP_WAY"),
    "precreate": ("alipay.trade.precreate", "QR_CODE_OFFLINE"),
    "mini": ("alipay.trade.create", "JSAPI_PAY"),
}

PAID = ("TRADE_SUCCESS", "TRADE_FINISHED")
WAITING = "WAIT_BUYER_PAY"
CLOSED = "TRADE_CLOSED"

FIRST_QUERY_SECONDS = 15
LONGEST_QUERY_SECONDS = 3600
SUBJECT_LENGTH = 256
NOTIFICATION_BYTES = 64 * 1024
