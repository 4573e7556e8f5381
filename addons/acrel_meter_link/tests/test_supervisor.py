import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import closing

import psutil
import psycopg2
from psycopg2 import sql

from odoo.sql_db import connection_info_for
from odoo.tests import get_db_name, tagged

from .. import schema, supervisor
from .process_case import DEADLINE, ProcessCase


@tagged("post_install", "-at_install")
class TestSupervisor(ProcessCase):
    """`odoo meter_link` as a process: refusals, clean stops, and nothing left behind."""

    def refuse(self, *args, code=2, **variables):
        """Run the command, which must refuse; return what it says."""
        command, environment = self.command(*args)
        done = subprocess.run(
            command,
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stderr

    def administer(self, statement):
        """Run a statement outside any transaction."""
        _name, parameters = connection_info_for("postgres")
        with closing(psycopg2.connect(**parameters)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)

    def make_database(self):
        """Make an empty database for this test."""
        name = f"{get_db_name()}_meter_link_test"
        drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
        self.administer(drop)
        self.administer(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
        )
        self.addCleanup(self.administer, drop)
        return name

    def test_refuses_unknown_option(self):
        self.assertIn("--no-such-option", self.refuse("-d", get_db_name(), "--no-such-option"))

    def test_refuses_two_databases(self):
        self.assertIn("exactly one database", self.refuse("-d", "one,two"))

    def test_refuses_missing_database(self):
        said = self.refuse("-d", "acrel_no_such_database")
        self.assertIn("acrel_no_such_database cannot be reached", said)

    def test_refuses_unreachable_server(self):
        away = ("-d", get_db_name(), "--db_host=127.0.0.1", "--db_port=9")
        self.assertIn("cannot be reached", self.refuse(*away))
        # the supervisor starts an engine again that finds PostgreSQL away, but not a misled one
        self.assertIn("cannot be reached", self.refuse("--engine", *away, code=1))
        self.refuse("--engine", "-d", "acrel_no_such_database")

    def test_refuses_other_databases(self):
        name = self.make_database()
        self.assertIn("none of Odoo's", self.refuse("-d", name))
        _name, parameters = connection_info_for(name)
        with closing(psycopg2.connect(**parameters)) as connection, connection:
            connection.cursor().execute("CREATE TABLE ir_module_module (name text, state text)")
        self.assertIn("not installed", self.refuse("-d", name))

    def test_refuses_wrong_settings_of_the_link(self):
        said = self.refuse("-d", get_db_name(), ACREL_LINK_LISTEN="everywhere")
        self.assertIn("ACREL_LINK_LISTEN", said)
        said = self.refuse("-d", get_db_name(), "--listen", "nowhere")
        self.assertIn("nowhere", said)

    def supervise(self, **variables):
        """Start the supervisor; return it once both children run."""
        process = self.start("-d", get_db_name(), "--listen", "127.0.0.1:0", **variables)
        self.until(lambda: len(self.children(process)) == 2, "both children run")
        return process

    def children(self, process):
        """Return the living children that run a program of ours already."""
        found = {}
        for child in process.children():
            try:
                line = child.cmdline()
            except psutil.NoSuchProcess:
                continue
            if "acrel_link" in line:
                found["link"] = child
            elif "--engine" in line:
                found["engine"] = child
        return found

    def gone(self, process):
        try:
            return process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def test_restarts_children_and_stops_cleanly(self):
        process = self.supervise()
        for name in ("link", "engine"):
            old = self.children(process)[name]
            old.kill()
            self.until(
                lambda name=name, old=old: self.children(process).get(name, old).pid != old.pid,
                f"{name} is restarted",
            )
        children = self.children(process).values()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(DEADLINE), 0)
        for child in children:
            self.assertTrue(self.gone(child))

    def test_reload_reaches_the_link_and_restarts_nothing(self):
        with (
            tempfile.TemporaryDirectory() as folder,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        ):
            manager.bind(f"{folder}/notify")
            manager.settimeout(DEADLINE)
            process = self.supervise(NOTIFY_SOCKET=f"{folder}/notify")
            self.assertIn(b"READY=1", manager.recv(4096))
            pids = {name: child.pid for name, child in self.children(process).items()}
            process.send_signal(signal.SIGHUP)
            said = b""
            while b"RELOADING=1" not in said:
                said = manager.recv(4096)
            self.assertIn(b"READY=1", manager.recv(4096))
            self.assertEqual(
                {name: child.pid for name, child in self.children(process).items()}, pids
            )
            process.send_signal(signal.SIGTERM)
            while said != b"STOPPING=1":
                said = manager.recv(4096)
            self.assertEqual(process.wait(DEADLINE), 0)

    def test_killed_supervisor_takes_the_children_along(self):
        process = self.supervise()
        children = self.children(process).values()
        process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE)
        for child in children:
            self.until(lambda child=child: self.gone(child), f"{child} is gone")

    def test_password_is_nowhere_to_be_seen(self):
        os.environ["ACREL_LINK_DB_PASSWORD"] = "secret-of-the-link"
        self.addCleanup(os.environ.pop, "ACREL_LINK_DB_PASSWORD", None)
        link = supervisor.prepare_link(get_db_name())
        self.assertEqual(link["PGPASSWORD"], "secret-of-the-link")
        self.assertNotIn("ACREL_LINK_DB_PASSWORD", link)
        self.assertNotIn("secret", link["ACREL_LINK_DSN"])
        self.assertIn(f"user={schema.LINK_ROLE}", link["ACREL_LINK_DSN"])
        command, engine = supervisor.engine_command([])
        self.assertNotIn("secret-of-the-link", [*command, *engine.values()])
        self.assertEqual(command[0], sys.executable)
