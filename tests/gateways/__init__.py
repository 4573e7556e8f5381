"""Payment gateways on loopback, written from the gateways' public documents.

`python -m gateways.wechatpay` and `python -m gateways.alipay` each run one. They check what a
merchant sends as strictly as the gateway does, sign and encrypt what they answer, keep orders and
refunds, notify, make bill files, and on demand go wrong in every way that is known of networks and
gateways. They share no code with the add-ons that they try.
"""
