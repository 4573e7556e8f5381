"""The suite's own judgement: what it counts, and what makes a part fail."""

import pytest

from house.suite import expected, odoo_log
from house.suite.report import Outcome, Report

RAN = """\
2026-01-01 00:00:00,000 1 INFO db odoo.addons.acrel_x.tests.test_a: Starting TestA.test_good ...
2026-01-01 00:00:00,000 1 INFO db odoo.addons.acrel_x.tests.test_a: Starting TestA.test_bad ...
2026-01-01 00:00:00,000 1 ERROR db odoo.addons.acrel_x.tests.test_a: FAIL: TestA.test_bad
Traceback (most recent call last):
AssertionError: 1 != 2
2026-01-01 00:00:00,000 1 INFO db odoo.addons.acrel_x.tests.test_a: Starting TestA.test_away ...
2026-01-01 00:00:00,000 1 INFO db odoo.addons.acrel_x.tests.test_a: skipped TestA.test_away : no
"""
WARNED = "2026-01-01 00:00:00,000 1 WARNING db odoo.models: something\n"
A = "addons/acrel_x/tests/test_a.py::TestA::"


def read(log):
    report = Report("odoo")
    odoo_log.read(log, report)
    return report


def test_reads_outcomes_from_the_log():
    report = read(RAN)
    assert report.outcomes == {
        A + "test_good": Outcome.PASSED,
        A + "test_bad": Outcome.FAILED,
        A + "test_away": Outcome.SKIPPED,
    }
    assert not report.good
    assert "AssertionError: 1 != 2" in report.problems[0]


def test_a_warning_fails_a_part_whose_tests_pass():
    report = read(RAN.splitlines(keepends=True)[0] + WARNED)
    assert report.count(Outcome.FAILED) == 0
    assert not report.good
    assert "odoo.models: something" in report.problems[0]


def test_unnamed_failures_fail():
    line = "2026-01-01 00:00:00,000 1 INFO db odoo.tests.result: 0 failed, 2 error(s) of 9 tests\n"
    assert not read(RAN.splitlines(keepends=True)[0] + line).good


def test_a_part_without_tests_fails():
    report = Report("unit")
    report.finish()
    assert report.problems == ["no test ran"]
    assert not report.good


def test_the_worst_of_a_tests_parameters_stands():
    report = Report("unit")
    for outcome in (Outcome.PASSED, Outcome.FAILED, Outcome.PASSED):
        report.add("tests/unit/test_x.py::test_y", outcome)
    assert report.count(Outcome.FAILED) == 1


def test_reads_expectations(tmp_path):
    file = tmp_path / "expected.txt"
    file.write_text(
        "# why\n3 frames: tests/unit/a.py::x  lint::ruff-check # both\n\n3 frames: t::y\n"
    )
    assert expected.read(file) == {
        "3 frames": ["tests/unit/a.py::x", "lint::ruff-check", "t::y"],
    }


def test_a_malformed_expectation_is_refused(tmp_path):
    file = tmp_path / "expected.txt"
    file.write_text("just words\n")
    with pytest.raises(ValueError, match="line 1"):
        expected.read(file)


@pytest.mark.parametrize("outcome", [None, Outcome.SKIPPED, Outcome.FAILED])
def test_an_expected_test_must_have_passed(outcome, tmp_path):
    report = Report("unit", {"tests/unit/a.py::other": Outcome.PASSED})
    if outcome:
        report.outcomes["tests/unit/a.py::x"] = outcome
    file = tmp_path / "expected.txt"
    file.write_text("frames: tests/unit/a.py::x addons/b/tests/c.py::D::e")
    expected.check([report], file)
    assert len(report.problems) == 1
    assert "frames" in report.problems[0]


def test_an_expected_test_that_passed_is_content(tmp_path):
    report = Report("unit", {"tests/unit/a.py::x": Outcome.PASSED})
    file = tmp_path / "expected.txt"
    file.write_text("frames: tests/unit/a.py::x")
    expected.check([report], file)
    assert report.good


def test_without_expectations_every_part_fails(tmp_path):
    report = Report("unit", {"tests/unit/a.py::x": Outcome.PASSED})
    expected.check([report], tmp_path / "expected.txt")
    assert not report.good
