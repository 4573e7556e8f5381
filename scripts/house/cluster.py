"""A private PostgreSQL cluster: made once, started and stopped with the command that needs it."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from . import paths, pg_place, pg_programs
from .children import Child
from .errors import Refused

SUPERUSER = "postgres"
PORT = 5432
START_SECONDS = 60


class Cluster:
    """One cluster that listens on a unix socket in a folder closed to other users."""

    def __init__(self, name: str, note: Callable[[str], None], *, durable: bool = True):
        self.name = name
        self.durable = durable
        self.place = pg_place.choose(name)
        self.log = paths.LOGS / f"postgres-{name}.log"
        self.child: Child | None = None
        version = self.place.data / "PG_VERSION"
        major = int(version.read_text()) if version.exists() else None
        # Programs that we unpack lie beside the clusters, where their user can start them.
        home = self.place.base.parent.parent
        self.programs = pg_programs.find_or_install(home, note, major)

    @property
    def host(self) -> Path:
        """What PGHOST is set to: the socket's folder."""
        return self.place.socket

    def make(self) -> None:
        """Make the cluster when it is not there yet."""
        self.place.prepare()
        if (self.place.data / "PG_VERSION").exists():
            return
        self.run_tool(
            "initdb",
            f"--pgdata={self.place.data}",
            f"--username={SUPERUSER}",
            # Only its own user and root can reach the socket.
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        )

    def copy(self, other: "Cluster") -> None:
        """Make the cluster anew as a copy of another, which runs and goes on running."""
        self.remove()
        self.place.prepare()
        self.run_tool(
            "pg_basebackup",
            f"--pgdata={self.place.data}",
            f"--host={other.host}",
            f"--port={PORT}",
            f"--username={SUPERUSER}",
            "--checkpoint=fast",
            "--no-sync",
        )

    def start(self) -> None:
        """Start the server and wait until it answers; one left over by a killed start is ended."""
        self.make()
        if self.child:
            self.child.stop()  # it died; what it left behind goes too, or holds the shared memory
            self.child = None
        if self.alive():
            self.run_tool("pg_ctl", "stop", "-D", self.place.data, "-m", "fast", "-w")
        self.child = Child(
            "PostgreSQL",
            [self.programs.bin / "postgres", "-D", self.place.data, *self.options()],
            log=self.log,
            env=self.programs.env(),
            cwd=Path("/"),
            user=self.place.user,
            stop_signal=signal.SIGINT,
        )
        self.child.wait_until(self.answers, START_SECONDS, "answering on its socket")

    def options(self) -> list[str]:
        """Give the settings the server is started with, as its arguments."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.place.socket,
            "unix_socket_permissions": "0700",
            "port": PORT,
            "max_connections": 200,
            "shared_buffers": "256MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if self.durable:
            # A stored reading writes about 1 KB of log. By default half a gigabyte of it brings a
            # checkpoint early, after which every page of the indexes is logged whole once more.
            settings["max_wal_size"] = "4GB"
        else:
            # Tests kill processes, not the machine; a commit still outlives PostgreSQL's own death.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def answers(self) -> bool:
        """Say whether the server takes connections."""
        pid_file = self.place.data / "postmaster.pid"
        with contextlib.suppress(OSError, IndexError):
            lines = pid_file.read_text().splitlines()
            return lines[7].strip() == "ready" and self._lives(int(lines[0]))
        return False

    def alive(self) -> bool:
        """Say whether a server runs on this cluster's data, whoever started it."""
        with contextlib.suppress(OSError, IndexError, ValueError):
            return self._lives(int((self.place.data / "postmaster.pid").read_text().split()[0]))
        return False

    def _lives(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return os.fsencode(self.place.data) in words
        return False

    def stop(self) -> None:
        """Stop the server at once but cleanly: sessions are ended, data is written."""
        if self.child and self.child.running():
            self.child.stop(60)
        elif self.alive():
            self.run_tool("pg_ctl", "stop", "-D", self.place.data, "-m", "fast", "-w")
        self.child = None

    def remove(self) -> None:
        """Stop the server and delete the folder called like the cluster, with all that is in it."""
        self.stop()
        for folder in (self.place.socket, self.place.base.parent):
            shutil.rmtree(folder, ignore_errors=True)
        self.log.unlink(missing_ok=True)

    def command(self, program: str, *words: str | os.PathLike) -> list[str]:
        """Give the command line of one of PostgreSQL's programs, as the cluster's user."""
        line = [str(self.programs.bin / program), *map(str, words)]
        if self.place.user:
            line = [
                "setpriv",
                f"--reuid={self.place.user}",
                "--regid",
                str(self._gid()),
                "--clear-groups",
                *line,
            ]
        return line

    def _gid(self) -> int:
        return pwd.getpwnam(self.place.user).pw_gid if self.place.user else os.getgid()

    def run_tool(self, program: str, *words: str | os.PathLike) -> None:
        """Run one of PostgreSQL's programs as the cluster's user."""
        done = subprocess.run(
            [str(self.programs.bin / program), *map(str, words)],
            env=self.programs.env(),
            cwd="/",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **(
                {"user": self.place.user, "group": self._gid(), "extra_groups": []}
                if self.place.user
                else {}
            ),
        )
        if done.returncode:
            raise Refused(f"PostgreSQL's {program} failed: {done.stderr.strip()[-400:]}")

    @contextlib.contextmanager
    def running(self) -> Iterator["Cluster"]:
        """Start the server, and stop it in the end whatever happens."""
        try:
            self.start()
            yield self
        finally:
            self.stop()
