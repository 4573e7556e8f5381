"""Parts `unit` and `e2e`: pytest over a folder."""

import contextlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import paths
from .pytest_outcomes import FILE
from .report import Outcome, Report


def run(
    report: Report,
    folders: Sequence[str],
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    processes: int = 1,
) -> None:
    """Run pytest over the folders that are there and take over its outcomes.

    In several processes each takes whole files, or what the folder's conftest.py keeps together.
    With a log it says nothing until its end, so that two runs beside each other can be read.
    """
    name = log.stem if log else report.part
    outcomes = paths.make(paths.LOCAL / "test") / f"{name}.json"
    outcomes.unlink(missing_ok=True)
    environment = {**(env or os.environ), FILE: str(outcomes)}
    # The plug-in lies in scripts/; add-ons are imported by the path pytest is configured with.
    scripts = str(paths.ROOT / "scripts")
    environment["PYTHONPATH"] = ":".join(filter(None, [scripts, environment.get("PYTHONPATH")]))
    present = [folder for folder in folders if (paths.ROOT / folder).exists()]
    words = ["-p", "house.suite.pytest_outcomes", "-q", *present]
    if processes > 1:
        words += ["-n", str(processes), "--dist", "loadfile"]
    with open(paths.make(log.parent) / log.name, "w") if log else contextlib.nullcontext() as out:
        done = subprocess.run(
            [paths.PYTHON, "-m", "pytest", *words],
            cwd=paths.ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out and subprocess.STDOUT,
            check=False,
        )
    if log:
        print(log.read_text(errors="replace"), end="", flush=True)
    if outcomes.exists():
        found = json.loads(outcomes.read_text())
        for test, outcome in found.items():
            report.add(test, Outcome(outcome))
        if Outcome.FAILED in found.values():
            return
    if done.returncode not in (0, 5):
        report.problems.append(f"pytest of {name} ended with exit code {done.returncode}")
