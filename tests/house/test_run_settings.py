"""What a person can set wrong is one sentence and exit code 2; a named server is used."""

import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

from house import paths
from house.settings import LOOPBACK, free_port
from house.stage import Stage

SECONDS = 180
SHARED = ("venv", "odoo", "cache", "pycache")


class Copy:
    """A copy of the project that shares what is installed, but has its own run folder."""

    def __init__(self, folder):
        self.folder = folder
        self.http_port, self.link_port = free_port(), free_port()
        skip = shutil.ignore_patterns(".git", ".local", ".*_cache", ".hypothesis", "__pycache__")
        shutil.copytree(paths.ROOT, folder, ignore=skip, symlinks=True)
        (folder / ".local").mkdir()
        for name in SHARED:
            (folder / ".local" / name).symlink_to(paths.LOCAL / name)

    def start(self, **env):
        """Start scripts/run with an environment of its own."""
        ports = {"ACREL_HTTP_PORT": str(self.http_port), "ACREL_LINK_PORT": str(self.link_port)}
        return subprocess.Popen(
            [self.folder / "scripts" / "run"],
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder), **ports, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def refuses(self, **env):
        """Start it, expect exit code 2, and give what it said last."""
        with self.start(**env) as process:
            said, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 2, said
        assert "Traceback" not in said
        return said.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return Copy(tmp_path_factory.mktemp("settings") / "project")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ACREL_HTTP_PORT", "abc", "ACREL_HTTP_PORT is 'abc'"),
        ("ACREL_DB", "No", "ACREL_DB is 'No'"),
        ("ODOO_HOME", "/usr/share", "name another folder by ODOO_HOME, or unset it"),
        ("PGHOST", "/nowhere", "check odoo.conf or PGHOST, PGPORT, PGUSER and PGPASSWORD"),
    ],
)
def test_wrong_settings_are_a_sentence(copy, name, value, sentence):
    assert sentence in copy.refuses(**{name: value})


def test_a_taken_port_is_a_sentence(copy):
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Port {port}, meant for Odoo's pages" in copy.refuses(ACREL_HTTP_PORT=str(port))
        assert f"Port {port}, meant for the meters" in copy.refuses(ACREL_LINK_PORT=str(port))


def test_a_server_named_in_odoo_conf_is_tried(copy):
    conf = copy.folder / "odoo.conf"
    text = conf.read_text()
    try:
        conf.write_text(text + "db_host = /nowhere\ndb_user = somebody\n")
        said = copy.refuses()
    finally:
        conf.write_text(text)
    assert "at /nowhere:5432 does not let the user somebody" in said


@pytest.mark.timeout(1200)
def test_a_named_server_is_used_and_left_running(copy):
    with Stage.open() as stage:
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
