"""A copy of the project in which scripts/run can be started on its own."""

import shutil
import subprocess

from house import paths
from house.settings import free_port

SECONDS = 180
SHARED = ("venv", "odoo", "cache", "pycache")


class Copy:
    """A copy of the project that shares what is installed, but has its own run folder."""

    def __init__(self, folder):
        self.folder = folder
        self.http_port = free_port()
        skip = shutil.ignore_patterns(".git", ".local", ".*_cache", ".hypothesis", "__pycache__")
        shutil.copytree(paths.ROOT, folder, ignore=skip, symlinks=True)
        (folder / ".local").mkdir()
        for name in SHARED:
            (folder / ".local" / name).symlink_to(paths.LOCAL / name)

    def start(self, **env):
        """Start scripts/run with an environment of its own."""
        others = ("ACREL_LINK_PORT", "ACREL_WECHATPAY_PORT", "ACREL_ALIPAY_PORT")
        ports = {
            "ACREL_HTTP_PORT": str(self.http_port),
            **{name: str(free_port()) for name in others},
        }
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
