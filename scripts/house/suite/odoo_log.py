"""Reads a log of Odoo's test run: which tests ran, how they ended, and what was warned of."""

import re
from collections.abc import Iterator

from .report import Outcome, Report

RECORD = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:,]+ \d+ (?P<level>[A-Z]+) (?P<db>\S+) (?P<logger>[\w.]+): (?P<text>.*)$"
)
TEST_LOGGER = re.compile(r"^odoo\.addons\.(?P<module>\w+)\.(?P<path>tests\.[\w.]+)$")
STARTED = re.compile(r"^Starting (?P<test>\w+\.\w+) \.\.\.")
FAILED = re.compile(r"^(?:FAIL|ERROR): (?:Subtest )?(?P<test>\w+\.\w+)")
SKIPPED = re.compile(r"^skipped (?P<test>\w+\.\w+)")
LOUD = ("WARNING", "ERROR", "CRITICAL")


def read(log: str, report: Report) -> None:
    """Add a log's tests to the report; a warning that no test caught is a problem."""
    failed_here = False
    for record, body in _records(log):
        loud = record["level"] in LOUD
        place = TEST_LOGGER.match(record["logger"])
        if place:
            file = f"addons/{place['module']}/{place['path'].replace('.', '/')}.py"
            for pattern, outcome in (
                (STARTED, Outcome.PASSED),
                (SKIPPED, Outcome.SKIPPED),
                (FAILED, Outcome.FAILED),
            ):
                found = pattern.match(record["text"])
                if found:
                    report.add(f"{file}::{found['test'].replace('.', '::')}", outcome)
                    failed_here |= outcome == Outcome.FAILED
        if loud:
            report.problems.append(f"{record['level']} {record['logger']}: {body[:1500]}")
    if not failed_here and re.search(r"\b([1-9]\d*) failed, |, ([1-9]\d*) error\(s\) of", log):
        report.problems.append("Odoo counted failures that its log does not name")


def _records(log: str) -> Iterator[tuple[re.Match, str]]:
    """Give each record with its text and the lines that follow it."""
    head, lines = None, []
    for line in log.splitlines():
        found = RECORD.match(line)
        if found:
            if head:
                yield head, "\n".join(lines)
            head, lines = found, [found["text"]]
        else:
            lines.append(line)
    if head:
        yield head, "\n".join(lines)
