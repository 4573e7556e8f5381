"""Part `odoo`: add-ons installed with nothing but what they depend on, and Odoo's tests run.

Each add-on has its own tests run where it stands alone. Odoo's tests of payments run where both
providers of payments are installed beside invoices.
"""

import ast
import os
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from .. import database, paths
from ..children import Child
from ..settings import free_port
from ..stage import Stage
from . import odoo_log
from .report import Report

# None of the trials opens a browser; tests/addons says what this one of ours does for them.
NO_BUNDLES = "no_bundles"
# Odoo's own tests that must pass with the providers of payments installed, and where they can run.
PAYMENT_TESTS = ("payment", "account_payment", "payment_demo")


class Trial(NamedTuple):
    """Add-ons to install on a database that has some of Odoo's modules, and tests to run there."""

    name: str
    addons: tuple[str, ...]
    modules: list[str]
    tests: tuple[str, ...]
    languages: tuple[str, ...] = ("zh_CN",)

    @property
    def database(self) -> str:
        """The database it plays on."""
        return f"odoo_{self.name}"

    def log(self, stage: Stage) -> Path:
        """Give the log of all its commands."""
        return stage.logs / f"test-{self.name}.log"

    def stands_on(self, other: "Trial") -> bool:
        """Say whether its foundations can be built on those of another."""
        return self.languages == other.languages and set(self.modules) >= set(other.modules)


class Running(NamedTuple):
    """A process of a trial, and the command lines that come behind it."""

    trial: Trial
    child: Child
    later: list[list[str]]


def trials() -> list[Trial]:
    """List what is to be shown, from the lowest add-on to the highest."""
    present = database.our_addons()
    found = [Trial(addon, (addon,), foundations(addon), (addon,)) for addon in present]
    payments = tuple(addon for addon in paths.PAYMENT_ADDONS if addon in present)
    if payments:
        # Odoo's own tests compare English sentences.
        modules = sorted(PAYMENT_TESTS)
        found.append(Trial("payments", payments, modules, PAYMENT_TESTS, languages=()))
    return found


def run(report: Report, stage: Stage, chromium: Path) -> None:
    """Make the trials, as many at a time as there are cores."""
    below: Trial | None = None
    template: str | None = None
    running: list[Running] = []
    try:
        for trial in trials():
            if not (below and trial.stands_on(below)):
                template = None
            if template is None or trial.modules != below.modules:
                template = _template(stage, trial, template)
            below = trial
            stage.clone(trial.database, template)
            trial.log(stage).unlink(missing_ok=True)
            if len(running) >= (os.cpu_count() or 1):
                _finish(report, stage, chromium, running)
            running.append(_start(stage, trial, chromium, _lines(trial)))
        while running:
            _finish(report, stage, chromium, running)
    finally:
        for each in running:
            each.child.stop()


def _finish(report: Report, stage: Stage, chromium: Path, running: list[Running]) -> None:
    """Wait until a trial has ended, and take over what it found."""
    found: Report | None = None
    while found is None:
        time.sleep(0.2)
        for ended in [each for each in running if not each.child.running()]:
            running.remove(ended)
            if ended.later and not ended.child.process.returncode:
                running.append(_start(stage, ended.trial, chromium, ended.later))
            else:
                found = _found(ended)
                for test, outcome in found.outcomes.items():
                    report.add(test, outcome)
                problems = [f"{found.part}: {problem}" for problem in found.problems]
                report.problems += problems
                stage.databases.drop(ended.trial.database)


def _found(ended: Running) -> Report:
    """Read what the tests of a trial said."""
    child = ended.child
    found = Report(ended.trial.name)
    odoo_log.read(child.log.read_text(errors="replace"), found)
    if not found.outcomes:
        found.problems.append(f"no test ran, see {child.log}")
    if child.process.returncode and not found.problems:
        found.problems.append(f"Odoo ended with {child.process.returncode}, see {child.log}")
    return found


def foundations(addon: str) -> list[str]:
    """List the modules that are not ours which an add-on depends on, itself or through ours."""
    found: set[str] = set()
    todo, seen = [addon], set()
    while todo:
        name = todo.pop()
        seen.add(name)
        manifest = paths.ADDONS / name / "__manifest__.py"
        if manifest.exists():
            todo += [n for n in ast.literal_eval(manifest.read_text())["depends"] if n not in seen]
        else:
            found.add(name)
    return sorted(found)


def _template(stage: Stage, trial: Trial, below: str | None) -> str:
    """Give a database with a trial's foundations alone, built on the one below if any."""
    modules = [*trial.modules, NO_BUNDLES]
    make = partial(
        stage.databases.make_modules, modules=modules, base=below, languages=trial.languages
    )
    digest = database.modules_digest(modules, trial.languages)
    return stage.template(f"tpl_{trial.name}", digest, make)


def _lines(trial: Trial) -> list[list[str]]:
    """Give the words of the commands that install a trial's add-ons and run its tests."""
    install = ["-i", ",".join(trial.addons), "--skip-auto-install"]
    tests = [f"--test-tags={','.join(f'/{module}' for module in trial.tests)}"]
    if set(trial.tests) <= set(trial.addons):
        return [install + tests]
    # What is installed in the same run keeps the tests of other modules from running.
    return [install, tests]


def _start(stage: Stage, trial: Trial, chromium: Path, lines: list[list[str]]) -> Running:
    """Start the next command of a trial."""
    words = [
        "server",
        "-d",
        trial.database,
        "--stop-after-init",
        "--max-cron-threads=0",
        f"--http-port={free_port()}",
        f"--screenshots={paths.LOCAL / 'test' / 'screenshots'}",
        *lines[0],
    ]
    environment = stage.odoo.env()
    environment["PATH"] = f"{chromium.parent}:{environment['PATH']}"
    child = Child(
        f"Odoo's tests of {trial.name}",
        stage.odoo.line(*words),
        log=trial.log(stage),
        env=environment,
        cwd=stage.odoo.folder,
    )
    return Running(trial, child, lines[1:])
