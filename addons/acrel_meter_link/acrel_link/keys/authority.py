"""X.509 of the operator's own authority: pure, nothing is stored here."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CURVE = ec.SECP256R1()
SCALAR_BYTES = 32
AUTHORITY_DAYS = 3650
BACKDATED = timedelta(minutes=10)  # a meter's clock may be a little behind
LIST_DAYS = 30


@dataclass(frozen=True)
class Issued:
    """A certificate with its private key."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def private_pem(self) -> str:
        """The private key as PEM (PKCS#8), not encrypted."""
        return self.private_key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode()

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate's DER."""
        return self.certificate.fingerprint(SHA256())

    @property
    def not_after(self) -> datetime:
        """When it ends, UTC without zone, as the database keeps times."""
        return self.certificate.not_valid_after_utc.replace(tzinfo=None)

    @property
    def number(self) -> str:
        """The certificate's serial number, hexadecimal."""
        return f"{self.certificate.serial_number:x}"


def authority_name(fingerprint: bytes) -> bytes:
    """Return the name under which an authority's private key is wrapped."""
    return b"authority " + fingerprint.hex().encode()


def make_authority(name: str) -> Issued:
    """Make an authority that signs itself."""
    key = ec.generate_private_key(CURVE)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key, AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    return Issued(builder.sign(key, SHA256()), key)


def restore(certificate_pem: str, scalar: bytes) -> Issued:
    """Return an authority whose private key was kept as its 32-byte number."""
    key = ec.derive_private_key(int.from_bytes(scalar), CURVE)
    return Issued(x509.load_pem_x509_certificate(certificate_pem.encode()), key)


def scalar(authority: Issued) -> bytes:
    """Return the private key as the 32 bytes that are wrapped."""
    return authority.private_key.private_numbers().private_value.to_bytes(SCALAR_BYTES)


def certify_link(authority: Issued, serial: str, days: int) -> Issued:
    """Make key and certificate of a link: its serial number as common and as alternative name."""
    return _certify(
        authority, serial, [x509.DNSName(serial)], days, ExtendedKeyUsageOID.CLIENT_AUTH
    )


def certify_listener(authority: Issued, names: Sequence[str], days: int) -> Issued:
    """Make key and certificate of a listener that meters reach by these names or addresses."""
    alternatives = [_alternative(name) for name in names]
    return _certify(authority, names[0], alternatives, days, ExtendedKeyUsageOID.SERVER_AUTH)


def revocation_list(
    authority: Issued, number: int, revoked: Sequence[tuple[str, datetime]], now: datetime
) -> bytes:
    """Return a CRL as PEM.

    :param revoked: serial numbers (hexadecimal) and when each was revoked, UTC
    """
    builder = x509.CertificateRevocationListBuilder(
        authority.certificate.subject, now, now + timedelta(days=LIST_DAYS)
    ).add_extension(x509.CRLNumber(number), critical=False)
    for serial_number, at in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder(int(serial_number, 16), at).build()
        )
    return builder.sign(authority.private_key, SHA256()).public_bytes(Encoding.PEM)


def _certify(authority, name, alternatives, days, usage) -> Issued:
    key = ec.generate_private_key(CURVE)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = authority.certificate
    builder = _builder(subject, issuer.subject, key, days, issuer.not_valid_after_utc)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
    )
    return Issued(builder.sign(authority.private_key, SHA256()), key)


def _builder(subject, issuer, key, days, last=None) -> x509.CertificateBuilder:
    begin = datetime.now(UTC) - BACKDATED
    end = begin + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(min(end, last) if last else end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(**used: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**dict.fromkeys(names, False) | used)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
