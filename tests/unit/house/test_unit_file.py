"""The service that is shipped for systemd."""

import shutil
import subprocess

import pytest

from house import paths

UNIT = paths.ROOT / "deploy" / "systemd" / "acrel-meter-link.service"


def test_the_unit_is_one_that_systemd_takes(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not installed here")
    lines = UNIT.read_text().splitlines()
    (start,) = (number for number, line in enumerate(lines) if line.startswith("ExecStart="))
    assert lines[start].endswith(" meter_link")
    lines[start] = "ExecStart=/bin/true"  # what it names is not installed here
    unit = tmp_path / UNIT.name
    unit.write_text("\n".join(lines))
    done = subprocess.run(
        [analyze, "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert UNIT.name not in done.stderr, done.stderr
    assert done.returncode == 0
