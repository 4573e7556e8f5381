"""Read the keys and certificates of API v3 as people paste them."""

import base64
import binascii
import re
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
)

MINIMUM_BITS = 2048
BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


class KeyFormatError(ValueError):
    """A text is not the key or certificate that it should be; `reason` says why.

    Reasons: not_pem, encrypted, wrong_kind, unreadable, not_rsa, too_short. Never the text itself.
    """

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class Verifier(NamedTuple):
    """A public key of the gateway and the time it holds for (None: without limit)."""

    public_key: rsa.RSAPublicKey
    not_before: datetime | None = None
    not_after: datetime | None = None

    def holds(self, moment):
        """Tell whether the key is valid at an aware time."""
        return self.not_after is None or self.not_before <= moment <= self.not_after


def pem_blocks(text):
    """Return (label, DER bytes) of each PEM block, also of one whose line ends were lost."""
    blocks = []
    for label, body in BLOCK.findall(text or ""):
        if "ENCRYPTED" in label or "Proc-Type" in body:
            raise KeyFormatError("encrypted")
        try:
            blocks.append((label, base64.b64decode("".join(body.split()), validate=True)))
        except binascii.Error as error:
            raise KeyFormatError("unreadable") from error
    if not blocks:
        raise KeyFormatError("not_pem")
    return blocks


def _only_block(text, labels):
    """Return the DER bytes of the one block, whose label must be among `labels`."""
    blocks = pem_blocks(text)
    if len(blocks) != 1 or blocks[0][0] not in labels:
        raise KeyFormatError("wrong_kind")
    return blocks[0][1]


def _strong_rsa(key, kind):
    """Return the key if it is RSA of 2048 bits or more."""
    if not isinstance(key, kind):
        raise KeyFormatError("not_rsa")
    if key.key_size < MINIMUM_BITS:
        raise KeyFormatError("too_short")
    return key


def load_private_key(text):
    """Return the RSA key of a PKCS#1 or PKCS#8 PEM."""
    der = _only_block(text, {"PRIVATE KEY", "RSA PRIVATE KEY"})
    try:
        key = load_der_private_key(der, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without its cause: no text about the inside of a secret goes up.
        raise KeyFormatError("unreadable") from None
    return _strong_rsa(key, rsa.RSAPrivateKey)


def load_public_key(text):
    """Return the RSA key of a public-key PEM (SubjectPublicKeyInfo or PKCS#1)."""
    der = _only_block(text, {"PUBLIC KEY", "RSA PUBLIC KEY"})
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFormatError("unreadable") from error
    return _strong_rsa(key, rsa.RSAPublicKey)


def load_certificates(text):
    """Return the certificates of one or several PEM blocks, in their order."""
    certificates = []
    for label, der in pem_blocks(text):
        if label != "CERTIFICATE":
            raise KeyFormatError("wrong_kind")
        try:
            certificates.append(x509.load_der_x509_certificate(der))
        except ValueError as error:
            raise KeyFormatError("unreadable") from error
    return certificates


def certificate_serial(certificate):
    """Return the serial number as the gateway writes it: upper-case hexadecimal."""
    return f"{certificate.serial_number:X}"


def certificate_verifier(certificate):
    """Return the Verifier of a platform certificate."""
    return Verifier(
        _strong_rsa(certificate.public_key(), rsa.RSAPublicKey),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )


def fits(private_key, public_key):
    """Tell whether two keys are one pair."""
    return private_key.public_key().public_numbers() == public_key.public_numbers()
