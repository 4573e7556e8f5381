"""scripts/run on a PostgreSQL server that a person named."""

import shutil
import signal
import time
import urllib.request

import pytest

from house.settings import LOOPBACK
from project_copy import SECONDS, Copy


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path / "project")


@pytest.mark.timeout(1200)
def test_a_named_server_is_used_and_left_running(stage, copy):
    name = stage.clone("house_named")
    files = copy.folder / ".local" / "run" / "data" / "filestore" / name
    shutil.copytree(stage.odoo.filestore(name), files)
    named = {**stage.server.env(), "ACREL_DB": name}
    with copy.start(**named) as process:
        try:
            said = wait_for(process, "Ctrl-C stops everything.")
            health = f"http://{LOOPBACK}:{copy.http_port}/web/health"
            with urllib.request.urlopen(health, timeout=60) as page:
                assert page.status == 200
            assert "already running" in copy.refuses(**named)
            assert not (copy.folder / ".local" / "run" / "postgres").exists()
        finally:
            process.send_signal(signal.SIGTERM)
            said += process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 0, said
    assert stage.server.exists(name)
    stage.databases.drop(name)


def wait_for(process, words):
    """Read what a process says until it says these words."""
    said = ""
    deadline = time.monotonic() + SECONDS
    for line in process.stdout:
        said += line
        if words in line:
            return said
        assert time.monotonic() < deadline, said
    raise AssertionError(said)
