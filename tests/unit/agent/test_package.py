"""The package that is installed on a box: complete, and without what only the server has."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3] / "tools" / "meter_agent"

BUILD = """
from setuptools import setup
setup(script_args=["-q", "build", "--build-base", "{base}", "--build-lib", "{lib}",
                   "egg_info", "--egg-base", "{base}"])
"""
# What a box does not have must not be asked for; an import of it fails as it would there.
USE = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("psycopg", "psycopg2", "odoo", "uvloop"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
sys.path.insert(0, {lib!r})
import meter_agent, acrel_link
assert acrel_link.__path__[0].startswith({lib!r}), acrel_link.__path__
for module in pkgutil.iter_modules(meter_agent.__path__):
    if module.name != "__main__":
        importlib.import_module("meter_agent." + module.name)
from meter_agent.cli import main
sys.exit(main(["--config", "/no-such-file", "run"]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Build what a wheel holds into a folder."""
    folder = tmp_path_factory.mktemp("package")
    lib = folder / "lib"
    script = BUILD.format(base=folder, lib=lib)
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=PROJECT, check=True)
    return lib


def test_runs_without_odoo_and_postgresql(installed):
    done = subprocess.run(
        [sys.executable, "-I", "-c", USE.format(lib=str(installed))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("The configuration /no-such-file cannot be read")


def test_source_is_the_server_s_own(installed):
    addon = PROJECT.parents[1] / "addons" / "acrel_meter_link" / "acrel_link"
    for name in ("frames.py", "sealed/device.py", "keys/package.py", "guard_order.py"):
        assert (installed / "acrel_link" / name).read_bytes() == (addon / name).read_bytes()
    data = [file.name for file in (installed / "acrel_link").rglob("*.csv")]
    assert sorted(data) == sorted(file.name for file in addon.rglob("*.csv"))


def test_unit_file_is_one_that_systemd_takes(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not installed here")
    text = (PROJECT / "meter-agent.service").read_text()
    unit = tmp_path / "meter-agent.service"
    unit.write_text(text.replace("/usr/local/bin/meter-agent", sys.executable))
    done = subprocess.run(
        [analyze, "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert "meter-agent.service" not in done.stderr, done.stderr
    assert done.returncode == 0
