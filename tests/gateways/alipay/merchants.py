"""Merchants: an app, its seller's account, and the keys of both sides."""

import re
import zlib
from typing import Any

from .. import keys
from ..book import Merchant
from . import certificates, signing

MODES = ("public_key", "certificate")
IDENTITIES = ("user_id", "open_id")
DEFAULTS = {
    "mode": "public_key",
    "identity": "user_id",
    "refundable": True,
    "timestamp_tolerance": 600,
    "certificate_days": [-1, 1825],
    "fee_rate": "0.60%",
    "balance": None,
}


def make(values: dict[str, Any], now: float, key: str | None = None) -> Merchant:
    """Make a merchant of what its registration says; ValueError names what is wrong.

    Alipay signs by the private key given (PEM), else by a new one.
    """
    app_id = str(values.get("app_id", ""))
    seller_id = str(values.get("seller_id") or f"2088{zlib.crc32(app_id.encode()) % 10**12:012d}")
    settings = DEFAULTS | {name: values[name] for name in DEFAULTS if name in values}
    unknown = set(values) - set(DEFAULTS) - {"app_id", "seller_id", "name", "public_key"}
    if unknown:
        raise ValueError(f"A merchant has no {', '.join(sorted(unknown))}.")
    if not re.fullmatch("[0-9]{16}", app_id):
        raise ValueError("app_id has 16 digits.")
    if not re.fullmatch("2088[0-9]{12}", seller_id):
        raise ValueError("seller_id has 16 digits and begins with 2088.")
    if settings["mode"] not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}.")
    if settings["identity"] not in IDENTITIES:
        raise ValueError(f"identity is one of {', '.join(IDENTITIES)}.")
    try:
        public_key = signing.read_public_key(str(values.get("public_key", "")))
    except ValueError as error:
        raise ValueError(f"public_key cannot be read: {error}") from None
    settings |= {
        "seller_id": seller_id,
        "public_key": keys.public_pem(public_key),
        "key": key or keys.private_pem(keys.new_key()),
    }
    merchant = Merchant(app_id, str(values.get("name") or f"商户{app_id[-4:]}"), settings)
    if settings["mode"] == "certificate":
        authority = certificates.Authority.new(now)
        settings |= authority.kept() | {
            "app_certificate": authority.issue(
                f"{app_id}-{seller_id}", public_key, now, tuple(settings["certificate_days"])
            )
        }
        _certify(merchant, authority, now)
    return merchant


def rotate(merchant: Merchant, certificate_only: bool, now: float) -> None:
    """Give Alipay's side a new key, or only a new certificate."""
    settings = merchant.settings
    if not certificate_only:
        settings["key"] = keys.private_pem(keys.new_key())
    if settings["mode"] == "certificate":
        _certify(merchant, certificates.Authority.of(settings), now)


def _certify(merchant: Merchant, authority: certificates.Authority, now: float) -> None:
    settings = merchant.settings
    key = keys.load_private(settings["key"]).public_key()
    days = tuple(DEFAULTS["certificate_days"])
    certificate = authority.issue("Simulated Alipay", key, now, days)
    settings["alipay_certificate"] = authority.chain(certificate)


def view(merchant: Merchant) -> dict[str, Any]:
    """Show what Alipay's console gives the merchant."""
    settings = merchant.settings
    key = keys.load_private(settings["key"]).public_key()
    shown = {
        "app_id": merchant.id,
        "seller_id": settings["seller_id"],
        "name": merchant.name,
        "mode": settings["mode"],
        "alipay_public_key": signing.public_line(key),
        "alipay_public_key_pem": keys.public_pem(key),
    }
    if settings["mode"] == "certificate":
        shown |= {
            "app_certificate": settings["app_certificate"],
            "alipay_certificate": settings["alipay_certificate"],
            "root_certificate": settings["root_certificate"],
            "app_cert_sn": certificates.sn(certificates.load(settings["app_certificate"])),
            "alipay_cert_sn": certificates.sn(certificates.load(settings["alipay_certificate"])),
            "alipay_root_cert_sn": certificates.root_sn(settings["root_certificate"]),
        }
    return shown
