from datetime import timedelta

import psycopg2

from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestPoll(LinkCase):
    """What the link process plans for a meter is shown."""

    def test_next_poll_repeats_every_interval(self):
        self.connect_link(self.link)
        due = self.now - timedelta(seconds=70)
        self.plan_poll(self.meter, every_seconds=30, due_at=due, learned_seconds=29.6)
        self.assertEqual(self.meter.poll_interval, 30)
        self.assertEqual(self.meter.learned_interval, 30)
        self.assertEqual((self.meter.next_poll_at - due).total_seconds() % 30, 0)
        self.assertTrue(0 <= (self.meter.next_poll_at - self.now).total_seconds() <= 30)

    def test_no_poll_is_promised_without_a_connection(self):
        self.plan_poll(self.meter, every_seconds=30, due_at=self.now)
        self.assertFalse(self.meter.next_poll_at)

    def test_a_meter_never_planned(self):
        self.assertEqual(
            (self.meter.poll_interval, self.meter.learned_interval, self.meter.silent_after),
            (0, 0, 900),
        )

    def test_limits(self):
        for seconds in (-1, 3601):
            with (
                self.subTest(seconds=seconds),
                mute_logger("odoo.sql_db"),
                self.assertRaises(psycopg2.errors.CheckViolation),
                self.env.cr.savepoint(),
            ):
                self.meter.poll_seconds = seconds
                self.meter.flush_recordset()
