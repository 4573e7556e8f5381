"""RSA keys and certificates: both gateways sign by SHA-256 with RSA, PKCS#1 v1.5."""

import base64
import binascii
import functools
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

PrivateKey = rsa.RSAPrivateKey
PublicKey = rsa.RSAPublicKey


def new_key() -> PrivateKey:
    """Make an RSA key of 2048 bits."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def sign(key: PrivateKey, data: bytes) -> str:
    """Sign the bytes; base64."""
    return base64.b64encode(key.sign(data, padding.PKCS1v15(), hashes.SHA256())).decode("ascii")


def verify(key: PublicKey, data: bytes, signature: str) -> bool:
    """Tell whether the base64 signature fits the bytes; one that is no base64 does not."""
    try:
        key.verify(
            base64.b64decode(signature, validate=True), data, padding.PKCS1v15(), hashes.SHA256()
        )
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def private_pem(key: PrivateKey) -> str:
    """Write a private key as PKCS#8."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


def public_pem(key: PublicKey) -> str:
    """Write a public key as SubjectPublicKeyInfo."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode("ascii")


@functools.lru_cache(maxsize=256)
def load_private(pem: str) -> PrivateKey:
    """Read a private key, PKCS#1 or PKCS#8."""
    key = serialization.load_pem_private_key(pem.encode("ascii"), password=None)
    if not isinstance(key, PrivateKey):
        raise ValueError("this private key is not an RSA key")
    return key


@functools.lru_cache(maxsize=256)
def load_public(pem: str) -> PublicKey:
    """Read a public key."""
    key = serialization.load_pem_public_key(pem.encode("ascii"))
    if not isinstance(key, PublicKey):
        raise ValueError("this public key is not an RSA key")
    return key


def load_certificate(pem: str) -> x509.Certificate:
    """Read one certificate."""
    return x509.load_pem_x509_certificate(pem.encode("ascii"))


def certificate_pem(certificate: x509.Certificate) -> str:
    """Write a certificate."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


SERIAL_FIRST_DIGIT = 1 << 156
"""Set in every serial number: with a zero in front it has fewer digits where others write it."""


def serial_of(certificate: x509.Certificate) -> str:
    """Return a certificate's serial number as 40 hexadecimal digits, as the gateways name it."""
    return f"{certificate.serial_number:040X}"


def certificate(
    key: PublicKey,
    subject: str,
    issuer_key: PrivateKey,
    issuer: str,
    *,
    begins: datetime | None = None,
    ends: datetime | None = None,
    organization: str = "",
    authority: bool = False,
) -> x509.Certificate:
    """Make a certificate for a key; by default valid from yesterday for five years."""
    begins = begins or datetime.now(UTC) - timedelta(days=1)
    ends = ends or begins + timedelta(days=5 * 365)

    def name(common_name: str) -> x509.Name:
        attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "CN")]
        if organization:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])

    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number() | SERIAL_FIRST_DIGIT)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
