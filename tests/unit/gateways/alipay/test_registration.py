"""Apps that are registered with the simulator, once and again."""

from .app import App

APP_ID = "2021000000000077"


def test_an_app_registered_again_meets_the_same_key_of_alipay(server):
    first = App(server.gateway.address, APP_ID)
    given = first.control("GET", f"merchants/{APP_ID}")["alipay_public_key"]
    App(server.gateway.address, APP_ID)
    assert first.control("GET", f"merchants/{APP_ID}")["alipay_public_key"] == given
    first.control("POST", f"merchants/{APP_ID}/keys")
    assert first.control("GET", f"merchants/{APP_ID}")["alipay_public_key"] != given
