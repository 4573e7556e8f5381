"""The provisioning package: keys and certificates on their way to the bench.

JSON around AES-256-GCM. The content's key is agreed by X25519 with the recipient: an installer's
key pair, or one whose private half is scrypt of a passphrase. So whoever orders a package needs to
hand on nothing but a public key and a salt. Needs neither Odoo nor PostgreSQL.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from .check import check_value
from .errors import PackageError

FORMAT, VERSION = "acrel-provisioning-package", 1
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**17, 8, 1
SALT_BYTES, NONCE_BYTES = 16, 12
PASSPHRASE_LEAST = 12
MOST_BYTES = 64 * 2**20

_OUTER = {"format", "version", "recipient", "scrypt_salt", "ephemeral", "nonce", "content"}


@dataclass(frozen=True)
class LinkKey:
    """A device key as it is handed over; `check_value` is checked when a package is opened."""

    serial: str
    iccid: str
    model: str
    key_version: int
    key: bytes = field(repr=False)
    check_value: bytes


@dataclass(frozen=True)
class LinkCertificate:
    """A device's certificate with its private key, and that of its authority; all PEM."""

    serial: str
    private_key: str = field(repr=False)
    certificate: str
    authority: str


@dataclass(frozen=True)
class Payload:
    """What a package carries: any number of links."""

    links: tuple[LinkKey, ...] = ()
    certificates: tuple[LinkCertificate, ...] = ()


@dataclass(frozen=True)
class Recipient:
    """Who can open a package: a public key, and the salt where a passphrase stands behind it."""

    public_key: bytes
    salt: bytes | None = None

    @classmethod
    def from_public_key(cls, public_key: bytes | str) -> "Recipient":
        """Take an installer's X25519 public key: 32 bytes, or their base64."""
        try:
            raw = _base64(public_key) if isinstance(public_key, str) else public_key
            X25519PublicKey.from_public_bytes(raw)
        except ValueError as error:
            raise PackageError(
                "The installer's public key is no X25519 public key: it must be 32 bytes in "
                "base64, as python -m acrel_link.keys recipient prints it."
            ) from error
        return cls(raw)

    @classmethod
    def from_passphrase(cls, passphrase: str) -> "Recipient":
        """Turn a passphrase into a public key under a new salt."""
        if len(passphrase) < PASSPHRASE_LEAST:
            raise PackageError(
                f"The passphrase has {len(passphrase)} characters: use at least "
                f"{PASSPHRASE_LEAST}, for whoever finds the package can try them all."
            )
        salt = os.urandom(SALT_BYTES)
        return cls(_private(passphrase, salt).public_key().public_bytes_raw(), salt)

    def as_record(self) -> dict[str, str]:
        """Return what a job row keeps of it; nothing in it is secret."""
        record = {"public_key": _text(self.public_key)}
        return record | ({"salt": _text(self.salt)} if self.salt else {})

    @classmethod
    def of_record(cls, record: Mapping[str, str]) -> "Recipient":
        """Read what `as_record` returned."""
        salt = _base64(record["salt"]) if record.get("salt") else None
        return cls(cls.from_public_key(record["public_key"]).public_key, salt)


def seal(payload: Payload, recipient: Recipient) -> bytes:
    """Encrypt a package to its recipient."""
    ephemeral = X25519PrivateKey.generate()
    public = ephemeral.public_key().public_bytes_raw()
    nonce = os.urandom(NONCE_BYTES)
    outer = {
        "format": FORMAT,
        "version": VERSION,
        "recipient": _text(recipient.public_key),
        "scrypt_salt": _text(recipient.salt) if recipient.salt else None,
        "ephemeral": _text(public),
        "nonce": _text(nonce),
    }
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient.public_key))
    key = _content_key(shared, public, recipient.public_key)
    content = AESGCM(key).encrypt(nonce, _plain(payload), _bound(outer))
    return json.dumps(outer | {"content": _text(content)}, indent=1).encode() + b"\n"


