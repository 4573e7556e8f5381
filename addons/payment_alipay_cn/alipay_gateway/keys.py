"""Keys and certificates, in every shape that Alipay's tools and consoles give them."""

import base64
import binascii
import re
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from alipay import DCAliPay
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .errors import KeyMaterialError

SMALLEST_KEY_BITS = 2048  # RSA2 keys have 2048 bits (Alipay, "sign" guide)
_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


class Credentials(NamedTuple):
    """What one application signs and verifies with; texts as a person pasted them.

    In certificate mode the three certificates are filled and `alipay_public_key` is empty.
    """

    app_id: str
    app_private_key: str
    alipay_public_key: str = ""
    app_certificate: str = ""
    alipay_certificate: str = ""
    alipay_root_certificate: str = ""

    @property
    def uses_certificates(self):
        """Whether the application was set up with certificates instead of bare public keys."""
        return bool(self.alipay_certificate)

    def __repr__(self):
        return f"Credentials(app_id={self.app_id!r}, …)"


def private_key(text):
    """Return the RSA private key in `text`: PKCS#1 or PKCS#8, as PEM or as its bare base64."""
    label, der = _der(text)
    if label and "PUBLIC" in label:
        raise KeyMaterialError("public_for_private")
    if label and "CERTIFICATE" in label:
        raise KeyMaterialError("certificate_for_private")
    if label and "ENCRYPTED" in label:
        raise KeyMaterialError("encrypted")
    try:
        key = serialization.load_der_private_key(der, password=None)
    except TypeError:
        raise KeyMaterialError("encrypted") from None
    except (ValueError, UnsupportedAlgorithm):
        reason = "public_for_private" if _is_public(der) else "not_a_private_key"
        raise KeyMaterialError(reason) from None
    return _strong_rsa(key, rsa.RSAPrivateKey)


def public_key(text):
    """Return the RSA public key in `text`: PEM, or its bare base64."""
    label, der = _der(text)
    if label and "PRIVATE" in label:
        raise KeyMaterialError("private_for_public")
    if label and "CERTIFICATE" in label:
        raise KeyMaterialError("certificate_for_public")
    try:
        key = serialization.load_der_public_key(der)
    except ValueError:
        raise KeyMaterialError("not_a_public_key") from None
    return _strong_rsa(key, rsa.RSAPublicKey)


def certificate(text):
    """Return the first certificate in `text` (PEM, as downloaded from the console)."""
    return certificates(text)[0]


def certificates(text):
    """Return every certificate in `text`, in their order; root files hold several."""
    bodies = [m[2] for m in _PEM_BLOCK.finditer(text or "") if m[1] == "CERTIFICATE"]
    if not bodies:
        raise KeyMaterialError("not_a_certificate")
    try:
        return [
            x509.load_der_x509_certificate(base64.b64decode("".join(body.split()), validate=True))
            for body in bodies
        ]
    except ValueError:
        raise KeyMaterialError("not_a_certificate") from None


def pem_of(key):
    """Return a private or public key as the PEM text that the SDK reads."""
    if isinstance(key, rsa.RSAPrivateKey):
        written = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    else:
        written = key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    return written.decode()


def pem_of_certificates(text):
    """Return the certificates of `text` as PEM, a blank line between two: the SDK splits there."""
    encoded = [found.public_bytes(serialization.Encoding.PEM) for found in certificates(text)]
    return "\n\n".join(pem.decode().strip() for pem in encoded)


def certificate_serial(found):
    """Return Alipay's own serial number of a certificate, as the SDK computes it."""
    return DCAliPay.get_cert_sn(found.public_bytes(serialization.Encoding.PEM))


@contextmanager
def naming(part):
    """Name the credential that a KeyMaterialError inside the block is about."""
    try:
        yield
    except KeyMaterialError as problem:
        problem.values.setdefault("part", part)
        raise


def rsa_of_certificate(found):
    """Return the RSA public key that a certificate is about."""
    return _strong_rsa(found.public_key(), rsa.RSAPublicKey)


def check_certificate_dates(found, now=None):
    """Raise KeyMaterialError when the certificate is not valid at `now` (aware; default: now)."""
    now = now or datetime.now(UTC)
    if now > found.not_valid_after_utc:
        raise KeyMaterialError(
            "certificate_expired", date=found.not_valid_after_utc.date().isoformat()
        )
    if now < found.not_valid_before_utc:
        raise KeyMaterialError(
            "certificate_not_yet_valid", date=found.not_valid_before_utc.date().isoformat()
        )


def check_issued_by_root(text, root_text):
    """Raise KeyMaterialError unless the chain in `text` ends at a certificate of the root file.

    A text of one certificate, without its issuer's, cannot be checked and passes.
    """
    chain = certificates(text)
    for issued, issuer in pairwise(chain):
        _check_issued(issued, issuer)
    last = chain[-1]
    roots = [root for root in certificates(root_text) if root.subject == last.issuer]
    if not roots and len(chain) > 1:
        raise KeyMaterialError("certificate_of_another_root")
    for root in roots:
        _check_issued(last, root)


def _check_issued(issued, issuer):
    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise KeyMaterialError("certificate_of_another_root") from None


def _der(text):
    """Return (PEM label or None, DER bytes) of a key text."""
    stripped = (text or "").strip()
    found = _PEM_BLOCK.search(stripped)
    if found:
        label, body = found[1], found[2]
    elif "-----" in stripped:
        raise KeyMaterialError("broken_pem")
    else:
        label, body = None, stripped
    try:
        return label, base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise KeyMaterialError("encrypted" if "Proc-Type" in body else "not_base64") from None


def _is_public(der):
    try:
        serialization.load_der_public_key(der)
    except ValueError:
        return False
    return True


def _strong_rsa(key, kind):
    if not isinstance(key, kind):
        raise KeyMaterialError("not_rsa")
    if key.key_size < SMALLEST_KEY_BITS:
        raise KeyMaterialError("too_short", bits=key.key_size)
    return key
