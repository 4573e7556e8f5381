"""PKCS#12: a certificate with its private key as modules, gateways and browsers import it."""

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from .package import LinkCertificate

ROUNDS = 600_000


def encode(handed: LinkCertificate, passphrase: str) -> bytes:
    """Return certificate, private key and authority under a passphrase (PBES2, AES-256)."""
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(SHA256())
        .build(passphrase.encode())
    )
    return pkcs12.serialize_key_and_certificates(
        handed.serial.encode(),
        load_pem_private_key(handed.private_key.encode(), None),
        x509.load_pem_x509_certificate(handed.certificate.encode()),
        [x509.load_pem_x509_certificate(handed.authority.encode())],
        encryption,
    )