def open_with_passphrase(data: bytes, passphrase: str) -> Payload:
    """Open a package that was encrypted to a passphrase.

    :raise PackageError: when the passphrase is another, or the package was changed
    """
    outer = _outer(data)
    if outer["scrypt_salt"] is None:
        raise PackageError(
            "The package is encrypted to an installer's key pair and not to a passphrase: open "
            "it with that private key."
        )
    private = _private(passphrase, _base64(outer["scrypt_salt"]))
    return _open(outer, private, "the passphrase is another one, or the file was changed")


def open_with_private_key(data: bytes, private_key: bytes) -> Payload:
    """Open a package that was encrypted to an installer's X25519 key pair.

    :param private_key: 32 bytes
    :raise PackageError: when the key is another, or the package was changed
    """
    outer = _outer(data)
    private = X25519PrivateKey.from_private_bytes(private_key)
    return _open(outer, private, "it is for another private key, or the file was changed")


def _open(outer: dict, private: X25519PrivateKey, otherwise: str) -> Payload:
    recipient, ephemeral = _base64(outer["recipient"]), _base64(outer["ephemeral"])
    bound = {name: outer[name] for name in outer if name != "content"}
    try:
        # a point of small order is refused here as well
        shared = private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        plain = AESGCM(_content_key(shared, ephemeral, recipient)).decrypt(
            _base64(outer["nonce"]), _base64(outer["content"]), _bound(bound)
        )
    except (InvalidTag, ValueError) as error:
        raise PackageError(f"The package does not open: {otherwise}.") from error
    return _payload(plain)


def _private(passphrase: str, salt: bytes) -> X25519PrivateKey:
    scrypt = Scrypt(salt=salt, length=32, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
    return X25519PrivateKey.from_private_bytes(scrypt.derive(passphrase.encode()))


def _content_key(shared: bytes, ephemeral: bytes, recipient: bytes) -> bytes:
    hkdf = HKDF(SHA256(), 32, salt=ephemeral + recipient, info=b"acrel/v1 package")
    return hkdf.derive(shared)


def _bound(outer: dict) -> bytes:
    return json.dumps(outer, sort_keys=True, separators=(",", ":")).encode()


def _outer(data: bytes) -> dict[str, Any]:
    """Read what stands around the content; its strings are base64 of the right lengths."""
    refusal = PackageError(
        "The file is no provisioning package of this version: export it again, and copy it "
        "unchanged."
    )
    if len(data) > MOST_BYTES:
        raise refusal
    try:
        outer = json.loads(data)
        salt = outer["scrypt_salt"]
        lengths = {"recipient": 32, "ephemeral": 32, "nonce": NONCE_BYTES}
        fits = (
            set(outer) == _OUTER
            and (outer["format"], outer["version"]) == (FORMAT, VERSION)
            and all(len(_base64(outer[name])) == length for name, length in lengths.items())
            and (salt is None or len(_base64(salt)) == SALT_BYTES)
            and bool(_base64(outer["content"]))
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise refusal from error
    if not fits:
        raise refusal
    return outer


def _plain(payload: Payload) -> bytes:
    links = [
        vars(link) | {"key": link.key.hex(), "check_value": link.check_value.hex()}
        for link in payload.links
    ]
    certificates = [vars(certificate) for certificate in payload.certificates]
    return json.dumps({"links": links, "certificates": certificates}).encode()


def _payload(plain: bytes) -> Payload:
    """Read the content and check each key against its check value."""
    try:
        content = json.loads(plain)
        links = tuple(
            LinkKey(
                **told
                | {
                    "key": bytes.fromhex(told["key"]),
                    "check_value": bytes.fromhex(told["check_value"]),
                }
            )
            for told in content["links"]
        )
        certificates = tuple(LinkCertificate(**told) for told in content["certificates"])
        wrong = [
            link.serial for link in links if check_value(link.key, link.serial) != link.check_value
        ]
    except (ValueError, TypeError, KeyError):
        # the cause would show the content in a traceback
        raise PackageError(
            "The package opens, but its content is not of this version: update this program."
        ) from None
    if wrong:
        raise PackageError(
            f"The package opens, but the key of {wrong[0]} does not fit its check value: hand it "
            "over anew."
        )
    return Payload(links, certificates)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError("no base64") from error
