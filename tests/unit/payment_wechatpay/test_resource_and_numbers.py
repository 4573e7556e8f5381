"""Encrypted resources, order numbers, amounts."""

import base64
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wechatpay_v3 import numbers, resource

KEY = b"0123456789abcdef0123456789abcdef"


def sealed(plain=b'{"a": 1}', associated="transaction", nonce="abcdefghijkl", key=KEY):
    ciphertext = AESGCM(key).encrypt(nonce.encode(), plain, associated.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "nonce": nonce,
        "associated_data": associated,
        "ciphertext": base64.b64encode(ciphertext).decode(),
    }


@pytest.mark.parametrize("associated", ["transaction", "", "证书"])
def test_a_resource_opens(associated):
    assert resource.decrypt(KEY, sealed(associated=associated)) == b'{"a": 1}'


def test_a_resource_without_associated_data_opens():
    assert resource.decrypt(KEY, sealed(associated="") | {"associated_data": None})


BROKEN = {
    "tag": lambda r: r | {"ciphertext": base64.b64encode(b"x" * 40).decode()},
    "associated data": lambda r: r | {"associated_data": "refund"},
    "nonce": lambda r: r | {"nonce": "lkjihgfedcba"},
    "algorithm": lambda r: r | {"algorithm": "AEAD_SM4_GCM"},
    "no base64": lambda r: r | {"ciphertext": "!"},
    "no text": lambda r: r | {"nonce": 12},
    "empty": lambda r: {},
    "too short": lambda r: r | {"ciphertext": ""},
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN.keys())
def test_a_changed_resource_does_not_open(change):
    with pytest.raises(resource.ResourceError) as error:
        resource.decrypt(KEY, change(sealed()))
    assert KEY.decode() not in str(error.value)


def test_another_key_does_not_open():
    with pytest.raises(resource.ResourceError):
        resource.decrypt(b"x" * 32, sealed())
    with pytest.raises(resource.ResourceError):
        resource.decrypt(b"short", sealed())


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ("INV/2026/00001", "INV-2026-00001"),
        ("INV/2026/11/00001", "INV-2026-11-00001"),
        ("CHARGE/2026/11/00001", "CHARGE20261100001"),
        ("INV/2026/00001-INV/2026/00002", "00001INV202600002"),
        ("收款/2026", "2026"),
        ("<b>{a}</b>", "b-a-b"),
        ("电费", "tx"),
        ("", "tx"),
        (None, "tx"),
    ],
)
def test_an_order_number_tells_its_document(document, part):
    number = numbers.order_number(document, 1_795_000_000_000)
    assert numbers.ORDER_NUMBER.fullmatch(number)
    assert number[:-13] == part
    assert number[-13] == "-"
    assert len(number) <= 30  # room for Odoo's own -1


def test_order_numbers_of_one_millisecond_differ():
    made = {numbers.order_number("INV/2026/00001", 1_795_000_000_000) for _ in range(20)}
    assert len(made) == 20


def test_a_later_order_number_sorts_later():
    assert numbers.base36(35, 2) == "0z"
    assert numbers.base36(36, 2) == "10"
    assert numbers.base36(0, 3) == "000"
    earlier, later = (numbers.order_number("S1", ms)[:-4] for ms in (10**12, 10**12 + 1))
    assert earlier < later


def test_yuan_become_fen_exactly():
    for text, fen in (("0.29", 29), ("12.3", 1230), ("-1.00", -100), ("1e3", 100000), ("0", 0)):
        assert numbers.fen_from_yuan(text) == fen
    assert numbers.fen_from_yuan(Decimal("0.10")) == 10
    for text in ("0.001", "NaN", "Infinity", "", "x"):
        with pytest.raises(ValueError):
            numbers.fen_from_yuan(text)
