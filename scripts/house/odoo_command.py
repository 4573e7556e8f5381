"""Odoo's command lines, all started with one generated configuration file."""

import configparser
import os
import subprocess
from pathlib import Path

from . import paths, settings
from .errors import Refused
from .odoo_home import OdooHome
from .server import Server


class OdooCommand:
    """Knows how any `odoo …` command is started against one server and one data folder."""

    def __init__(self, home: OdooHome, server: Server, folder: Path, *more_addons: Path):
        self.home = home
        self.server = server
        self.addons = [*home.addons, paths.ADDONS, *more_addons]
        self.folder = paths.make(folder)
        self.data_dir = paths.make(folder / "data")
        self.secrets_dir = paths.make(folder / "secrets")
        self.secrets_dir.chmod(0o700)
        self.conf = folder / "odoo.conf"
        self._write_conf()

    def _write_conf(self) -> None:
        """Write the project's odoo.conf with what only this start knows; it may hold a password."""
        options = settings.odoo_conf()
        options |= {
            "addons_path": ",".join(map(str, self.addons)),
            "data_dir": str(self.data_dir),
            "db_host": self.server.host,
            "db_port": str(self.server.port),
            "db_user": self.server.user,
            "http_interface": settings.LOOPBACK,
        }
        if self.server.password:
            options["db_password"] = self.server.password
        parser = configparser.RawConfigParser()
        parser["options"] = options
        fresh = self.conf.with_suffix(f".{os.getpid()}")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            parser.write(file)
        fresh.replace(self.conf)

    def env(self) -> dict[str, str]:
        """Give the environment of every Odoo process."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        return {
            **kept,
            **self.server.env(),
            "PATH": f"{paths.VENV / 'bin'}:{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": str(self.home.import_path),
            "PYTHONUNBUFFERED": "1",
            # Compiled files stay out of the add-ons' folders, and make the next start quicker.
            "PYTHONPYCACHEPREFIX": str(paths.LOCAL / "pycache"),
            # Commands of add-ons are found only when their folder is known before the arguments.
            "ODOO_RC": str(self.conf),
            # Providers of payments name their keys' files here.
            "PAYMENT_SECRETS_DIR": str(self.secrets_dir),
        }

    def line(self, *words: str | os.PathLike) -> list[str]:
        """Give the command line `odoo words…`."""
        return [str(paths.PYTHON), str(self.home.script), *map(str, words)]

    def filestore(self, database: str) -> Path:
        """Give the folder of a database's files."""
        return self.data_dir / "filestore" / database

    def run(self, *words: str, log: Path, fails: str) -> str:
        """Run a command to its end and give its log; refuse with its last errors when it fails."""
        paths.make(log.parent)
        with open(log, "w") as out:
            done = subprocess.run(
                self.line(*words),
                env=self.env(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
            )
        text = log.read_text(errors="replace")
        if done.returncode:
            raise Refused(f"{fails} (exit code {done.returncode}): {last_error(text)} See {log}.")
        return text

    def script(self, database: str, code: str, *, fails: str, log: Path) -> str:
        """Run Python in `odoo shell` on a database and give what it printed."""
        paths.make(log.parent)
        with open(log, "w") as err:
            done = subprocess.run(
                self.line(
                    "shell",
                    "-d",
                    database,
                    "--no-http",
                    "--log-level=warn",
                    "--shell-interface=python",
                ),
                env=self.env(),
                cwd=self.folder,
                # A failure must end the shell, or its exit code would be 0.
                input=f"exec(compile({code!r}, 'script', 'exec'))\nprint('script done')\n",
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
                check=False,
            )
        if done.returncode or "script done" not in done.stdout:
            raise Refused(f"{fails}: {last_error(log.read_text(errors='replace'))} See {log}.")
        return done.stdout


def last_error(log: str) -> str:
    """Pick the line of a log that tells most about a failure."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in reversed(lines):
        if "Error" in line or " ERROR " in line or " CRITICAL " in line:
            return line[-300:]
    return lines[-1][-300:] if lines else "it said nothing"
