"""What a part of the suite found, and how it is told."""

import dataclasses
import enum


class Outcome(enum.StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclasses.dataclass
class Report:
    """Outcomes of one part by test id, and what else makes it fail, as sentences."""

    part: str
    outcomes: dict[str, Outcome] = dataclasses.field(default_factory=dict)
    problems: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def add(self, test: str, outcome: Outcome) -> None:
        """Note a test's outcome; of several (its parameters) the worst stands."""
        worst = (Outcome.FAILED, Outcome.SKIPPED, Outcome.PASSED)
        known = self.outcomes.get(test, outcome)
        self.outcomes[test] = min(known, outcome, key=worst.index)

    def count(self, outcome: Outcome) -> int:
        """Count the tests that ended so."""
        return sum(found == outcome for found in self.outcomes.values())

    @property
    def good(self) -> bool:
        """Say whether the part ran tests and nothing is wrong."""
        return bool(self.count(Outcome.PASSED)) and not (
            self.problems or self.count(Outcome.FAILED)
        )

    def finish(self) -> None:
        """Close the part: one that ran no test has shown nothing."""
        if not self.count(Outcome.PASSED) and not self.count(Outcome.FAILED):
            self.problems.append("no test ran")

    def line(self) -> str:
        """Give the part's line of the summary."""
        verdict = "ok    " if self.good else "FAILED"
        return f"{self.part:<5} {verdict} {counts([self])}, {self.seconds:.0f} s"


def counts(reports: list[Report]) -> str:
    """Add up the tests of some parts."""
    return ", ".join(
        f"{sum(report.count(outcome) for report in reports)} {outcome}" for outcome in Outcome
    )
