"""Which trials of Odoo's tests are made, and how their outcomes come together."""

import pytest

from house.suite import odoo_tests
from house.suite.odoo_tests import Trial
from house.suite.report import Outcome, Report

TEST = "addons/payment_x/tests/test_a.py::TestA::test_b"
ALONE = Trial("payment_x", ("payment_x",), ["payment"], ("payment_x",))
TOGETHER = Trial("payments", ("payment_x",), ["account", "payment"], ("payment", "payment_x"))


@pytest.fixture
def present(monkeypatch):
    names = ["acrel_meter_link", "payment_wechatpay", "payment_alipay_cn"]
    monkeypatch.setattr(odoo_tests.database, "our_addons", lambda: names)
    monkeypatch.setattr(odoo_tests, "foundations", lambda addon: [f"below_{addon}"])
    return names


def test_each_addon_alone_and_the_providers_together(present):
    *alone, together = odoo_tests.trials()
    assert [(trial.addons, trial.tests) for trial in alone] == [((x,), (x,)) for x in present]
    assert together.addons == ("payment_wechatpay", "payment_alipay_cn")
    assert {"payment", "account_payment", "payment_demo", *together.addons} == set(together.tests)


def test_odoos_own_tests_run_after_the_installation():
    (alone,) = odoo_tests._lines(ALONE)
    assert alone[:2] == ["-i", "payment_x"] and "--test-tags=/payment_x" in alone
    install, tests = odoo_tests._lines(TOGETHER)
    assert "-i" in install and not any("--test-tags" in word for word in install)
    assert tests == ["--test-tags=/payment,/payment_x"]


def test_foundations_are_built_on_smaller_ones_of_the_same_languages():
    assert TOGETHER.stands_on(ALONE)
    assert not ALONE.stands_on(TOGETHER)
    assert not TOGETHER._replace(languages=()).stands_on(ALONE)


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (Outcome.SKIPPED, Outcome.PASSED, Outcome.PASSED),
        (Outcome.PASSED, Outcome.SKIPPED, Outcome.PASSED),
        (Outcome.SKIPPED, Outcome.SKIPPED, Outcome.SKIPPED),
        (Outcome.FAILED, Outcome.PASSED, Outcome.FAILED),
        (Outcome.PASSED, Outcome.FAILED, Outcome.FAILED),
        (Outcome.SKIPPED, Outcome.FAILED, Outcome.FAILED),
    ],
)
def test_what_one_trial_skips_another_may_show(first, second, kept):
    report = Report("odoo")
    for outcome in (first, second):
        odoo_tests._take_over(report, ALONE, Report("", {TEST: outcome}))
    assert report.outcomes == {TEST: kept}
