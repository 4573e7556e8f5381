"""Keys stay out of every log, also when something goes wrong."""

import pytest
import requests

from odoo_client import OdooError
from shop import PROVIDERS, Shop

FAULTS = ("status500", "other_key", "error")
MUTATIONS = ("forged", "missing_signature", "other_key", "wrong_amount", "not_json")


@pytest.fixture
def troubled(shop: Shop):
    """A shop in which each gateway answered wrongly, and wrong notifications came."""
    branch = shop.branches[0]
    for name, gateway in shop.gateways.items():
        for kind in FAULTS:
            gateway.control("faults", {"path": "/", "times": 2, "kind": kind})
            try:
                branch.begin(name, 99)
            except (OdooError, requests.RequestException):
                continue
            finally:
                gateway.control("faults", method="DELETE")
        _, _, reference = branch.begin(name, 98)
        gateway.control(f"orders/{reference}/pay", {"notify": False})
        for mutation in MUTATIONS:
            gateway.control("notifications/deliver", {"order": reference, "mutations": [mutation]})
    return shop


def test_no_secret_is_in_any_log(troubled):
    secrets, logs = troubled.secrets(), troubled.logs()
    assert len(secrets) > 2 * 20, "two private keys and the APIv3 key are looked for"
    assert {"odoo", *(f"gateway_{name}" for name in PROVIDERS)} <= {
        name.partition("-")[0] for name in logs
    }
    for name, text in logs.items():
        assert not [secret for secret in secrets if secret in text], name
