"""Runs the parts of the suite inside the virtual environment."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from .. import bootstrap, chromium, paths
from ..children import Stop, adopt_orphans, end_orphans, stopping_on_signals
from ..errors import exit_code
from ..stage import Stage
from . import beside, command, expected, lint, odoo_tests, pytests
from .report import Report, counts

UNIT_PROCESSES, E2E_PROCESSES = 3, 2
"""As many as keep the cores busy, since these tests mostly wait; each has its own cluster."""

LANES = (("odoo", "house"), ("unit", "e2e"))
"""What is done one after another. The lanes run beside each other: the first mostly computes, the
second mostly waits. `house`, the tests of `scripts/run`, counts as `e2e`."""


def main(chosen: Sequence[str]) -> int:
    """Run the parts, tell the outcome, leave no process behind."""
    adopt_orphans()
    _forget_settings()
    reports: list[Report] = []
    try:
        with stopping_on_signals(), contextlib.ExitStack() as stack:
            _run_parts([part for part in command.PARTS if part in chosen], reports, stack)
    except Stop as stop:
        print(f"\nStopped by {stop}.", flush=True)
        end_orphans()
        return 130
    left = end_orphans()
    expected.check(reports)
    return _tell(reports, left)


def _forget_settings() -> None:
    """Leave behind what was set for `scripts/run`, so that it decides nothing in the suite."""
    ours = ("ACREL_", "ODOO_", "PG")
    kept = {"ACREL_CACHE", "ODOO_HOME", bootstrap.STEPS_DONE}
    for name in [name for name in os.environ if name.startswith(ours) and name not in kept]:
        del os.environ[name]


def _run_parts(parts: Sequence[str], reports: list[Report], stack: contextlib.ExitStack) -> None:
    steps = bootstrap.steps(command.steps(parts))
    stage = browser = None
    if {"odoo", "e2e"} & set(parts):
        steps.step("Odoo 19, PostgreSQL, Chromium")
        browser = chromium.find_or_install(steps.note)
        stage = stack.enter_context(Stage.open(steps.note))

    def e2e(report: Report) -> None:
        stage.demo()
        pytests.run(report, ["tests/e2e"], stage.env(browser), processes=E2E_PROCESSES)

    work: dict[str, Callable[[Report], None]] = {
        "lint": lint.run,
        "unit": lambda report: pytests.run(report, ["tests/unit"], processes=UNIT_PROCESSES),
        "odoo": lambda report: odoo_tests.run(report, stage, browser),
        "e2e": e2e,
        # The copies of the project there have clusters of their own.
        "house": lambda report: pytests.run(report, ["tests/house"], log=paths.LOGS / "house.log"),
    }

    def do(lane: Sequence[str]) -> None:
        for name in lane:
            part = "e2e" if name == "house" else name
            for report in [report for report in reports if report.part == part]:
                steps.step(name)
                began = time.monotonic()
                work[name](report)
                report.seconds = max(report.seconds, time.monotonic() - began)

    reports += [Report(part) for part in parts]
    do(["lint"])
    beside.do_all([partial(do, lane) for lane in LANES])
    for report in reports:
        report.finish()


def _tell(reports: list[Report], left: list[str]) -> int:
    print()
    for report in reports:
        for problem in report.problems:
            print(f"{report.part}: {problem}")
        for test, outcome in report.outcomes.items():
            if outcome == "failed":
                print(f"{report.part}: failed: {test}")
    for process in left:
        print(f"left behind and killed: {process}")
    print()
    for report in reports:
        print(report.line())
    print(counts(reports), flush=True)
    return 0 if all(report.good for report in reports) and not left else 1


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
