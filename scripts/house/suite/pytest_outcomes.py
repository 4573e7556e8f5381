"""A pytest plug-in: writes each test's outcome, by its id without parameters, to a JSON file."""

import json
import os
from pathlib import Path

import pytest

from .report import Outcome, Report

FILE = "ACREL_PYTEST_OUTCOMES"

_report = Report("pytest")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the outcome of a test's call, and of its set-up and tear-down where they fail."""
    if report.when == "call" or not report.passed:
        _report.add(report.nodeid.partition("[")[0], Outcome(report.outcome))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Note a file that cannot be collected as a failed test."""
    if report.failed:
        _report.add(report.nodeid or "collection", Outcome.FAILED)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the outcomes, those of all processes where the tests ran in several."""
    if FILE in os.environ and not hasattr(session.config, "workerinput"):
        Path(os.environ[FILE]).write_text(json.dumps(_report.outcomes))
