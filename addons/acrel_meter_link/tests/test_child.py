import os
import sys
import time
from contextlib import closing
from unittest.mock import patch

import psycopg2
from psycopg2 import sql

from odoo.sql_db import connection_info_for
from odoo.tests import BaseCase, get_db_name, tagged
from odoo.tools import mute_logger

from .. import supervisor

ROLE = "acrel_meter_link_test_busy"


@tagged("post_install", "-at_install")
class TestChild(BaseCase):
    """Which ends of a child are final, and which refusals of PostgreSQL."""

    def end(self, child, code, lived=0.0):
        """Let a child end; return whether that is final."""
        child.command = [sys.executable, "-c", f"import os; os._exit({code})"]
        child.start()
        child.process.wait()
        child.started = time.monotonic() - lived
        with mute_logger("odoo.addons.acrel_meter_link.supervisor"):
            return child.end_seen()

    def setUp(self):
        super().setUp()
        self.child = supervisor.Child("link", [], dict(os.environ))

    def test_wrong_settings_are_final_at_first(self):
        self.assertFalse(self.end(self.child, supervisor.EXIT_AWAY))
        self.assertTrue(self.end(self.child, supervisor.EXIT_SETTINGS))

    def test_what_ran_for_a_while_is_started_again(self):
        self.assertFalse(self.end(self.child, supervisor.EXIT_AWAY, supervisor.HEALTHY_SECONDS))
        waits = []
        for _time in range(3):
            self.assertFalse(self.end(self.child, supervisor.EXIT_SETTINGS))
            waits.append(self.child.due - time.monotonic())
        self.assertEqual(waits, sorted(waits))
        self.assertGreater(waits[0], 0)

    def test_one_that_is_killed_often_is_never_away_for_long(self):
        for _time in range(20):
            self.assertFalse(self.end(self.child, -9, lived=1.0))
            self.assertLessEqual(self.child.due - time.monotonic(), 10.0)

    def test_too_many_connections_are_no_wrong_settings(self):
        name = get_db_name()
        _name, parameters = connection_info_for(name)
        role = sql.Identifier(ROLE)

        def administer(statement):
            with closing(psycopg2.connect(**parameters)) as connection, connection:
                connection.cursor().execute(sql.SQL(statement).format(role))

        drop = "DROP ROLE IF EXISTS {}"
        administer(drop)
        self.addCleanup(administer, drop)
        administer("CREATE ROLE {} LOGIN PASSWORD 'busy' CONNECTION LIMIT 0")
        busy = parameters | {"user": ROLE, "password": "busy"}
        with (
            patch.object(supervisor, "connection_info_for", lambda _name: (name, busy)),
            self.assertRaisesRegex(supervisor.ServerAway, "too many connections"),
        ):
            supervisor.check_database([name])
