"""Part `odoo`: each add-on installed with nothing but what it depends on, and its own tests run."""

import ast
import subprocess
from functools import partial
from pathlib import Path

from .. import database, paths
from ..settings import free_port
from ..stage import Stage
from . import odoo_log
from .report import Report


def run(report: Report, stage: Stage, chromium: Path) -> None:
    """Test the add-ons from the lowest to the highest."""
    template, modules = None, []
    for addon in database.our_addons():
        if foundations(addon) != modules:
            modules = foundations(addon)
            template = _template(stage, addon, modules, template)
        name = f"odoo_{addon}"
        stage.clone(name, template)
        before = len(report.outcomes)
        report.problems += _test(report, stage, name, addon, chromium)
        if len(report.outcomes) == before:
            report.problems.append(f"{addon} has no test that ran")
        stage.databases.drop(name)


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


def _test(report: Report, stage: Stage, name: str, addon: str, chromium: Path) -> list[str]:
    """Install the add-on and run its tests; give what went wrong beside the tests themselves."""
    log = stage.logs / f"test-{addon}.log"
    words = [
        "server",
        "-d",
        name,
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
    with open(log, "w") as out:
        done = subprocess.run(
            stage.odoo.line(*words),
            env=environment,
            cwd=stage.odoo.folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    found = Report(addon)
    odoo_log.read(log.read_text(errors="replace"), found)
    for test, outcome in found.outcomes.items():
        report.add(test, outcome)
    if done.returncode and not found.problems:
        found.problems.append(f"Odoo ended with exit code {done.returncode}, see {log}")
    return [f"{addon}: {problem}" for problem in found.problems]
