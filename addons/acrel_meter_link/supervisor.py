"""Starts the link process and the engine, restarts them when they die, and takes them along.

Runs in `odoo meter_link` without a registry. The children are told to die by the kernel when the
supervisor is killed, so that nothing is ever left behind.
"""

import ctypes
import logging
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import psycopg2.extensions

import odoo.cli
from odoo.sql_db import connection_info_for
from odoo.tools import config

from . import schema
from .acrel_link.database import answers, refused_for_now
from .acrel_link.settings import SettingsError, read_settings

_logger = logging.getLogger(__name__)

EXIT_AWAY = 1
EXIT_SETTINGS = 2
EXIT_RESTART = 75
# Waits before a child that died is started again; one that lived for a while begins anew. The
# longest is short: outputs are guarded by the link, which must not be away for long because it was
# killed a few times.
BACKOFF_FIRST, BACKOFF_LAST = 1.0, 10.0
HEALTHY_SECONDS = 10.0
# A child that does not end by then is killed; both lose nothing by it.
STOP_SECONDS = 20.0

PR_SET_PDEATHSIG = 1
_ADDON = Path(__file__).parent
_libc = ctypes.CDLL(None)


class WrongSettings(Exception):
    """What was set cannot work; the text says what to do instead."""


class ServerAway(WrongSettings):
    """PostgreSQL does not answer: wrong settings, or nothing that time does not heal."""


def refuse(error):
    """Say what is wrong, in the log and to the person at the terminal.

    :return: exit code
    """
    text = " ".join(str(error).split())
    _logger.error("%s", text)
    if config["logfile"]:
        sys.stderr.write(f"{text}\n")
    return EXIT_SETTINGS


# === SETTINGS === #


def check_database(names):
    """Look whether the one database named can be served.

    :param list names: databases as configured
    :return: the name
    :raise WrongSettings: when it cannot
    """
    if len(names) != 1:
        raise WrongSettings(
            f"meter_link serves exactly one database, and {len(names) or 'none'} is configured: "
            "name it with -d or as db_name in the configuration file."
        )
    [name] = names
    with _connect(name) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('ir_module_module') IS NOT NULL")
        if not cursor.fetchone()[0]:
            raise WrongSettings(f"The database {name} is none of Odoo's: name another with -d.")
        cursor.execute("SELECT state FROM ir_module_module WHERE name = 'acrel_meter_link'")
        state = cursor.fetchone()
        if not state or state[0] in ("uninstalled", "uninstallable", "to install"):
            raise WrongSettings(
                f"The module acrel_meter_link is not installed in the database {name}: run "
                f"odoo -d {name} -i acrel_meter_link first."
            )
    return name


def wait_for_modules(name):
    """Wait until no module is about to change, so that none is loaded half changed."""
    waiting = False
    while True:
        with _connect(name) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM ir_module_module WHERE state LIKE 'to %' LIMIT 1")
            if not cursor.fetchone():
                return
        if not waiting:
            _logger.info("Modules of database %s are about to change; waiting", name)
            waiting = True
        time.sleep(1)


def _connect(name):
    """Connect as Odoo does; used as a context manager, the connection is closed after it."""
    _name, parameters = connection_info_for(name)
    server = f"{_dsn(parameters)} connect_timeout=5"
    refused = None
    # the second try is for a server that came up since the first one failed
    for _try in range(2):
        try:
            return _Closing(psycopg2.connect(**parameters, connect_timeout=5))
        except psycopg2.OperationalError as error:
            refused = error
            away = refused_for_now(error) or not answers(server)
        if away:
            break
    raise (ServerAway if away else WrongSettings)(
        f"The database {name} cannot be reached: {' '.join(str(refused).split())}. "
        "Check db_host, db_port, db_user and -d."
    ) from refused


def _dsn(parameters):
    """Write psycopg2's parameters as a libpq connection string, without a password."""
    kept = {
        key: parameters[key]
        for key in ("host", "port", "user", "dbname", "sslmode")
        if key in parameters
    }
    return psycopg2.extensions.make_dsn(**kept)


class _Closing:
    """A psycopg2 connection that commits and closes at the end of its block."""

    def __init__(self, connection):
        self._connection = connection

    def __enter__(self):
        return self._connection.__enter__()

    def __exit__(self, *failure):
        try:
            self._connection.__exit__(*failure)
        finally:
            self._connection.close()


def prepare_link(name):
    """Check the link's settings, refresh its role's rights, and see that it can connect.

    :return: environment of the link process
    :raise WrongSettings: when it could not work
    """
    with _connect(name) as connection, connection.cursor() as cursor:
        if not schema.role_exists(cursor):
            raise WrongSettings(
                f"PostgreSQL has no role {schema.LINK_ROLE}, under which the link process works: "
                f"run CREATE ROLE {schema.LINK_ROLE} LOGIN as a superuser."
            )
        schema.grant(cursor)
    environment = dict(os.environ)
    password = environment.pop("ACREL_LINK_DB_PASSWORD", None)
    if not environment.get("ACREL_LINK_DSN"):
        _name, parameters = connection_info_for(name)
        environment["ACREL_LINK_DSN"] = _dsn(
            parameters | {"dbname": name, "user": schema.LINK_ROLE}
        )
        # libpq's own variables would be Odoo's
        environment.pop("PGPASSWORD", None)
        environment.pop("PGUSER", None)
    if password is not None:
        environment["PGPASSWORD"] = password
    environment.setdefault(
        "ACREL_LINK_SPOOL", str(Path(config["data_dir"]).absolute() / "meter_link" / name / "spool")
    )
    try:
        read_settings([], environment)
    except SettingsError as error:
        raise WrongSettings(error) from error
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(_ADDON), *filter(None, [environment.get("PYTHONPATH")])]
    )
    return environment


