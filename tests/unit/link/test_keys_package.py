"""The provisioning package opens for its recipient alone, and not when a byte was changed."""

import json
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from acrel_link.keys.check import check_value
from acrel_link.keys.errors import PackageError
from acrel_link.keys.package import (
    LinkKey,
    Payload,
    Recipient,
    open_with_passphrase,
    open_with_private_key,
    seal,
)

PASSPHRASE = "correct horse battery staple"
SERIAL = "12307210720085"


def payload(key: bytes | None = None, **changed) -> Payload:
    key = key or os.urandom(32)
    told = {
        "serial": SERIAL,
        "iccid": "89860123456789012345",
        "model": "adw300",
        "key_version": 7,
        "key": key,
        "check_value": check_value(key, SERIAL),
    }
    return Payload(links=(LinkKey(**told | changed),))


@pytest.fixture(scope="module")
def to_passphrase() -> Recipient:
    return Recipient.from_passphrase(PASSPHRASE)


@pytest.fixture(scope="module")
def installer() -> X25519PrivateKey:
    return X25519PrivateKey.generate()


def to(installer: X25519PrivateKey) -> Recipient:
    return Recipient.from_public_key(installer.public_key().public_bytes_raw())


def test_check_value_is_the_protocol_s():
    key = bytes(range(0x20, 0x40))
    assert check_value(key, SERIAL).hex() == "5077d64e71d81016"


def test_passphrase_opens_it(to_passphrase):
    told = payload()
    assert open_with_passphrase(seal(told, to_passphrase), PASSPHRASE) == told


def test_recipient_survives_a_job_row(to_passphrase):
    again = Recipient.of_record(json.loads(json.dumps(to_passphrase.as_record())))
    told = payload()
    assert open_with_passphrase(seal(told, again), PASSPHRASE) == told


def test_what_a_job_row_keeps_does_not_open_it(to_passphrase):
    package = seal(payload(), to_passphrase)
    for known in (to_passphrase.public_key, to_passphrase.salt * 2):
        with pytest.raises(PackageError, match="does not open"):
            open_with_private_key(package, known)


def test_another_passphrase_does_not(to_passphrase):
    with pytest.raises(PackageError, match="passphrase is another one"):
        open_with_passphrase(seal(payload(), to_passphrase), PASSPHRASE + ".")


def test_installer_s_key_opens_it(installer):
    told = payload()
    package = seal(told, to(installer))
    assert open_with_private_key(package, installer.private_bytes_raw()) == told
    with pytest.raises(PackageError, match="another private key"):
        open_with_private_key(package, os.urandom(32))
    with pytest.raises(PackageError, match="not to a passphrase"):
        open_with_passphrase(package, PASSPHRASE)


def test_many_links_in_one(installer):
    keys = [os.urandom(32) for _ in range(200)]
    serials = [f"9900000000{number:04}" for number in range(200)]
    links = tuple(
        LinkKey(serial, "", "adw300", 1, key, check_value(key, serial))
        for serial, key in zip(serials, keys, strict=True)
    )
    package = seal(Payload(links=links), to(installer))
    assert open_with_private_key(package, installer.private_bytes_raw()).links == links


def flip(text: str) -> str:
    return ("B" if text[0] == "A" else "A") + text[1:]


@pytest.mark.parametrize(
    "change",
    [
        lambda outer: outer | {"content": flip(outer["content"])},
        lambda outer: outer | {"nonce": flip(outer["nonce"])},
        lambda outer: outer | {"ephemeral": flip(outer["ephemeral"])},
        lambda outer: outer | {"recipient": flip(outer["recipient"])},
        lambda outer: outer | {"scrypt_salt": "A" * 22 + "=="},
        lambda outer: outer | {"ephemeral": "A" * 43 + "="},
    ],
    ids=["content", "nonce", "ephemeral", "recipient", "salt", "small-order"],
)
def test_changed_package_is_refused(installer, change):
    outer = json.loads(seal(payload(), to(installer)))
    package = json.dumps(change(outer)).encode()
    with pytest.raises(PackageError, match="does not open"):
        open_with_private_key(package, installer.private_bytes_raw())


@pytest.mark.parametrize(
    "package",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b'"text"',
        b"[" * 100_000,
        b'{"format": "acrel-provisioning-package", "version": 2}',
    ],
)
def test_no_package_is_said_so(package):
    for open_it in (
        lambda: open_with_passphrase(package, PASSPHRASE),
        lambda: open_with_private_key(package, bytes(32)),
    ):
        with pytest.raises(PackageError, match="no provisioning package"):
            open_it()


@pytest.mark.parametrize("name", ["recipient", "ephemeral", "nonce", "content", "scrypt_salt"])
@pytest.mark.parametrize("value", ["", "AA==", "no base64!", 7, [], {}, True])
def test_field_of_another_form_is_said_so(installer, name, value):
    outer = json.loads(seal(payload(), to(installer)))
    package = json.dumps(outer | {name: value}).encode()
    with pytest.raises(PackageError):
        open_with_private_key(package, installer.private_bytes_raw())


def test_key_that_does_not_fit_its_check_value_is_refused(installer):
    package = seal(payload(check_value=bytes(8)), to(installer))
    with pytest.raises(PackageError, match="does not fit its check value"):
        open_with_private_key(package, installer.private_bytes_raw())


def test_short_passphrase_and_wrong_public_key_are_refused():
    with pytest.raises(PackageError, match="at least 12"):
        Recipient.from_passphrase("short")
    for wrong in ("", "AAAA", "no base64!", bytes(31)):
        with pytest.raises(PackageError, match="no X25519 public key"):
            Recipient.from_public_key(wrong)


def test_secrets_are_not_in_any_representation(to_passphrase):
    key = os.urandom(32)
    told = payload(key)
    package = seal(told, to_passphrase)
    for text in (repr(told), str(told), repr(to_passphrase), package.decode()):
        assert key.hex() not in text
        assert repr(key) not in text
        assert PASSPHRASE not in text
