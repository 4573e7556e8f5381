"""Alipay's notifications: refused cheaply, taken once."""

from odoo.http import Controller, request, route

from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..alipay_gateway import AnswerError, verifier

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)


class AlipayNotification(Controller):
    """The address that orders give Alipay as notify_url."""

    @route(
        "/payment/alipay_cn/notify/<int:provider_id>",
        type="http",
        auth="none",
        methods=["POST"],
        csrf=False,
        save_session=False,
        readonly=False,
        max_content_length=const.NOTIFICATION_BYTES,
    )
    def alipay_cn_notify(self, provider_id, **_values):
        """Answer `success` when the notification was taken; anything else brings it again.

        Until the signature is checked nothing is read from the database and no call goes out.
        """
        values = request.httprequest.form.to_dict()
        known = request.env["payment.provider"].browse(provider_id)._alipay_cn_notification_keys()
        if known is None:
            return _answer("failure", 404)
        app_id, seller_id, credentials = known
        try:
            verifier(credentials).check_form(values)
        except AnswerError as problem:
            _logger.info("Refused a notification for provider %s: %s", provider_id, problem)
            return _answer("failure", 403)
        if values.get("app_id") != app_id or values.get("seller_id") != seller_id:
            _logger.warning(
                "Refused a signed notification for provider %s: other application or seller.",
                provider_id,
            )
            return _answer("failure", 403)
        request.env["ir.http"]._auth_method_public()
        provider = request.env["payment.provider"].sudo().browse(provider_id)
        transactions = request.env["payment.transaction"].sudo()
        taken = transactions._alipay_cn_notified(provider, values)
        return _answer("success", 200) if taken else _answer("failure", 404)


def _answer(word, status):
    return request.make_response(word, [("Content-Type", "text/plain")], status=status)
