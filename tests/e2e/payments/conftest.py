"""One shop for all tests of payments, and browsers for its customers."""

import pytest

from browser import chromium_browser
from shop import Shop


@pytest.fixture(scope="package")
def shop(stage):
    """Odoo with two databases, and both gateways."""
    with Shop(stage, "e2e_payments") as shop:
        yield shop


@pytest.fixture(scope="package")
def branch(shop):
    """The database at which customers pay."""
    return shop.branches[0]


@pytest.fixture(scope="module")
def chromium():
    """One browser for all people of a module."""
    with chromium_browser() as browser:
        yield browser


@pytest.fixture(autouse=True)
def willing_gateways(shop):
    """Give every test gateways without the faults of the one before."""
    yield
    for gateway in shop.gateways.values():
        gateway.control("faults", method="DELETE")
        gateway.control("notifications/mode", {"mode": "automatic"})
        gateway.control("refunds/policy", {"automatic": True})
