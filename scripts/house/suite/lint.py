"""Part `lint`: ruff's rules and format, and pylint-odoo's rules."""

import subprocess

from .. import paths
from ..database import our_addons
from .report import Outcome, Report

NOT_OURS = (
    "manifest-required-author",  # the author is not OCA
    "missing-readme",  # one README.md describes the suite
    "consider-merging-classes-inherited",  # one thought a file: a model's parts lie side by side
)
CHECKS = {
    "lint::ruff-check": ["ruff", "check", "--quiet", "."],
    "lint::ruff-format": ["ruff", "format", "--check", "--quiet", "."],
    "lint::pylint-odoo": [
        "pylint",
        "--rcfile=pyproject.toml",
        "--score=n",
        f"--disable={','.join(NOT_OURS)}",
    ],
}


def run(report: Report) -> None:
    """Run each linter over the project."""
    for name, words in CHECKS.items():
        command = [str(paths.VENV / "bin" / words[0]), *words[1:]]
        if words[0] == "pylint":
            command += [str(paths.ADDONS / addon) for addon in our_addons()]
        done = subprocess.run(
            command, cwd=paths.ROOT, stdin=subprocess.DEVNULL, text=True, check=False
        )
        report.add(name, Outcome.FAILED if done.returncode else Outcome.PASSED)
