from datetime import timedelta

from odoo.tests import tagged

from .common import ChargingCase


@tagged("post_install", "-at_install")
class TestCurve(ChargingCase):
    def test_curve_of_an_ended_session(self):
        start, end = self.ago(minutes=30), self.ago(minutes=1)
        session = self.charge(1000, at=start)
        self.meter_says(self.pile, 990, self.ago(minutes=40))
        self.meter_says(self.pile, 1010, self.ago(minutes=20))
        self.meter_says(self.pile, 1005, self.ago(minutes=15))
        self.meter_says(self.pile, 1090, self.ago(minutes=10))
        session.write({"has_guard": True, "billed_register_limit": 1060})
        session._stop("driver")
        self.link_opens(self.pile, 1100, end)
        self.engine_pass()
        self.assertEqual(
            session._curve(),
            [
                (start, 1000),
                (self.ago(minutes=20), 1010),
                (self.ago(minutes=15), 1010),
                (self.ago(minutes=10), 1060),
                (end, 1060),
            ],
        )

    def test_curve_of_a_running_session(self):
        session = self.charge(1000, at=self.ago(minutes=30))
        self.assertEqual(session._curve()[-1], (self.ago(minutes=30), 1000))
        self.meter_says(self.pile, 1010, self.ago(minutes=20))
        self.engine_pass()
        self.assertEqual(session._curve()[-1], (self.ago(minutes=20), 1010))
        self.assertEqual(session._curve()[0], (self.ago(minutes=30), 1000))

    def test_curve_before_the_start(self):
        self.assertEqual(self.start()._curve(), [])

    def test_power_curve_is_bounded(self):
        begin = self.ago(hours=2)
        session = self.charge(1000, at=begin)
        for second in range(0, 7000, 5):
            self.meter_says(self.pile, 1000 + second // 60, begin + timedelta(seconds=second))
        points = session.get_power_curve()
        self.assertGreater(len(points), 400)
        self.assertLessEqual(len(points), 501)
        self.assertEqual(points, sorted(points))
        self.assertEqual({watts for _at, watts in points}, {7000})

    def test_readings_of_a_running_session_are_kept(self):
        begin = self.ago(days=1000)
        self.charge(1000, at=begin)
        self.assertEqual(self.env["acrel.reading"]._reading_floor(), begin)
