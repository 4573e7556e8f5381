"""What the suite must show: `tests/expected.txt` names the tests whose absence fails.

A line is `what must be shown: test ids`; `#` begins a comment.
"""

from pathlib import Path

from .. import paths
from .report import Outcome, Report

FILE = paths.ROOT / "tests" / "expected.txt"
FOLDERS = {"lint": "lint::", "unit": "tests/unit/", "odoo": "addons/", "e2e": "tests/"}


def read(file: Path = FILE) -> dict[str, list[str]]:
    """Read the tests that each must-show line needs."""
    needed: dict[str, list[str]] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        title, colon, tests = text.partition(": ")
        if not colon or not tests.split():
            raise ValueError(f"{file}, line {number}: expected `what must be shown: test ids`")
        needed.setdefault(title.strip(), []).extend(tests.split())
    return needed


def part_of(test: str) -> str:
    """Name the part that runs a test."""
    return next(part for part, folder in FOLDERS.items() if test.startswith(folder))


def check(reports: list[Report], file: Path = FILE) -> None:
    """Make a part fail that did not pass a test which must be shown."""
    try:
        needed = read(file)
    except (OSError, ValueError) as error:
        for report in reports:
            report.problems.append(f"what must be shown cannot be read: {error}")
        return
    for report in reports:
        for title, tests in needed.items():
            for test in tests:
                if part_of(test) == report.part and report.outcomes.get(test) != Outcome.PASSED:
                    how = report.outcomes.get(test, "did not run")
                    report.problems.append(f"must show {title!r}: {test} {how}")
