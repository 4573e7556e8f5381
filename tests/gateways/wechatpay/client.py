"""The wallet's own part: it opens a payment by the parameters that a merchant's page hands it.

Documents: JSAPI and mini program payment, paySign (doc/v3/merchant/4012365340, 4012365341).
"""

from typing import TYPE_CHECKING, Any

from .. import keys
from ..book import Order
from . import orders

if TYPE_CHECKING:
    from .gateway import WeChatPay

PARAMETERS = ("appId", "timeStamp", "nonceStr", "package", "signType", "paySign")


def pay(gateway: "WeChatPay", given: dict[str, Any]) -> Order:
    """Pay as the wallet does after `wx.requestPayment`, if the parameters are rightly signed."""
    for name in PARAMETERS:
        if not isinstance(given[name], str):
            raise ValueError(f"The parameter {name} must be a text, also where it is a number.")
    prefix, _, prepay_id = given["package"].partition("=")
    if prefix != "prepay_id":
        raise ValueError("The package must be written as prepay_id=….")
    if given["signType"] != "RSA":
        raise ValueError("The signType must be RSA.")
    order = gateway.order(prepay_id)
    if order.extra.get("prepay_id") != prepay_id or order.kind != "JSAPI":
        raise ValueError("This prepay_id is no longer, or never was, one of this order.")
    if gateway.clock.now() - order.extra["prepaid_at"] > orders.PREPAY_LASTS:
        raise ValueError("This prepay_id is older than two hours.")
    if given["appId"] != order.app:
        raise ValueError("The appId is not the one that the order was made with.")
    merchant = gateway.book.find_merchant(order.merchant)
    text = "".join(f"{given[name]}\n" for name in PARAMETERS[:4]).encode()
    if not keys.verify(keys.load_public(merchant.settings["public_key"]), text, given["paySign"]):
        raise ValueError("The paySign does not fit the parameters and the merchant's key.")
    gateway.pay(order)
    return order
