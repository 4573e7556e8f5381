"""The six suites: an AEAD, with or without an X25519 exchange before it."""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

from .errors import Fault, SealedError
from .wire import TAG_SIZE


class Aead(Protocol):
    """Encrypts and authenticates; `decrypt` raises `InvalidTag`."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Return ciphertext and tag."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Return the plaintext of a ciphertext with its tag behind it."""


class SM4GCM:
    """SM4 in GCM, in the form of cryptography's `AESGCM`, which has none for SM4."""

    __slots__ = ("_algorithm",)

    def __init__(self, key: bytes):
        self._algorithm = SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Return ciphertext and tag."""
        encryptor = Cipher(self._algorithm, GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(associated_data)
        return encryptor.update(data) + encryptor.finalize() + encryptor.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Return the plaintext of a ciphertext with its tag behind it."""
        mode = GCM(nonce, data[-TAG_SIZE:])
        decryptor = Cipher(self._algorithm, mode).decryptor()
        decryptor.authenticate_additional_data(associated_data)
        return decryptor.update(data[:-TAG_SIZE]) + decryptor.finalize()


class Suite(NamedTuple):
    """A suite: its number, its bit in an offer, its key length in bytes and its cipher."""

    number: int
    bit: int
    key_size: int
    aead: Callable[[bytes], Aead]
    exchanges: bool


SUITES = {
    suite.number: suite
    for suite in (
        Suite(0x01, 0x01, 16, AESGCM, False),
        Suite(0x02, 0x02, 32, AESGCM, False),
        Suite(0x03, 0x04, 16, SM4GCM, False),
        Suite(0x11, 0x08, 16, AESGCM, True),
        Suite(0x12, 0x10, 32, AESGCM, True),
        Suite(0x13, 0x20, 16, SM4GCM, True),
    )
}
EXCHANGING = sum(suite.bit for suite in SUITES.values() if suite.exchanges)
DEFAULT_PREFERENCE = (0x01, 0x11, 0x02, 0x12, 0x03, 0x13)


def offer(numbers: Sequence[int]) -> int:
    """Return the bits that offer these suites."""
    return sum(SUITES[number].bit for number in set(numbers))


def choose(preference: Sequence[int], offered: int) -> Suite | None:
    """Return the first suite of a preference list that is offered too."""
    for number in preference:
        suite = SUITES[number]
        if suite.bit & offered:
            return suite
    return None


class Exchange:
    """One side of an X25519 exchange."""

    __slots__ = ("_private", "share")

    def __init__(self, random: Callable[[int], bytes] = os.urandom):
        self._private = X25519PrivateKey.from_private_bytes(random(32))
        self.share = self._private.public_key().public_bytes_raw()

    def secret(self, share: bytes) -> bytes:
        """Return what both sides know now; a share of small order is refused."""
        try:
            return self._private.exchange(X25519PublicKey.from_public_bytes(share))
        except ValueError as error:
            raise SealedError("The peer's share is no key to agree on.", Fault.MALFORMED) from error
