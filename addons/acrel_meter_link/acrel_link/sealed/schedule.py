"""Every key and proof of the sealed channel, derived from a link's 32-byte device key."""

import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import Fault, SealedError
from .suites import Suite

KEY_SIZE = 32
IV_SIZE = 12
WRAPPED_SIZE = KEY_SIZE + 8


def _derive(key: bytes, salt: bytes | None, info: bytes, size: int) -> bytes:
    return HKDF(hashes.SHA256(), size, salt, info).derive(key)


def _mac(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"".join(parts), "sha256")


def auth_key(key: bytes, sn: bytes) -> bytes:
    """Return K_auth, which both proofs are made with."""
    return _derive(key, None, b"adw/v1 auth" + sn, 32)


def server_proof(auth: bytes, hello: bytes, challenge: bytes) -> bytes:
    """Return E2's proof over E1 and the unproven E2, each as `cmd … body`."""
    return _mac(auth, b"adw/v1 server", hello, challenge)


def device_proof(auth: bytes, hello: bytes, challenge: bytes, proof: bytes) -> bytes:
    """Return E3's proof, which covers the server's one too."""
    return _mac(auth, b"adw/v1 device", hello, challenge, proof)


@dataclass(frozen=True, repr=False, slots=True)
class SessionKeys:
    """Keys and first nonces of a session, one pair a direction."""

    up: bytes
    down: bytes
    iv_up: bytes
    iv_down: bytes


def session_keys(
    key: bytes, secret: bytes, hello: bytes, challenge: bytes, suite: Suite
) -> SessionKeys:
    """Return the keys of a session; `secret` is X25519's, or empty."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(hello + challenge)
    n = suite.key_size
    okm = _derive(key + secret, digest.finalize(), b"adw/v1 session", 2 * (n + IV_SIZE))
    return SessionKeys(
        okm[:n], okm[n : 2 * n], okm[2 * n : 2 * n + IV_SIZE], okm[2 * n + IV_SIZE :]
    )


# === Rekey === #


def wrap_key(key: bytes, sn: bytes, new: bytes) -> bytes:
    """Return a new device key wrapped under the present one (RFC 3394)."""
    return keywrap.aes_key_wrap(_derive(key, None, b"adw/v1 wrap" + sn, 32), new)


def unwrap_key(key: bytes, sn: bytes, wrapped: bytes) -> bytes:
    """Return the new device key that a rekey brought."""
    try:
        return keywrap.aes_key_unwrap(_derive(key, None, b"adw/v1 wrap" + sn, 32), wrapped)
    except (keywrap.InvalidUnwrap, ValueError) as error:
        raise SealedError("A rekey brings no key.", Fault.FORBIDDEN) from error
