"""Certificate mode: the chain that Alipay issues, and the serial numbers it reckons by.

Alipay's sn is no X.509 serial number: it is the MD5 of the issuer's name, written as RFC 2253
has it, followed by the serial number in decimal; a root file's sn joins those of its RSA
certificates by `_` (docs.open.alipay.com/291/105971, AlipaySignature.getCertSN).
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .. import keys

RSA_SIGNATURES = "1.2.840.113549.1.1"
YEARS = timedelta(days=3650)


def sn(certificate: x509.Certificate) -> str:
    """Reckon Alipay's serial number of one certificate."""
    text = f"{certificate.issuer.rfc4514_string()}{certificate.serial_number}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def root_sn(pem: str) -> str:
    """Reckon the serial number of a root file, of which only the RSA certificates count."""
    return "_".join(
        sn(certificate)
        for certificate in x509.load_pem_x509_certificates(pem.encode())
        if certificate.signature_algorithm_oid.dotted_string.startswith(RSA_SIGNATURES)
    )


def load(pem: str) -> x509.Certificate:
    """Read the first certificate of a PEM file."""
    return x509.load_pem_x509_certificates(pem.encode())[0]


def _name(common: str, unit: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Simulated Ant Financial"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _issue(subject, public_key, issuer, key, start, end, authority=False) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


@dataclass(frozen=True)
class Authority:
    """A root and the authority below it that issues Alipay's and the apps' certificates."""

    key: keys.PrivateKey
    certificate: x509.Certificate
    root_file: str

    @classmethod
    def of(cls, settings: dict[str, str]) -> "Authority":
        """Read it back from what `kept` gave."""
        key = keys.load_private(settings["authority_key"])
        return cls(key, load(settings["authority_certificate"]), settings["root_certificate"])

    def kept(self) -> dict[str, str]:
        """Write it down as PEM texts."""
        return {
            "authority_key": keys.private_pem(self.key),
            "authority_certificate": keys.certificate_pem(self.certificate),
            "root_certificate": self.root_file,
        }

    @classmethod
    def new(cls, now: float) -> "Authority":
        """Make a chain, and a root file that holds an EC root beside the RSA one."""
        start = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
        end = start + YEARS
        root_key, key = keys.new_key(), keys.new_key()
        strange_key = ec.generate_private_key(ec.SECP256R1())
        root_name = _name("Simulated Root Authority R1", "Root")
        strange_name = _name("Simulated Root Authority EC", "Root")
        root = _issue(root_name, root_key.public_key(), root_name, root_key, start, end, True)
        strange = _issue(
            strange_name, strange_key.public_key(), strange_name, strange_key, start, end, True
        )
        below = _name("Simulated Authority Class 2 R1", "Issuing")
        certificate = _issue(below, key.public_key(), root_name, root_key, start, end, True)
        return cls(key, certificate, keys.certificate_pem(strange) + keys.certificate_pem(root))

    def issue(self, common: str, key: keys.PublicKey, now: float, days: tuple[int, int]) -> str:
        """Issue a certificate that is valid from and to so many days from now."""
        today = datetime.fromtimestamp(now, UTC)
        start, end = (today + timedelta(days=day) for day in days)
        issuer = self.certificate.subject
        return keys.certificate_pem(
            _issue(_name(common, "Apps"), key, issuer, self.key, start, end)
        )

    def chain(self, certificate: str) -> str:
        """Append this authority's own certificate, as Alipay's file has it."""
        return certificate + keys.certificate_pem(self.certificate)
