from datetime import timedelta

import psycopg2

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestInstallation(LinkCase):
    """Periods, ratios and the value of a raw count."""

    def install(self, begin, end=None, meter=None):
        return self.env["acrel.installation"].create(
            {"meter_id": (meter or self.meter).id, "date_from": begin, "date_to": end}
        )

    def test_overlap_is_refused_by_the_database(self):
        for begin, end in (
            (self.now, None),
            (self.now - timedelta(days=60), None),
            (self.now - timedelta(days=60), self.now),
            (self.now - timedelta(days=10), self.now - timedelta(days=9)),
        ):
            with (
                self.subTest(begin=begin, end=end),
                mute_logger("odoo.sql_db"),
                self.assertRaises(psycopg2.errors.ExclusionViolation),
                self.env.cr.savepoint(),
            ):
                self.install(begin, end)

    def test_periods_may_touch(self):
        self.installation.date_to = self.now
        following = self.install(self.now)
        at = self.meter._installation_at
        self.assertEqual(at(self.now - timedelta(seconds=1)), self.installation)
        self.assertEqual(at(self.now), following)
        self.assertFalse(at(self.now - timedelta(days=31)))

    def test_other_meter_is_free(self):
        _link, meter, _output, _installation = self.make_meter("T0000000000002")
        self.assertEqual(len(meter.installation_ids), 1)

    def test_end_after_begin(self):
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(psycopg2.errors.CheckViolation),
            self.env.cr.savepoint(),
        ):
            self.installation.date_to = self.installation.date_from
            self.env.flush_all()

    def test_value_of_a_count(self):
        self.assertEqual(self.installation._raw_to_wh(7), 70)
        self.installation.write({"pt": 100, "ct": 120})
        self.assertEqual(self.installation.unit_wh, 120_000)
        self.assertEqual(self.installation._raw_to_wh(4_294_967_295), 515_396_075_400_000)

    def test_registers_are_64_bit(self):
        self.installation.register_from = 2**40 + 1
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(self.installation.register_from, 2**40 + 1)

    def test_measured_past_keeps_its_value(self):
        self.hear(self.meter, e_forward=100)
        for change in (
            {"ct": 40},
            {"pt": 2},
            {"date_from": self.now - timedelta(days=1)},
            {"meter_id": self.make_meter("T0000000000003")[1].id},
        ):
            with (
                self.subTest(change=change),
                self.assertRaisesRegex(UserError, "make a new one"),
                self.env.cr.savepoint(),
            ):
                self.installation.write(change)
        with self.assertRaisesRegex(UserError, "instead of deleting"), self.env.cr.savepoint():
            self.installation.unlink()
        self.installation.write({"ct": 1, "pt": 1})

    def test_end_now_takes_the_register_along(self):
        self.hear(self.meter, e_forward=123_456)
        self.installation.action_end()
        self.assertEqual(self.installation.register_to, 123_456)
        self.assertTrue(self.installation.date_to)
        following = self.install(self.installation.date_to)
        self.assertEqual(following.register_from, 123_456)
        with self.assertRaisesRegex(UserError, "has ended already"):
            self.installation.action_end()
