from freezegun import freeze_time

from odoo.tests import tagged

from .common import BillingCase


@tagged("post_install", "-at_install")
class TestBoundaries(BillingCase):
    """The meter of a running session is read where its price changes, by the station's clock."""

    def wanted_moments(self):
        self.env.cr.execute(
            "SELECT at FROM acrel_read_at WHERE meter_id = %s ORDER BY at", [self.meter.id]
        )
        return [at for (at,) in self.env.cr.fetchall()]

    def start_at(self, now):
        self.meter = self.pile.meter_id
        with freeze_time(now):
            session = self.start()
            self.link_closes(self.pile, 0, now)
            self.engine_pass()
        self.assertEqual(session.state, "charging")
        return session

    def test_boundaries_are_told_at_the_start_and_hour_by_hour(self):
        self.start_at(self.at(9, 30, day=3))
        first = [self.at(10, day=3), self.at(12, day=3)]
        self.assertEqual(self.wanted_moments(), first)
        with freeze_time(self.at(13, day=3)):
            self.env["acrel.session"]._cron_want_boundaries()
        self.assertEqual(self.wanted_moments(), [*first, self.at(18, day=3)])

    def test_by_the_stations_clock(self):
        self.station.tz = "Asia/Kolkata"
        self.start_at(self.at(9, 30, day=3))
        # two and a half hours behind Shanghai
        self.assertEqual(self.wanted_moments(), [self.at(12, 30, day=3), self.at(14, 30, day=3)])

    def test_nothing_is_asked_for_a_session_that_ended(self):
        session = self.start_at(self.at(9, 30, day=3))
        with freeze_time(self.at(9, 35, day=3)):
            session._stop("driver")
            self.link_opens(self.pile, 50, self.at(9, 35, day=3))
            self.engine_pass()
        self.assertEqual(session.state, "finished")
        before = self.wanted_moments()
        with freeze_time(self.at(13, day=3)):
            self.env["acrel.session"]._cron_want_boundaries()
        self.assertEqual(self.wanted_moments(), before)
