"""The engine's own connection: leadership, wake-ups, and whether work may go on."""

import select

import psycopg2
import psycopg2.extensions

from odoo.sql_db import connection_info_for

CHANNEL = "acrel_engine"
# Session lock of the leader; the lock's space is the database's.
LEADER_LOCK = "acrel_engine_leader"
# A network that drops the connection silently is noticed within a minute.
KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


class Listener:
    """A connection in autocommit that holds the leader's lock as long as it lives."""

    def __init__(self, db_name, waker):
        """Connect.

        :param int waker: readable end of a pipe that interrupts waiting
        """
        _name, parameters = connection_info_for(db_name)
        self._connection = psycopg2.connect(**parameters, **KEEPALIVE, connect_timeout=5)
        self._connection.autocommit = True
        self._waker = waker

    def close(self):
        """Close the connection, and with it give up the leadership."""
        self._connection.close()

    def _row(self, query, *params):
        with self._connection.cursor() as cursor:
            cursor.execute(query, params)
            return cursor.fetchone()

    def lead(self):
        """Try to become the one engine of this database.

        :return: whether this process leads now
        """
        return self._row("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", LEADER_LOCK)[0]

    def listen(self):
        """Hear wake-ups from now on."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")

    def modules(self):
        """Return the state of this module, and whether any module is about to change.

        Raises when the connection, and with it the leadership, is lost.
        """
        return self._row(
            """SELECT max(state) FILTER (WHERE name = 'acrel_meter_link'),
                      bool_or(state IN ('to install', 'to upgrade', 'to remove'))
                 FROM ir_module_module"""
        )

    def wait(self, seconds, heed=True):
        """Wait for a wake-up or for the waker.

        :param float seconds: how long at most
        :param bool heed: False lets wake-ups gather instead of ending the wait
        """
        heard = [self._waker, *([self._connection] if heed else [])]
        if heed and self._connection.notifies:
            seconds = 0
        readable, _, _ = select.select(heard, [], [], max(0, seconds))
        if self._connection in readable:
            self._connection.poll()
        if heed:
            self._connection.notifies.clear()
