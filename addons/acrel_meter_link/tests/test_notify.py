import select

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.sql_db import connection_info_for, db_connect
from odoo.tests import BaseCase, get_db_name, tagged

SERIAL = "NOTIFYTEST0001"


@tagged("post_install", "-at_install")
class TestNotify(BaseCase):
    """The link process is woken by commits, and by nothing else.

    On real transactions, since PostgreSQL delivers at commit only; what they leave is removed.
    """

    def setUp(self):
        super().setUp()
        self.db_name = get_db_name()
        _name, parameters = connection_info_for(self.db_name)
        self.listener = psycopg2.connect(**parameters)
        self.addCleanup(self.listener.close)
        self.listener.autocommit = True
        with self.listener.cursor() as cursor:
            cursor.execute("LISTEN acrel_link")

    def heard(self):
        """Return how many wake-ups came up to now.

        The own marker comes after all of them: PostgreSQL delivers in the order of commits.
        """
        with self.listener.cursor() as cursor:
            cursor.execute("NOTIFY acrel_link, 'marker'")
        while not any(one.payload == "marker" for one in self.listener.notifies):
            self.assertTrue(select.select([self.listener], [], [], 30)[0], "no marker")
            self.listener.poll()
        payloads = [one.payload for one in self.listener.notifies]
        self.listener.notifies.clear()
        return payloads.index("marker")

    def commit(self, function):
        """Run a function of an environment in a transaction of its own."""
        with db_connect(self.db_name).cursor() as cr:
            return function(api.Environment(cr, SUPERUSER_ID, {}))

    def make(self, env):
        link = env["acrel.link"].create({"name": SERIAL, "serial": SERIAL})
        meter = env["acrel.meter"].create({"name": SERIAL, "link_id": link.id})
        output = env["acrel.output"].create({"meter_id": meter.id})
        return link.id, meter.id, output.id

    def test_wake_ups(self):
        link_id, meter_id, output_id = self.commit(self.make)

        def remove(env):
            env["acrel.output"].browse(output_id).unlink()
            env["acrel.meter"].with_context(active_test=False).browse(meter_id).unlink()
            env["acrel.link"].browse(link_id).unlink()

        self.addCleanup(self.commit, remove)
        self.assertEqual(self.heard(), 1, "creating master data")

        def want(env, wanted="closed"):
            return env["acrel.output"].browse(output_id)._want(wanted, "session 1")

        self.commit(want)
        self.assertEqual(self.heard(), 1, "a wanted state")
        self.commit(want)
        self.assertEqual(self.heard(), 0, "the same wanted state again")
        self.commit(lambda env: want(env, "open"))
        self.assertEqual(self.heard(), 1, "another wanted state")
        self.commit(lambda env: env["acrel.meter"].browse(meter_id).action_archive())
        self.assertEqual(self.heard(), 1, "archiving a meter")
        self.commit(lambda env: env["acrel.output"].browse(output_id).write({"feedback_input": 0}))
        self.assertEqual(self.heard(), 1, "changing an output")

        def undone(env):
            env["acrel.output"].browse(output_id)._want("open", "never")
            env.cr.rollback()

        self.commit(undone)
        self.assertEqual(self.heard(), 0, "what was rolled back")
