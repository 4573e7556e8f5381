"""Signed requests to the gateway and verified answers."""

import json

import requests

from odoo import models
from odoo.exceptions import ValidationError
from odoo.tools.urls import urljoin

from odoo.addons.payment.logging import get_payment_logger

from .. import const
from ..exceptions import WechatpayNoAnswer, WechatpayRefused
from ..wechatpay_v3 import keys, signature

_logger = get_payment_logger(__name__, const.SENSITIVE_KEYS)

HTTP_TOO_MANY = 429
HTTP_SERVER_ERROR = 500


class PaymentProvider(models.Model):
    """Requests to the gateway: signed, verified, bounded."""

    _inherit = "payment.provider"

    def _wechatpay_request(self, method, target, payload=None, *, again=True, **kwargs):
        """Send a request and return the verified answer.

        :param str target: path and query
        :param dict payload: the body of a POST
        :param bool again: whether one repetition is allowed when no usable answer came; the order
            or refund number in it makes the repetition harmless
        :param kwargs: `reference` for the log; `live` chooses the address; `unsigned=True` where
            the gateway signs no answer (bill files): the content is returned as bytes;
            `certificates=True` for the list of platform certificates, which the certificates in
            it prove
        :return: the answer (dict; bytes for `unsigned`)
        :raise WechatpayNoAnswer: nothing is known about what the gateway did
        :raise WechatpayRefused: the gateway refused, in a verified answer
        """
        self.ensure_one()
        data = None
        if payload is not None:
            data = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        # What is signed must be what requests will send.
        target = requests.utils.requote_uri(target)
        try:
            return self._send_api_request(method, target, data=data, **kwargs)
        except WechatpayNoAnswer as error:
            if not (again and error.again):
                raise
            _logger.info("No usable answer to %s %s: one more try.", method, target)
            return self._send_api_request(method, target, data=data, **kwargs)

    # === HOOKS OF _send_api_request === #

    def _send_api_request(self, method, endpoint, **kwargs):
        """Override of `payment`: tell "no answer" from "refused"."""
        if self.code != "wechatpay":
            return super()._send_api_request(method, endpoint, **kwargs)
        try:
            return super()._send_api_request(method, endpoint, **kwargs)
        except (ValidationError, requests.exceptions.RequestException) as error:
            # Odoo's helper turns these two into a ValidationError; others have their own sentence.
            no_line = (requests.exceptions.ConnectionError, requests.exceptions.Timeout)
            if isinstance(error, ValidationError) and not isinstance(error.__context__, no_line):
                raise
            raise WechatpayNoAnswer(
                self.env._(
                    "WeChat Pay could not be reached at %(address)s. Try again in a moment.",
                    address=self._wechatpay_address(kwargs.get("live")) or "?",
                ),
                again=True,
            ) from error

    def _wechatpay_address(self, live=None):
        """Return the gateway's address, of the provider's state or of a transaction's `is_live`."""
        provider = self.sudo()
        if live is None:
            live = provider.state == "enabled"
        address = provider.wechatpay_live_address if live else provider.wechatpay_test_address
        return (address or "").strip().rstrip("/")

    def _build_request_url(self, endpoint, **kwargs):
        """Override of `payment`: the gateway's address and the path."""
        if self.code != "wechatpay":
            return super()._build_request_url(endpoint, **kwargs)
        return self._wechatpay_address(kwargs.get("live")) + endpoint

    def _build_request_headers(self, method, endpoint, payload, **kwargs):
        """Override of `payment`: our signature, and the key that the answer is to carry."""
        if self.code != "wechatpay":
            return super()._build_request_headers(method, endpoint, payload, **kwargs)
        headers = {
            "Accept": "*/*" if kwargs.get("unsigned") else "application/json",
            "Authorization": signature.authorization(
                (self.wechatpay_merchant_id, self.wechatpay_certificate_serial),
                self._wechatpay_private_key(),
                method,
                endpoint,
                payload or b"",
            ),
            "User-Agent": "Odoo payment_wechatpay",
        }
        if payload:
            headers["Content-Type"] = "application/json"
        if self.wechatpay_verification == "public_key" and self.wechatpay_public_key_id:
            headers["Wechatpay-Serial"] = self.wechatpay_public_key_id.strip()
        return headers

    def _log_request(self, method, url, payload, *, reference=None):
        """Override of `payment`: without the body, which tells who pays what."""
        if self.code != "wechatpay":
            return super()._log_request(method, url, payload, reference=reference)
        return _logger.info(
            "WeChat Pay request %s %s (%s).",
            method,
            self._wechatpay_without_token(url),
            reference or f"provider {self.id}",
        )

    def _log_response(self, response, *, reference=None):
        """Override of `payment`: without the body, for the same reason."""
        if self.code != "wechatpay":
            return super()._log_response(response, reference=reference)
        return _logger.info(
            "WeChat Pay answered %s to %s %s (%s, %.3f s, request id %s).",
            response.status_code,
            response.request.method,
            self._wechatpay_without_token(response.url),
            reference or f"provider {self.id}",
            response.elapsed.total_seconds(),
            response.headers.get("Request-ID", "none"),
        )

    @staticmethod
    def _wechatpay_without_token(url):
        """Return an address without its query where that admits to a bill file."""
        return url.split("?token=")[0]

    def _parse_response_content(self, response, **kwargs):
        """Override of `payment`: verify, then read."""
        if self.code != "wechatpay":
            return super()._parse_response_content(response, **kwargs)
        if kwargs.get("unsigned"):
            return response.content
        self._wechatpay_verify_answer(response, **kwargs)
        if not response.content:
            return {}
        return self._wechatpay_json(response)

    def _parse_response_error(self, response):
        """Override of `payment`: raise what kind of failure this is."""
        if self.code != "wechatpay":
            return super()._parse_response_error(response)
        content = self._wechatpay_json(response)
        code = str(content.get("code", ""))
        message = str(content.get("message", ""))[:500]
        if response.status_code == requests.codes.unauthorized:
            # The gateway did not accept our signature, so it signs nothing either.
            raise WechatpayNoAnswer(self._wechatpay_unauthorized_sentence(message))
        self._wechatpay_verify_answer(response, said=f"{code}: {message}")
        if (
            code in const.TEMPORARY_CODES
            or response.status_code == HTTP_TOO_MANY
            or response.status_code >= HTTP_SERVER_ERROR
        ):
            raise WechatpayNoAnswer(
                self.env._(
                    "WeChat Pay cannot answer now (%(code)s): %(message)s",
                    code=code,
                    message=message,
                ),
                again=response.status_code >= HTTP_SERVER_ERROR,
            )
        raise WechatpayRefused(
            self.env._(
                "WeChat Pay refused the request (%(code)s): %(message)s", code=code, message=message
            ),
            code,
            response.status_code,
        )

    def _wechatpay_json(self, response):
        """Return the answer's object."""
        try:
            content = json.loads(response.content)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise WechatpayNoAnswer(
                self.env._(
                    "What answered at %(address)s is not WeChat Pay (HTTP %(status)s, no JSON).",
                    address=self._wechatpay_without_token(response.url),
                    status=response.status_code,
                ),
                again=True,
            )
        return content

    def _wechatpay_verify_answer(self, response, **kwargs):
        """Raise WechatpayNoAnswer unless the answer is signed by a key of this provider."""
        if kwargs.get("certificates"):
            certificates = self._wechatpay_open_certificates(self._wechatpay_json(response))
            verifiers = {
                serial: keys.certificate_verifier(keys.load_certificates(text)[0])
                for serial, text in certificates.items()
            }
        else:
            verifiers = self._wechatpay_verifiers()
        try:
            try:
                signature.check(response.headers, response.content, verifiers)
            except signature.SignatureRefused as refusal:
                # Only the answer to our own request may make us fetch: a notification never does.
                if (
                    refusal.reason not in ("serial", "expired")
                    or self.wechatpay_verification != "certificate"
                    or kwargs.get("certificates")
                ):
                    raise
                self._wechatpay_fetch_certificates()
                signature.check(response.headers, response.content, self._wechatpay_verifiers())
        except signature.SignatureRefused as refusal:
            raise WechatpayNoAnswer(
                self._wechatpay_refusal_sentence(refusal, kwargs.get("said")),
                again=refusal.reason != "clock",
            ) from refusal

    def _wechatpay_notify_url(self):
        """Return the address that the gateway sends its notifications to."""
        return urljoin(self.get_base_url(), f"/payment/wechatpay/notify/{self.id}")
