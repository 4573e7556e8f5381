"""Part `lint`: ruff's rules and format, and pylint-odoo's rules."""

import subprocess

from .. import paths
from ..database import our_addons
from .report import Outcome, Report

CHECKS = {
    "lint::ruff-check": ["ruff", "check", "--quiet", "."],
    "lint::ruff-format": ["ruff", "format", "--check", "--quiet", "."],
    "lint::pylint-odoo": ["pylint", "--rcfile=pyproject.toml", "--score=n"],
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
