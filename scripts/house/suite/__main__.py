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

UNIT_PROCESSES = 3
"""More than there are cores, since the tests of sockets mostly wait; each has its own cluster."""

GROUPS = (("lint",), ("unit", "odoo"), ("e2e",))
"""Parts that run beside each other: the tests of `unit` mostly wait."""


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

    def odoo(report: Report) -> None:
        odoo_tests.run(report, stage, browser)

    def e2e(report: Report) -> None:
        # The copies of the project in tests/house have clusters of their own.
        stage.demo()
        beside.do_all(
            [
                lambda: pytests.run(report, ["tests/e2e"], stage.env(browser)),
                lambda: pytests.run(report, ["tests/house"], log=paths.LOGS / "house.log"),
            ]
        )

    work: dict[str, Callable[[Report], None]] = {
        "lint": lint.run,
        "unit": lambda report: pytests.run(report, ["tests/unit"], processes=UNIT_PROCESSES),
        "odoo": odoo,
        "e2e": e2e,
    }

    def do(part: str) -> None:
        report = next(report for report in reports if report.part == part)
        began = time.monotonic()
        work[part](report)
        report.finish(time.monotonic() - began)

    reports += [Report(part) for part in parts]
    for group in GROUPS:
        chosen = [part for part in group if part in parts]
        for part in chosen:
            steps.step(part)
        beside.do_all([partial(do, part) for part in chosen])


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
