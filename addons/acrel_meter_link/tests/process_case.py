"""Real processes of `odoo meter_link`, for tests."""

import subprocess
import time
from contextlib import closing

import psutil
import psycopg2

from odoo.sql_db import connection_info_for
from odoo.tests import BaseCase, get_db_name
from odoo.tools import config

from .. import schema, supervisor

DEADLINE = 120


class ProcessCase(BaseCase):
    """Starts the command on the test's database, with this server's settings."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        _name, parameters = connection_info_for(get_db_name())
        with closing(psycopg2.connect(**parameters)) as connection, connection:
            cursor = connection.cursor()
            if not schema.role_exists(cursor):
                cursor.execute(f"CREATE ROLE {schema.LINK_ROLE} LOGIN")

    @classmethod
    def command(cls, *args):
        """Return command line and environment of the command, with this server's settings."""
        command, environment = supervisor.engine_command([])
        command = command[: command.index("meter_link") + 1]
        for name in ("db_host", "db_port", "db_user", "db_sslmode", "data_dir"):
            if config[name]:
                command.append(f"--{name if name.startswith('db_') else 'data-dir'}={config[name]}")
        if config["db_password"]:
            environment["PGPASSWORD"] = config["db_password"]
        environment.pop("ODOO_RC", None)
        return [*command, *args], environment

    def until(self, condition, what):
        """Poll a condition."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)

    @classmethod
    def start(cls, *args, **variables):
        """Start the command, which ends with the test class at the latest."""
        command, environment = cls.command(*args)
        environment |= variables
        process = psutil.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        cls.addClassCleanup(cls.end, process)
        return process

    @staticmethod
    def end(process):
        """Kill a process unless it ended by itself."""
        if process.is_running():
            process.kill()
        process.wait()
