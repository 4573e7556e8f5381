"""Part `odoo`: each add-on installed with nothing but what it depends on, and its own tests run."""

import ast
import os
import time
from functools import partial
from pathlib import Path

from .. import database, paths
from ..children import Child
from ..settings import free_port
from ..stage import Stage
from . import odoo_log
from .report import Report


def run(report: Report, stage: Stage, chromium: Path) -> None:
    """Test the add-ons from the lowest to the highest, as many at a time as there are cores."""
    template, modules = None, []
    running: dict[str, Child] = {}
    try:
        for addon in database.our_addons():
            if foundations(addon) != modules:
                modules = foundations(addon)
                template = _template(stage, addon, modules, template)
            stage.clone(_database(addon), template)
            if len(running) >= (os.cpu_count() or 1):
                _finish(report, stage, running)
            running[addon] = _start(stage, addon, chromium)
        while running:
            _finish(report, stage, running)
    finally:
        for child in running.values():
            child.stop()


def _database(addon: str) -> str:
    return f"odoo_{addon}"


def _finish(report: Report, stage: Stage, running: dict[str, Child]) -> None:
    """Wait until one of the running tests has ended, and take over what it found."""
    while all(child.running() for child in running.values()):
        time.sleep(0.2)
    addon = next(addon for addon, child in running.items() if not child.running())
    child = running.pop(addon)
    found = Report(addon)
    odoo_log.read(child.output(), found)
    if not found.outcomes:
        found.problems.append(f"no test ran, see {child.log}")
    if child.process.returncode and not found.problems:
        found.problems.append(f"Odoo ended with {child.process.returncode}, see {child.log}")
    for test, outcome in found.outcomes.items():
        report.add(test, outcome)
    report.problems += [f"{addon}: {problem}" for problem in found.problems]
    stage.databases.drop(_database(addon))


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


def _template(stage: Stage, addon: str, modules: list[str], below: str | None) -> str:
    """Give a database with exactly the add-on's foundations, built on the one below."""
    make = partial(stage.databases.make_modules, modules=modules, base=below)
    return stage.template(f"tpl_{addon}", database.modules_digest(modules), make)


def _start(stage: Stage, addon: str, chromium: Path) -> Child:
    """Install the add-on and run its tests."""
    words = [
        "server",
        "-d",
        _database(addon),
        "-i",
        addon,
        "--skip-auto-install",
        "--stop-after-init",
        "--max-cron-threads=0",
        f"--http-port={free_port()}",
        f"--test-tags=/{addon}",
        f"--screenshots={paths.LOCAL / 'test' / 'screenshots'}",
    ]
    environment = stage.odoo.env()
    environment["PATH"] = f"{chromium.parent}:{environment['PATH']}"
    return Child(
        f"Odoo's tests of {addon}",
        stage.odoo.line(*words),
        log=stage.logs / f"test-{addon}.log",
        env=environment,
        cwd=stage.odoo.folder,
    )