def engine_command(odoo_args):
    """Return command line and environment that run the engine as a process of its own.

    `python -m odoo` rather than the script that was run, because Odoo offers no way to find that.
    """
    root = Path(odoo.cli.__path__[0]).parent.parent
    environment = dict(os.environ)
    for name in ("ACREL_LINK_DB_PASSWORD", "ACREL_LINK_DSN", "ACREL_LINK_ROOT_KEY_FILE"):
        environment.pop(name, None)
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(root), *filter(None, [environment.get("PYTHONPATH")])]
    )
    addons_path = ",".join(config["addons_path"])
    command = [
        sys.executable,
        "-P",
        "-m",
        "odoo",
        f"--addons-path={addons_path}",
        "meter_link",
        "--engine",
        *odoo_args,
    ]
    return command, environment


# === CHILDREN === #


@dataclass
class Child:
    """A process that is kept running."""

    name: str
    command: list
    environment: dict = field(repr=False)
    process: subprocess.Popen | None = None
    started: float = 0.0
    wait: float = BACKOFF_FIRST
    due: float = 0.0
    proven: bool = False  # it ran for a while once, so its settings were right
    reloads: bool = False  # it reads again on SIGHUP what may change without a restart

    def start(self):
        """Start the process."""
        parent = os.getpid()

        def die_with_parent():
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        # its own process group: Ctrl-C reaches the supervisor alone, which ends the children
        self.process = subprocess.Popen(
            self.command, env=self.environment, process_group=0, preexec_fn=die_with_parent
        )
        self.started = time.monotonic()
        _logger.info("child=%s pid=%s event=started", self.name, self.process.pid)

    def end_seen(self):
        """Plan the next start of a process that died since it was started.

        :return: whether it shall not be started again, because its settings are wrong
        """
        code = self.process.poll() if self.process is not None else None
        if code is None:
            return False
        lived = time.monotonic() - self.started
        _logger.log(
            logging.INFO if code in (0, EXIT_RESTART) else logging.WARNING,
            "child=%s pid=%s event=ended code=%s after=%.1fs",
            self.name,
            self.process.pid,
            code,
            lived,
        )
        self.process = None
        self._plan(code, lived)
        if code == EXIT_SETTINGS:
            return not self.proven
        self.proven = self.proven or lived >= HEALTHY_SECONDS
        return False

    def _plan(self, code, lived):
        """Decide when the process is started again."""
        if code == EXIT_RESTART or lived >= HEALTHY_SECONDS:
            self.wait = BACKOFF_FIRST
        pause = 0.0 if code == EXIT_RESTART else self.wait
        self.wait = min(self.wait * 2, BACKOFF_LAST)
        self.due = time.monotonic() + pause


class Supervisor:
    """Keeps the children running until a signal says stop."""

    def __init__(self, children):
        self._children = children
        self._stopping = self._reloading = False
        self._waker, self._wake = os.pipe()

    def run(self):
        """Supervise.

        :return: exit code
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._reload)
        # a child's end wakes the pause as well: every handled signal writes to the pipe
        signal.signal(signal.SIGCHLD, lambda *_signal: None)
        os.set_blocking(self._wake, False)
        os.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._wake)
        code = 0
        while not self._stopping:
            now = time.monotonic()
            for child in self._children:
                if child.process is None and child.due <= now:
                    child.start()
            self._pause()
            if self._reloading:
                self._reloading = False
                self._hand_on(signal.SIGHUP)
            if any(child.end_seen() for child in self._children):
                # it has said in its own words what is wrong
                _logger.error("A child refuses its settings; nothing is served")
                code = EXIT_SETTINGS
                break
        self._end()
        return code

    def _stop(self, *_signal):
        self._stopping = True

    def _reload(self, *_signal):
        self._reloading = True

    def _hand_on(self, number):
        """Send a signal to the children that know it; no connection is dropped by it."""
        for child in self._children:
            if child.reloads and child.process is not None:
                _logger.info("child=%s pid=%s event=reload", child.name, child.process.pid)
                child.process.send_signal(number)

    def _pause(self):
        """Wait for a signal, or until a child is due."""
        due = [child.due for child in self._children if child.process is None]
        seconds = min([1.0, *(moment - time.monotonic() for moment in due)])
        if select.select([self._waker], [], [], max(0.0, seconds))[0]:
            os.read(self._waker, 4096)

    def _end(self):
        """End the children, and wait for them."""
        living = [child for child in self._children if child.process is not None]
        for child in living:
            child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in living:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _logger.warning("child=%s pid=%s event=killed", child.name, child.process.pid)
                child.process.kill()
                child.process.wait()
            _logger.info("child=%s event=stopped code=%s", child.name, child.process.returncode)


def run(name, odoo_args):
    """Serve a database until stopped.

    :param list odoo_args: Odoo's options as given, handed on to the engine
    :return: exit code
    """
    link_environment = prepare_link(name)
    engine, engine_environment = engine_command(odoo_args)
    link = [sys.executable, "-P", "-m", "acrel_link"]
    return Supervisor(
        [
            Child("link", link, link_environment, reloads=True),
            Child("engine", engine, engine_environment),
        ]
    ).run()
