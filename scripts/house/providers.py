"""Payment providers in the test state against the simulated gateways.

A merchant's keys are made on this machine, registered with the simulator as with the real gateway,
and stay in files that only this user can read: the database holds their names.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .gateways import Gateway
from .stack import Stack

STAMP = "acrel.house_providers"
MERCHANT = "临港充电服务有限公司"
WECHATPAY = {"mchid": "1900000109", "appid": "wx8888888888888888"}
WECHATPAY_SERIAL = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
ALIPAY = {"app_id": "2021000000000001", "seller_id": "2088000000000001"}

SET_UP = """
for code, values in {providers!r}.items():
    provider = env["payment.provider"].search([
        ("code", "=", code), ("company_id", "=", env.ref("base.main_company").id)
    ])
    provider.write({{**values, "state": "test", "is_published": True}})
env.cr.commit()
"""


def set_up(stack: Stack, gateways: Iterable[Gateway]) -> None:
    """Register the merchant with the simulators and enable the providers, where that is new.

    What a person changed at the providers since stays, until a simulator's keys change.
    """
    known = {"wechatpay": _wechatpay, "alipay": _alipay}
    providers = dict(known[gateway.name](stack.odoo.secrets_dir, gateway) for gateway in gateways)
    digest = hashlib.sha256(json.dumps(providers, sort_keys=True).encode()).hexdigest()
    if stack.odoo.server.parameter(stack.database, STAMP) == digest:
        return
    stack.odoo.script(
        stack.database,
        SET_UP.format(providers=providers),
        fails="The payment providers cannot be set up",
        log=stack.logs / f"setup-providers-{stack.database}.log",
    )
    stack.odoo.server.set_parameter(stack.database, STAMP, digest)


def _wechatpay(folder: Path, gateway: Gateway) -> tuple[str, dict]:
    """Register the merchant with WeChat Pay's simulator; give the provider's code and values."""
    public = _key(folder / "wechatpay_key.pem")
    apiv3_key = _once(folder / "wechatpay_api_v3_key", lambda: secrets.token_hex(16))
    given = gateway.control(
        "merchants",
        {
            "mchid": WECHATPAY["mchid"],
            "name": MERCHANT,
            "appids": [WECHATPAY["appid"]],
            "serial_no": WECHATPAY_SERIAL,
            "public_key": public,
            "apiv3_key": apiv3_key,
        },
    )
    return "wechatpay", {
        "wechatpay_merchant_id": WECHATPAY["mchid"],
        "wechatpay_app_id": WECHATPAY["appid"],
        "wechatpay_certificate_serial": WECHATPAY_SERIAL,
        "wechatpay_private_key": "file:wechatpay_key.pem",
        "wechatpay_api_v3_key": "file:wechatpay_api_v3_key",
        "wechatpay_public_key_id": given["public_key_id"],
        "wechatpay_public_key": given["public_key"],
        "wechatpay_test_address": gateway.address,
    }


def _alipay(folder: Path, gateway: Gateway) -> tuple[str, dict]:
    """Register the app with Alipay's simulator; give the provider's code and values."""
    public = _key(folder / "alipay_key.pem")
    given = gateway.control("merchants", {**ALIPAY, "name": MERCHANT, "public_key": public})
    return "alipay_cn", {
        "alipay_cn_app_id": ALIPAY["app_id"],
        "alipay_cn_seller_id": ALIPAY["seller_id"],
        "alipay_cn_app_private_key": "file:alipay_key.pem",
        "alipay_cn_public_key": given["alipay_public_key"],
        "alipay_cn_test_address": f"{gateway.address}/gateway.do",
    }


def _key(file: Path) -> str:
    """Make an RSA key where there is none yet; give its public half as PEM."""
    made = _once(
        file,
        lambda: (
            rsa.generate_private_key(public_exponent=65537, key_size=2048)
            .private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            .decode()
        ),
    )
    public = serialization.load_pem_private_key(made.encode(), None).public_key()
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def _once(file: Path, make) -> str:
    """Give a secret's file, made for this user alone when it is missing."""
    if not file.exists():
        fresh = file.with_name(f"{file.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(make())
        fresh.rename(file)
    return file.read_text()
