"""`scripts/run` on a fresh copy of the project, in an empty environment, as root and as others."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from house import paths
from house.children import descendants
from house.pg_place import SYSTEM_USERS
from house.settings import free_port

FIRST_START_SECONDS, LATER_SECONDS = 900, 180
ORDINARY = [user for user in reversed(SYSTEM_USERS) if user in {e.pw_name for e in pwd.getpwall()}]
# Root tries itself and an ordinary user; anyone else can only be himself.
USERS = [None, ORDINARY[0]] if os.geteuid() == 0 else [None]


class House:
    """A copy of the project and what is run in it, as one user."""

    def __init__(self, folder: Path, user: str | None):
        self.folder = folder
        self.user = user
        self.words = folder.parent / "said"
        self.ports = {
            f"ACREL_{name}_PORT": str(free_port())
            for name in ("HTTP", "LINK", "WECHATPAY", "ALIPAY")
        }
        self.process: subprocess.Popen | None = None
        self.family: list[int] = []

    def env(self, **more: str) -> dict[str, str]:
        """An empty environment but for the ports and the shared downloads."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "ACREL_CACHE": str(self.folder / "cache"),
            **self.ports,
            **more,
        }

    def start(self, **more: str) -> None:
        """Start scripts/run; what it says goes to a file that `said` reads."""
        owner = pwd.getpwnam(self.user) if self.user else None
        drop = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
        with open(self.words, "w") as words:
            self.process = subprocess.Popen(
                [self.folder / "scripts" / "run"],
                cwd="/",
                env=self.env(**more),
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **drop,
            )

    def said(self) -> str:
        """All it has printed."""
        return self.words.read_text()

    def wait_ready(self, seconds: float) -> None:
        """Wait for its address."""
        deadline = time.monotonic() + seconds
        while "Ready after" not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.2)
        self.family = descendants(self.process.pid)

    def wait_end(self) -> int:
        """Wait until it has ended and give its exit code."""
        return self.process.wait(LATER_SECONDS)

    def page(self, path: str) -> str:
        """Fetch a page from the address it printed."""
        address = re.search(r"http://\S+", self.said())[0]
        with urllib.request.urlopen(address + path, timeout=60) as answer:
            return answer.read().decode()

    def listening(self) -> set[str]:
        """Addresses on which its processes accept TCP connections, as the kernel writes them."""
        inodes = set()
        for pid in self.family:
            with contextlib.suppress(OSError):
                for link in Path(f"/proc/{pid}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        inodes.add(os.readlink(link))
        found = set()
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in Path(table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                    found.add(words[1].split(":")[0])
        return found

    def left(self) -> list[str]:
        """Command lines of its processes that still live."""
        alive = []
        for pid in self.family:
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
                if words:
                    alive.append(words)
        return alive


@pytest.fixture(params=USERS, ids=lambda user: user or "myself")
def house(request):
    # Not pytest's folder: no other user can enter that.
    folder = Path(tempfile.mkdtemp(prefix="acrel-run-"))
    house = House(folder / "project", request.param)
    try:
        folder.chmod(0o755)
        skip = shutil.ignore_patterns(".git", ".local", ".*_cache", ".hypothesis", "__pycache__")
        shutil.copytree(paths.ROOT, house.folder, ignore=skip, symlinks=True)
        shutil.copytree(paths.cache(), house.folder / "cache")
        (house.folder / "home").mkdir()
        if house.user:
            subprocess.run(["chown", "-R", f"{house.user}:", folder], check=True)
        yield house
    finally:
        if house.process and house.process.poll() is None:
            house.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                house.process.wait(60)
            house.process.kill()
            house.process.wait()
        shutil.rmtree(folder)


@pytest.mark.timeout(2 * FIRST_START_SECONDS)
def test_starts_serves_and_stops(house):
    house.start()
    house.wait_ready(FIRST_START_SECONDS)
    assert "admin / admin" in house.said()
    assert 'name="password"' in house.page("/web/login")
    assert house.listening() == {"0100007F"}, "only 127.0.0.1"
    assert len(house.family) >= 5, "PostgreSQL, Odoo, supervisor, link, engine, simulator"
    assert any("meter_agent" in words for words in house.left()), "a site behind a meter agent"

    house.process.send_signal(signal.SIGINT)
    assert house.wait_end() == 0, house.said()
    assert house.left() == []

    # The second start installs nothing, and a kill of one process ends all with a sentence.
    house.start()
    house.wait_ready(LATER_SECONDS)
    assert "installing" not in house.said()
    assert "downloading" not in house.said()
    (odoo,) = [
        pid
        for pid in house.family
        if f"--http-port={house.ports['ACREL_HTTP_PORT']}"
        in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    os.kill(odoo, signal.SIGKILL)
    assert house.wait_end() == 2
    assert "Odoo ended by itself" in house.said()
    assert house.left() == []
