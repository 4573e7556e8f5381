"""Keys as people paste them: both forms, one line, and what is no key."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from wechatpay_v3 import keys

from .published import GATEWAY_PUBLIC_KEY, MERCHANT_PRIVATE_KEY

KEY = keys.load_private_key(MERCHANT_PRIVATE_KEY)


def private_text(key=KEY, form="PKCS8", encryption=None):
    return key.private_bytes(
        serialization.Encoding.PEM,
        getattr(serialization.PrivateFormat, form),
        encryption or serialization.NoEncryption(),
    ).decode()


def certificate(start, end, key=KEY):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(0x0ABC123456789012345678901234567890ABCDEF)
        .not_valid_before(start)
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_both_forms_of_a_private_key_are_read(form):
    text = private_text(form=form)
    assert ("RSA" in text.splitlines()[0]) == (form == "TraditionalOpenSSL")
    assert keys.load_private_key(text).private_numbers() == KEY.private_numbers()


def test_a_key_without_line_ends_is_read():
    """A browser's password box drops the line ends of what is pasted into it."""
    text = private_text().replace("\n", "")
    assert keys.load_private_key(text).private_numbers() == KEY.private_numbers()
    text = private_text().replace("\n", " \r\n\t")
    assert keys.load_private_key(text).private_numbers() == KEY.private_numbers()


def no_key(case):
    match case:
        case "nothing":
            return None, "not_pem"
        case "a sentence":
            return "my key", "not_pem"
        case "bare base64":
            return "".join(private_text().splitlines()[1:-1]), "not_pem"
        case "a public key":
            return GATEWAY_PUBLIC_KEY, "wrong_kind"
        case "two keys":
            return private_text() * 2, "wrong_kind"
        case "damaged":
            return private_text().replace("MIIE", "MII!", 1), "unreadable"
        case "cut":
            lines = private_text().splitlines()
            return "\n".join(lines[:10] + lines[-1:]), "unreadable"
        case "with a password":
            secret = serialization.BestAvailableEncryption(b"x")
            return private_text(encryption=secret), "encrypted"
        case "old form with a password":
            secret = serialization.BestAvailableEncryption(b"x")
            return private_text(form="TraditionalOpenSSL", encryption=secret), "encrypted"
        case "an elliptic curve":
            return private_text(ec.generate_private_key(ec.SECP256R1())), "not_rsa"
        case "too short":
            return private_text(rsa.generate_private_key(65537, 1024)), "too_short"
    raise AssertionError(case)


@pytest.mark.parametrize(
    "case",
    [
        "nothing",
        "a sentence",
        "bare base64",
        "a public key",
        "two keys",
        "damaged",
        "cut",
        "with a password",
        "old form with a password",
        "an elliptic curve",
        "too short",
    ],
)
def test_what_is_no_private_key_says_why(case):
    text, reason = no_key(case)
    with pytest.raises(keys.KeyFormatError) as error:
        keys.load_private_key(text)
    assert error.value.reason == reason
    assert str(error.value) == reason  # no part of the text
    assert error.value.__cause__ is None or reason == "unreadable"


def test_a_public_key_is_read():
    assert keys.load_public_key(GATEWAY_PUBLIC_KEY).key_size == 2048
    with pytest.raises(keys.KeyFormatError, match="wrong_kind"):
        keys.load_public_key(private_text())


def test_a_certificate_tells_serial_and_dates():
    start = datetime(2024, 1, 1, tzinfo=UTC)
    end = start + timedelta(days=1826)
    text = certificate(start, end).public_bytes(serialization.Encoding.PEM).decode()
    first, second = keys.load_certificates(text * 2)
    assert keys.certificate_serial(first) == "ABC123456789012345678901234567890ABCDEF"
    verifier = keys.certificate_verifier(second)
    assert keys.fits(KEY, verifier.public_key)
    assert not keys.fits(KEY, keys.load_public_key(GATEWAY_PUBLIC_KEY))
    for moment, holds in (
        (start - timedelta(seconds=1), False),
        (start, True),
        (end, True),
        (end + timedelta(seconds=1), False),
    ):
        assert verifier.holds(moment) is holds


def test_what_is_no_certificate_says_why():
    for text, reason in (
        (GATEWAY_PUBLIC_KEY, "wrong_kind"),
        ("", "not_pem"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "unreadable"),
    ):
        with pytest.raises(keys.KeyFormatError, match=reason):
            keys.load_certificates(text)
