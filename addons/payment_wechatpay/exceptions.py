"""What can go wrong between this server and WeChat Pay."""

from odoo.exceptions import ValidationError


class WechatpayNoAnswer(ValidationError):
    """No usable answer came: nothing is known about what the gateway did.

    `again` tells whether the same request may be sent at once a second time.
    """

    def __init__(self, message, again=False):
        super().__init__(message)
        self.again = again


class WechatpayRefused(ValidationError):
    """The gateway refused a request, in an answer that its signature proves; `code` is its word."""

    def __init__(self, message, code, status):
        super().__init__(message)
        self.code = code
        self.status = status
