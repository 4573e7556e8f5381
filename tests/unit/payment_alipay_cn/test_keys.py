"""Keys and certificates in every shape, and what is none."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from alipay_gateway import keys
from alipay_gateway.client import check_credentials
from alipay_gateway.errors import KeyMaterialError
from alipay_gateway.keys import Credentials

from .making import PKCS1, bare, certificate, key, pem, public_pem


@pytest.mark.parametrize("shape", ["pkcs8", "pkcs1"])
@pytest.mark.parametrize("form", [str, bare, lambda t: t.replace("\n", " "), lambda t: f"\n {t}"])
def test_private_key_in_every_shape(shape, form):
    text = pem(key("app")) if shape == "pkcs8" else pem(key("app"), PKCS1)
    assert keys.private_key(form(text)).private_numbers() == key("app").private_numbers()


@pytest.mark.parametrize("form", [str, bare, lambda t: t.replace("\n", "\r\n")])
def test_public_key_in_every_shape(form):
    assert keys.public_key(form(public_pem(key("app")))) == key("app").public_key()


def locked():
    return pem(key("app"), lock=serialization.BestAvailableEncryption(b"x"))


def elliptic():
    return pem(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_a_private_key"),
        (None, "not_a_private_key"),
        ("no key", "not_base64"),
        ("aGFsbG8=", "not_a_private_key"),
        ("-----BEGIN PRIVATE KEY-----\nMII", "broken_pem"),
        (public_pem(key("app")), "public_for_private"),
        (bare(public_pem(key("app"))), "public_for_private"),
        (certificate(key("app")), "certificate_for_private"),
        (locked(), "encrypted"),
        (bare(locked()), "encrypted"),
        (elliptic(), "not_rsa"),
        (pem(key("short", 1024)), "too_short"),
    ],
)
def test_what_is_no_private_key(text, reason):
    with pytest.raises(KeyMaterialError) as refused:
        keys.private_key(text)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_a_public_key"),
        ("aGFsbG8=", "not_a_public_key"),
        (pem(key("app")), "private_for_public"),
        (certificate(key("app")), "certificate_for_public"),
        (public_pem(key("short", 1024)), "too_short"),
    ],
)
def test_what_is_no_public_key(text, reason):
    with pytest.raises(KeyMaterialError) as refused:
        keys.public_key(text)
    assert refused.value.reason == reason


def refused_part(**values):
    given = {
        "app_id": "1",
        "app_private_key": pem(key("app")),
        "app_certificate": certificate(key("app")),
        "alipay_certificate": certificate(key("alipay"), name="Alipay"),
        "alipay_root_certificate": certificate(key("issuer"), name="Issuer"),
        **values,
    }
    with pytest.raises(KeyMaterialError) as refused:
        check_credentials(Credentials(**given))
    return refused.value.values["part"], refused.value.reason


def test_certificates_that_cannot_work():
    app = "app_certificate"
    assert refused_part(app_certificate="x") == (app, "not_a_certificate")
    assert refused_part(app_certificate=certificate(key("other"))) == (app, "key_does_not_fit")
    old = certificate(key("app"), days=(-9, -1))
    assert refused_part(app_certificate=old) == (app, "certificate_expired")
    young = certificate(key("app"), days=(1, 9))
    assert refused_part(app_certificate=young) == (app, "certificate_not_yet_valid")
    theirs = "alipay_certificate"
    assert refused_part(alipay_certificate=certificate(key("app"))) == (theirs, "own_certificate")
    stranger = certificate(key("alipay"), key("stranger"))
    assert refused_part(alipay_certificate=stranger) == (theirs, "certificate_of_another_root")
    chain = certificate(key("alipay"), key("middle"), issuer="Middle") + certificate(
        key("middle"), key("stranger"), name="Middle", issuer="Stranger"
    )
    assert refused_part(alipay_certificate=chain) == (theirs, "certificate_of_another_root")
    root = "alipay_root_certificate"
    assert refused_part(alipay_root_certificate="") == (root, "not_a_certificate")


def test_chain_over_an_issuer_in_between():
    chain = certificate(key("alipay"), key("middle"), issuer="Middle") + certificate(
        key("middle"), key("issuer"), name="Middle"
    )
    root = certificate(key("issuer"), name="Issuer")
    keys.check_issued_by_root(chain, root)
    alone = certificate(key("alipay"), key("middle"), issuer="Middle")
    keys.check_issued_by_root(alone, root)  # its issuer is not there: cannot be told


def test_own_public_key_in_place_of_alipays():
    credentials = Credentials("1", pem(key("app")), bare(public_pem(key("app"))))
    with pytest.raises(KeyMaterialError) as refused:
        check_credentials(credentials)
    assert refused.value.values["part"] == "alipay_public_key"
