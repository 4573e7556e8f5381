"""What the gateway knows of a merchant: its apps and keys, and the keys given to it."""

import re
from typing import Any

from .. import keys
from ..book import Book, Merchant
from . import platform

MODES = ("public_key", "certificate")
FEE_RATE = re.compile(r"\d{1,2}\.\d\d%")


def register(book: Book, values: dict[str, Any], now: float) -> Merchant:
    """Take in a merchant; one that is known keeps its orders and the keys given to it."""
    mchid = str(values["mchid"])
    if not re.fullmatch(r"\d{8,10}", mchid):
        raise ValueError(f"The merchant number {mchid} is not 8 to 10 digits.")
    mode = values.get("mode", MODES[0])
    if mode not in MODES:
        raise ValueError(f"There is no mode {mode!r}; there are {', '.join(MODES)}.")
    if len(values["apiv3_key"].encode()) != 32:
        raise ValueError("The APIv3 key must be 32 bytes long.")
    rate = values.get("fee_rate", "0.60%")
    if not FEE_RATE.fullmatch(rate):
        raise ValueError(f"The fee rate {rate} is not written as 0.60%.")
    known = book.merchants.get(mchid)
    settings = (known.settings if known else _keys_for(book, mchid, now)) | {
        "appids": list(values["appids"]),
        **_merchant_key(values),
        "apiv3_key": values["apiv3_key"],
        "mode": mode,
        "balance": values.get("balance"),
        "fee_rate": rate,
        "refund_interval": values.get("refund_interval", 0),
    }
    settings["signs_by"] = settings[_list_of(mode)][-1]["id"]
    return Merchant(mchid, values.get("name", f"商户{mchid}"), settings)


def rotate(book: Book, merchant: Merchant, values: dict[str, Any], now: float) -> None:
    """Give the merchant a further key of its mode, and sign by it unless told to wait.

    Real certificates are announced by /v3/certificates before they are used: `use: false` does
    that, and `use: "ID"` begins to sign by one that was announced.
    """
    kind = _list_of(merchant.settings["mode"])
    use = values.get("use", True)
    if isinstance(use, str):
        if use not in [key["id"] for key in merchant.settings[kind]]:
            raise ValueError(f"Merchant {merchant.id} has no key {use}.")
        merchant.settings["signs_by"] = use
        return
    made = (
        platform.new_public_key(merchant.id, now)
        if kind == "public_keys"
        else platform.new_certificate()
    )
    merchant.settings[kind].append(made)
    if use:
        merchant.settings["signs_by"] = made["id"]


def view(merchant: Merchant) -> dict[str, Any]:
    """Tell what the merchant's administrator downloads from the merchant platform."""
    public_key, certificate = (
        merchant.settings["public_keys"][-1],
        merchant.settings["certificates"][-1],
    )
    public = keys.load_private(public_key["private_key"]).public_key()
    return {
        "mchid": merchant.id,
        "name": merchant.name,
        "mode": merchant.settings["mode"],
        "signs_by": merchant.settings["signs_by"],
        "public_key_id": public_key["id"],
        "public_key": keys.public_pem(public),
        "certificate": certificate["certificate"],
        "certificate_serial": certificate["id"],
    }


def _list_of(mode: str) -> str:
    return "public_keys" if mode == "public_key" else "certificates"


def _keys_for(book: Book, mchid: str, now: float) -> dict[str, Any]:
    """Give a public key of its own, and the platform's certificate as it now is."""
    if "certificate" not in book.own:
        book.own["certificate"] = platform.new_certificate()
    return {
        "public_keys": [platform.new_public_key(mchid, now)],
        "certificates": [book.own["certificate"]],
    }


def _merchant_key(values: dict[str, Any]) -> dict[str, str]:
    """Read the merchant's public key and its certificate's serial number."""
    if "certificate" in values:
        certificate = keys.load_certificate(values["certificate"])
        public_key = keys.public_pem(certificate.public_key())
        serial = keys.serial_of(certificate)
    else:
        public_key = keys.public_pem(keys.load_public(values["public_key"]))
        serial = values["serial_no"]
    return {"public_key": public_key, "serial_no": serial.upper()}
