from contextlib import closing

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.sql_db import connection_info_for, db_connect
from odoo.tests import get_db_name, tagged

from .process_case import DEADLINE, ProcessCase

SERIAL = "RUNNERTEST0001"


class RunnerCase(ProcessCase):
    """Engines as processes, and a meter whose readings they handle."""

    def setUp(self):
        super().setUp()
        _name, parameters = connection_info_for(get_db_name())
        self.connection = psycopg2.connect(**parameters)
        self.addCleanup(self.connection.close)
        self.connection.autocommit = True
        with db_connect(get_db_name()).cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            self.meter_id = env["acrel.meter"].create({"name": SERIAL}).id
        self.addCleanup(self.remove)

    def remove(self):
        """Remove what the test committed."""
        with db_connect(get_db_name()).cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["acrel.meter"].browse(self.meter_id).unlink()
            env["acrel.reading"]._purge()

    def row(self, query, *params):
        with closing(self.connection.cursor()) as cursor:
            cursor.execute(query, params)
            return cursor.fetchone() if cursor.description else None

    def hear(self):
        """Write a reading of the meter as the link process does; return its number."""
        return self.row(
            """INSERT INTO acrel_meter_live (meter_id, reading_id, received_at, source)
               VALUES (%s, nextval('acrel_reading_id_seq'), now() AT TIME ZONE 'UTC', 144)
          ON CONFLICT (meter_id) DO UPDATE SET reading_id = EXCLUDED.reading_id
            RETURNING reading_id""",
            self.meter_id,
        )[0]

    def mark(self):
        row = self.row(
            "SELECT reading_id FROM acrel_engine_meter_mark WHERE meter_id = %s", self.meter_id
        )
        return row and row[0]

    def handled(self, reading_id, what):
        self.until(lambda: self.mark() == reading_id, what)

    def leader(self):
        """Return the backend of the leading engine."""
        row = self.row(
            """SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
                WHERE locktype = 'advisory' AND datname = current_database() AND granted
                  AND (classid::bigint << 32 | objid::bigint)
                      = hashtextextended('acrel_engine_leader', 0)"""
        )
        return row and row[0]

    @classmethod
    def engine(cls):
        return cls.start("--engine", "-d", get_db_name())


@tagged("post_install", "-at_install")
class TestLeader(RunnerCase):
    """One engine of several does the work."""

    def test_from_start_to_stop(self):
        reading_id = self.hear()
        first = self.engine()
        self.handled(reading_id, "the reading from before the start")
        leader = self.leader()
        second = self.engine()
        self.until(
            lambda: self.row(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND query LIKE '%%pg_try_advisory_lock%%' AND pid <> pg_backend_pid()"
            )[0],
            "the second waits",
        )
        self.assertEqual(self.leader(), leader)
        first.kill()
        self.until(lambda: self.leader() not in (None, leader), "the second leads")
        self.handled(self.hear(), "the reading after the change of leaders")
        second.terminate()
        self.assertEqual(second.wait(DEADLINE), 0)


@tagged("post_install", "-at_install")
class TestRunner(RunnerCase):
    """An engine is woken and sweeps, comes back after a loss, and keeps out of upgrades."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.process = cls.engine()

    def setUp(self):
        super().setUp()
        self.until(self.leader, "the engine leads")

    def test_wake_up_and_sweep(self):
        reading_id = self.hear()
        self.row("NOTIFY acrel_engine")
        self.handled(reading_id, "the reading with a wake-up")
        self.handled(self.hear(), "the reading without a wake-up")

    def test_lost_connections_come_back(self):
        leader = self.leader()
        self.row("SELECT pg_terminate_backend(%s)", leader)
        self.until(lambda: self.leader() not in (None, leader), "it leads again")
        self.handled(self.hear(), "the reading after the loss")

    def test_pause_while_modules_change(self):
        changing = "UPDATE ir_module_module SET state = %s WHERE name = 'base' AND state = %s"
        self.addCleanup(self.row, changing, "installed", "to upgrade")
        self.row(changing, "to upgrade", "installed")
        self.look_around()
        reading_id = self.hear()
        self.row("NOTIFY acrel_engine")
        self.look_around()
        self.assertIsNone(self.mark())
        self.row(changing, "installed", "to upgrade")
        self.handled(reading_id, "the reading after the pause")

    def look_around(self):
        """Wait until the engine has looked twice more whether modules change."""
        for _look in range(2):
            [since] = self.row("SELECT clock_timestamp()")
            self.until(
                lambda since=since: self.row(
                    "SELECT query_start > %s AND query LIKE '%%ir_module_module%%'"
                    " FROM pg_stat_activity WHERE pid = %s",
                    since,
                    self.leader(),
                )[0],
                "the engine looks at the modules",
            )
