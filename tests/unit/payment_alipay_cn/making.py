"""Keys, certificates and answers as a test wants them."""

import base64
import datetime
import functools
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

PKCS8 = serialization.PrivateFormat.PKCS8
PKCS1 = serialization.PrivateFormat.TraditionalOpenSSL


@functools.cache
def key(_name, bits=2048):
    """Return the RSA key of this name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def pem(private, shape=PKCS8, lock=None):
    """Return a private key as PEM."""
    lock = lock or serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, shape, lock).decode()


def public_pem(private):
    """Return the public half as PEM."""
    return (
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def bare(text):
    """Return a PEM's base64 in one line, as Alipay's tools show it."""
    return "".join(text.split("-----")[2].split())


def sign(private, text):
    """Return the RSA2 signature of a text."""
    data = text.encode() if isinstance(text, str) else text
    return base64.b64encode(private.sign(data, padding.PKCS1v15(), hashes.SHA256())).decode()


def certificate(private, issuer_key=None, *, name="App", issuer="Issuer", days=(-1, 100), serial=7):
    """Return a certificate as PEM."""
    now = datetime.datetime.now(datetime.UTC)

    def title(common):
        parts = (("C", "CN"), ("O", "Ant Financial"), ("OU", "CA"), ("CN", common))
        oids = {
            "C": x509.NameOID.COUNTRY_NAME,
            "O": x509.NameOID.ORGANIZATION_NAME,
            "OU": x509.NameOID.ORGANIZATIONAL_UNIT_NAME,
            "CN": x509.NameOID.COMMON_NAME,
        }
        return x509.Name([x509.NameAttribute(oids[short], value) for short, value in parts])

    return (
        x509.CertificateBuilder()
        .subject_name(title(name))
        .issuer_name(title(issuer))
        .public_key(private.public_key())
        .serial_number(serial)
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .sign(issuer_key or key("issuer"), hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )


def answer(private, content, *, method="alipay.trade.query", after="", **more):
    """Return an answer's bytes, signed as Alipay signs: the member's text as it is written."""
    signed = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    name = method.replace(".", "_") + "_response"
    extra = "".join(f',"{name}":"{value}"' for name, value in more.items())
    return f'{{"{name}":{signed}{extra},"sign":"{sign(private, signed)}"{after}}}'.encode()
