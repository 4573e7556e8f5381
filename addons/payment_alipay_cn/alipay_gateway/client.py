"""The one place that touches python-alipay-sdk: signing through it, its traps kept outside.

The SDK builds and signs requests and computes certificate serial numbers. What it does not do well
is done here instead, each for a reason told at its place: time, transport, answers, notifications.
"""

import base64
import binascii
import json
import re
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import NamedTuple

from alipay import AliPay, DCAliPay
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from . import keys
from .errors import AnswerError, KeyMaterialError, Refusal
from .jsonspan import top_level_spans
from .times import beijing_text

CHARSET = "utf-8"
SIGN_TYPE = "RSA2"
SUCCESS = "10000"
_SERIAL = re.compile(r"[0-9a-f]{32}")


class SignedRequest(NamedTuple):
    """A signed request ready to go: `query` belongs to the address, `body` is the form."""

    query: str
    body: str

    def address(self, gateway):
        """Return where a POST of `body` goes."""
        return f"{gateway}?{self.query}"

    def link(self, gateway):
        """Return the whole request as an address for a browser."""
        return f"{gateway}?{self.query}&{self.body}"


class Verifier:
    """Checks what Alipay signed, by its public key alone; cheap enough for every forged call."""

    def __init__(self, credentials):
        if credentials.uses_certificates:
            with keys.naming("alipay_certificate"):
                found = keys.certificate(credentials.alipay_certificate)
                self._key = keys.rsa_of_certificate(found)
            self.certificate_serial = keys.certificate_serial(found)
        else:
            with keys.naming("alipay_public_key"):
                self._key = keys.public_key(credentials.alipay_public_key)
            self.certificate_serial = None

    def is_signed(self, text, signature):
        """Whether `signature` (base64) is Alipay's RSA2 signature over the bytes or text."""
        data = text.encode() if isinstance(text, str) else text
        try:
            raw = base64.b64decode(signature, validate=True)
            self._key.verify(raw, data, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    def check_form(self, values):
        """Raise AnswerError unless Alipay signed this notification or return page's parameters.

        The SDK's `verify` drops keys from the caller's dict, takes a form without `sign_type`,
        and breaks on one without `sign`; this one leaves `values` alone and refuses both.
        """
        signature = values.get("sign")
        if not signature:
            raise AnswerError("unsigned")
        if values.get("sign_type") != SIGN_TYPE:
            raise AnswerError("sign_type")
        text = "&".join(
            f"{name}={value}"
            for name, value in sorted(values.items())
            if name not in ("sign", "sign_type")
        )
        if not self.is_signed(text, signature):
            raise AnswerError("wrong_signature")


class AlipayClient:
    """One application's requests and answers; kept by `for_credentials`: keys are slow to read."""

    def __init__(self, credentials):
        self.credentials = credentials
        self.verifier = verifier(credentials)

    @classmethod
    def for_credentials(cls, credentials):
        """Return the client of these credentials, the same one for the same texts."""
        return _client(credentials)

    @cached_property
    def _sdk(self):
        given = self.credentials
        with keys.naming("app_private_key"):
            private = keys.pem_of(keys.private_key(given.app_private_key))
        if given.uses_certificates:
            with keys.naming("app_certificate"):
                own = keys.pem_of_certificates(given.app_certificate)
            with keys.naming("alipay_root_certificate"):
                root = keys.pem_of_certificates(given.alipay_root_certificate)
            return DCAliPay(
                appid=given.app_id,
                app_private_key_string=private,
                app_public_key_cert_string=own,
                alipay_public_key_cert_string=keys.pem_of_certificates(given.alipay_certificate),
                alipay_root_cert_string=root,
                sign_type=SIGN_TYPE,
            )
        return AliPay(
            appid=given.app_id,
            app_private_key_string=private,
            alipay_public_key_string=keys.pem_of(keys.public_key(given.alipay_public_key)),
            sign_type=SIGN_TYPE,
        )

    def request(self, method, content, *, now=None, **top_level):
        """Return the signed request of an API `method`.

        :param dict content: biz_content; empty values are left out (they must not be signed).
        :param datetime now: aware moment of the request (default: now).
        :param top_level: further public parameters, e.g. notify_url; texts.
        """
        filled = {name: value for name, value in content.items() if value not in (None, "")}
        given = {name: str(value) for name, value in top_level.items() if value}
        data = self._sdk.build_body(
            method,
            json.dumps(filled, ensure_ascii=False, separators=(",", ":")),
            # the SDK takes the server's wall clock, which Odoo sets to UTC
            timestamp=beijing_text(now or datetime.now(UTC)),
            **given,
        )
        signed = self._sdk.sign_data(data)
        # The gateway reads the character set from the address, before it reads the body.
        parts = signed.split("&")
        in_address = [part for part in parts if part.startswith("charset=")]
        in_body = [part for part in parts if not part.startswith("charset=")]
        return SignedRequest("&".join(in_address), "&".join(in_body))

    def answer(self, method, raw):
        """Return the content of an answer that Alipay signed.

        :param str method: the method that was called.
        :param bytes raw: the body as it came.
        :return: the content of `<method>_response` with code 10000.
        :raise AnswerError: it is not Alipay's; nothing of it may be used.
        :raise Refusal: Alipay (or, `signed` False, somebody) says no.
        """
        try:
            text = raw.decode(CHARSET)
            spans = top_level_spans(text)
        except ValueError:
            raise AnswerError("not_json") from None
        name = method.replace(".", "_") + "_response"
        if name not in spans:
            name = "error_response"
        if name not in spans:
            raise AnswerError("other_answer")
        start, end = spans[name]
        signed_text = text[start:end]
        content = json.loads(signed_text)
        if not isinstance(content, dict):
            raise AnswerError("other_answer")
        signature = json.loads(text[slice(*spans["sign"])]) if "sign" in spans else None
        if not signature:
            if str(content.get("code")) == SUCCESS or "code" not in content:
                raise AnswerError("unsigned")
            raise _refusal(content, signed=False)
        if not self._is_signed(signed_text, signature):
            raise self._wrongly_signed(text, spans)
        # a token's answer has no code when it is one
        if str(content.get("code", SUCCESS)) != SUCCESS:
            raise _refusal(content, signed=True)
        return content

    def _is_signed(self, signed_text, signature):
        if not isinstance(signature, str):
            return False
        if self.verifier.is_signed(signed_text, signature):
            return True
        # Documented: when it does not fit, escape the slashes once and check again.
        plain = signed_text.replace("\\/", "/")
        return any(
            self.verifier.is_signed(other, signature)
            for other in {plain, plain.replace("/", "\\/")} - {signed_text}
        )

    def _wrongly_signed(self, text, spans):
        """Return the error; it tells the certificate where Alipay signed with another one.

        A renewed certificate over the same key has another serial, too, but then the signature
        fits: it alone decides.
        """
        expected = self.verifier.certificate_serial
        if expected and "alipay_cert_sn" in spans:
            serial = json.loads(text[slice(*spans["alipay_cert_sn"])])
            if serial != expected and _SERIAL.fullmatch(str(serial)):
                return AnswerError("certificate_serial", serial=serial)
        return AnswerError("wrong_signature")


@lru_cache(maxsize=64)
def _client(credentials):
    return AlipayClient(credentials)


@lru_cache(maxsize=256)
def _verifier(credentials):
    return Verifier(credentials)


def verifier(credentials):
    """Return the verifier of these credentials; needs none of their secrets."""
    return _verifier(credentials._replace(app_private_key=""))


def check_credentials(credentials):
    """Raise KeyMaterialError, its `values['part']` the credential's name, when one cannot work."""
    with keys.naming("app_private_key"):
        private = keys.private_key(credentials.app_private_key)
    if not credentials.uses_certificates:
        with keys.naming("alipay_public_key"):
            public = keys.public_key(credentials.alipay_public_key)
            if public == private.public_key():
                raise KeyMaterialError("own_public_key")
        return
    with keys.naming("alipay_root_certificate"):
        keys.certificates(credentials.alipay_root_certificate)
    with keys.naming("app_certificate"):
        own = keys.certificate(credentials.app_certificate)
        if keys.rsa_of_certificate(own) != private.public_key():
            raise KeyMaterialError("key_does_not_fit")
        keys.check_certificate_dates(own)
    with keys.naming("alipay_certificate"):
        theirs = keys.certificate(credentials.alipay_certificate)
        if keys.rsa_of_certificate(theirs) == private.public_key():
            raise KeyMaterialError("own_certificate")
        keys.check_certificate_dates(theirs)
        keys.check_issued_by_root(
            credentials.alipay_certificate, credentials.alipay_root_certificate
        )


def _refusal(content, *, signed):
    return Refusal(
        _line(content.get("code")),
        _line(content.get("sub_code")),
        _line(content.get("sub_msg") or content.get("msg")),
        signed=signed,
    )


def _line(value):
    """Return a value of an answer as one short line: it goes into sentences and logs."""
    return " ".join(str(value or "").split())[:200]
