"""RSA2: what is signed (opendocs: 自行实现签名, 自行实现验签)."""

import base64
from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

OF_A_REQUEST = ("sign",)
OF_A_NOTIFICATION = ("sign", "sign_type")  # the return page's parameters too


def string_to_sign(parameters: Mapping[str, str], without: Iterable[str]) -> str:
    """Join what has a value as `name=value`, sorted by name, with `&`; nothing is URL-encoded."""
    left_out = set(without)
    return "&".join(
        f"{name}={value}"
        for name, value in sorted(parameters.items())
        if name not in left_out and value != ""
    )


def read_public_key(text: str) -> rsa.RSAPublicKey:
    """Read a public key as the console takes it: one line of base64 (X.509), or PEM."""
    if "-----BEGIN" in text:
        key = serialization.load_pem_public_key(text.encode())
    else:
        key = serialization.load_der_public_key(base64.b64decode("".join(text.split())))
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("The public key is no RSA key.")
    return key


def public_line(key: rsa.RSAPublicKey) -> str:
    """Write a public key as the console shows it: base64 in one line."""
    return base64.b64encode(
        key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ).decode()
