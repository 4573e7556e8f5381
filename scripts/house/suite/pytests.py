"""Parts `unit` and `e2e`: pytest over a folder."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence

from .. import paths
from .pytest_outcomes import FILE
from .report import Outcome, Report


def run(report: Report, folders: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    """Run pytest over the folders that are there and take over its outcomes."""
    outcomes = paths.make(paths.LOCAL / "test") / f"{report.part}.json"
    outcomes.unlink(missing_ok=True)
    environment = {**(env or os.environ), FILE: str(outcomes)}
    # The plug-in lies in scripts/; add-ons are imported by the path pytest is configured with.
    scripts = str(paths.ROOT / "scripts")
    environment["PYTHONPATH"] = ":".join(filter(None, [scripts, environment.get("PYTHONPATH")]))
    present = [folder for folder in folders if (paths.ROOT / folder).exists()]
    words = ["-p", "house.suite.pytest_outcomes", "-q", *present]
    done = subprocess.run(
        [paths.PYTHON, "-m", "pytest", *words],
        cwd=paths.ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if outcomes.exists():
        for test, outcome in json.loads(outcomes.read_text()).items():
            report.add(test, Outcome(outcome))
    failed = report.count(Outcome.FAILED)
    if done.returncode not in (0, 5) and not failed:
        report.problems.append(f"pytest ended with exit code {done.returncode}")
