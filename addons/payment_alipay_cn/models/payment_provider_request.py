"""Requests to the gateway through Odoo's own helper: time-out, one repetition, checked answers."""

from urllib.parse import parse_qs

from odoo import models
from odoo.exceptions import ValidationError

from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..alipay_gateway import GatewayError, Refusal, Unreachable

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)

ATTEMPTS = 2  # each of at most ten seconds, the limit of Odoo's helper


class PaymentProvider(models.Model):
    """The Alipay provider's way to the gateway."""

    _inherit = "payment.provider"

    def _alipay_cn_call(self, method, content, *, reference=None, gateway=None, **top_level):
        """Call an API method and return the content that Alipay signed.

        A request that got no answer, or a momentary failure, is sent once more with the same
        numbers: Alipay counts an order, a closing or a refund once by its number.

        :param str method: e.g. `alipay.trade.query`.
        :param dict content: biz_content.
        :param str reference: the transaction's reference, for the log.
        :param str gateway: the address the order was placed at (default: the provider's now).
        :param top_level: public parameters such as notify_url.
        :raise Refusal: Alipay says no.
        :raise AnswerError: the answer is not Alipay's; nothing of it was used.
        :raise Unreachable: no answer at all, twice.
        """
        client = self._alipay_cn_client()
        gateway = gateway or self._alipay_cn_gateway()
        for attempt in range(1, ATTEMPTS + 1):
            signed = client.request(method, content, **top_level)
            try:
                raw = self._send_api_request(
                    "POST",
                    signed.address(gateway),
                    data=signed.body,
                    reference=reference,
                    alipay_cn_method=method,
                )
                return client.answer(method, raw)
            except ValidationError as problem:
                if attempt == ATTEMPTS:
                    told = " ".join(str(problem).split())
                    raise Unreachable("unreachable", problem=told) from None
            except Refusal as refusal:
                if attempt == ATTEMPTS or not refusal.is_momentary:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _alipay_cn_buyer(self, auth_code):
        """Return who a mini program's payer is, from the code of `my.getAuthCode`.

        :return: {"buyer_open_id": …} or, for older applications, {"buyer_id": …}.
        :raise ValidationError: with a sentence; a code works once.
        """
        self.ensure_one()
        try:
            answer = self._alipay_cn_call(
                "alipay.system.oauth.token", {}, grant_type="authorization_code", code=auth_code
            )
        except GatewayError as problem:
            raise ValidationError(self._alipay_cn_sentence(problem)) from None
        if answer.get("open_id"):
            return {"buyer_open_id": answer["open_id"]}
        return {"buyer_id": answer["user_id"]}

    def _alipay_cn_link(self, method, content, **top_level):
        """Return the signed address that takes a browser to the gateway's page."""
        signed = self._alipay_cn_client().request(method, content, **top_level)
        return signed.link(self._alipay_cn_gateway())

    def _build_request_url(self, endpoint, **kwargs):
        """Override of `payment`: the endpoint is the whole address already."""
        if self.code != const.CODE:
            return super()._build_request_url(endpoint, **kwargs)
        return endpoint

    def _build_request_headers(self, method, endpoint, payload, **kwargs):
        """Override of `payment`: the form's type and character set."""
        if self.code != const.CODE:
            return super()._build_request_headers(method, endpoint, payload, **kwargs)
        return {"Content-Type": "application/x-www-form-urlencoded;charset=utf-8"}

    def _parse_response_content(self, response, **kwargs):
        """Override of `payment`: the bytes as they came; `_alipay_cn_call` checks them."""
        if self.code != const.CODE:
            return super()._parse_response_content(response, **kwargs)
        return response.content

    def _parse_response_error(self, response):
        """Override of `payment`: a page of a failing server is nothing for a person."""
        if self.code != const.CODE:
            return super()._parse_response_error(response)
        return self.env._("HTTP status %(status)s", status=response.status_code)

    def _log_request(self, method, url, payload, *, reference=None):
        """Override of `payment`: the method and the reference, no content (payers' numbers)."""
        if self.code != const.CODE:
            return super()._log_request(method, url, payload, reference=reference)
        called = parse_qs(payload).get("method", ["?"])[0]
        _logger.info(
            "Sending %(called)s to Alipay for %(what)s.",
            {"called": called, "what": reference or f"provider {self.id}"},
        )
        return None

    def _log_response(self, response, *, reference=None):
        """Override of `payment`: the status and size, no content (payers' numbers)."""
        if self.code != const.CODE:
            return super()._log_response(response, reference=reference)
        _logger.info(
            "Alipay answered HTTP %(status)s with %(size)s bytes for %(what)s.",
            {
                "status": response.status_code,
                "size": len(response.content),
                "what": reference or f"provider {self.id}",
            },
        )
        return None
