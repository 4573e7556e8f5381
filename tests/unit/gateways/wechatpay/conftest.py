"""WeChat Pay on loopback, once a file of tests, with nothing left of the test before."""

import pytest

from gateways.wechatpay.gateway import WeChatPay

from ..running import Control, serving, shop
from .merchant import Merchant


@pytest.fixture(scope="module")
def control():
    with serving(WeChatPay()) as running:
        yield running


@pytest.fixture(scope="module")
def merchant(control: Control):
    return Merchant(control)


@pytest.fixture(autouse=True)
def _nothing_left(control: Control, merchant: Merchant):
    yield
    merchant.travel(0)
    control("DELETE", "faults")
    control("POST", "refunds/policy", automatic=True)
    control("POST", "notifications/mode", mode="automatic", speed=1.0, delay=0, repeat=1)


@pytest.fixture(name="shop")
def _shop():
    with shop() as opened:
        yield opened
