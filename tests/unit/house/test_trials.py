"""Which trials of Odoo's tests are made, and how their outcomes come together."""

import pytest

from house.suite import odoo_tests
from house.suite.odoo_tests import Trial

ALONE = Trial("payment_x", ("payment_x",), ["payment"], ("payment_x",))
TOGETHER = Trial("payments", ("payment_x",), ["account", "payment"], ("payment",))


@pytest.fixture
def present(monkeypatch):
    names = ["acrel_meter_link", "payment_wechatpay", "payment_alipay_cn"]
    monkeypatch.setattr(odoo_tests.database, "our_addons", lambda: names)
    monkeypatch.setattr(odoo_tests, "foundations", lambda addon: [f"below_{addon}"])
    return names


def test_each_addon_alone_and_odoos_tests_beside_the_providers(present):
    *alone, together = odoo_tests.trials()
    assert [(trial.addons, trial.tests) for trial in alone] == [((x,), (x,)) for x in present]
    assert together.addons == ("payment_wechatpay", "payment_alipay_cn")
    assert together.tests == ("payment", "account_payment", "payment_demo")


def test_odoos_own_tests_run_after_the_installation():
    (alone,) = odoo_tests._lines(ALONE)
    assert alone[:2] == ["-i", "payment_x"] and "--test-tags=/payment_x" in alone
    install, tests = odoo_tests._lines(TOGETHER)
    assert "-i" in install and not any("--test-tags" in word for word in install)
    assert tests == ["--test-tags=/payment"]


def test_foundations_are_built_on_smaller_ones_of_the_same_languages():
    assert TOGETHER.stands_on(ALONE)
    assert not ALONE.stands_on(TOGETHER)
    assert not TOGETHER._replace(languages=()).stands_on(ALONE)
