from datetime import timedelta
from unittest.mock import patch

from odoo.tests import tagged

from odoo.addons.acrel_charging.guard import Guard

from .common import ChargingCase


@tagged("post_install", "-at_install")
class TestGuard(ChargingCase):
    def guarded(self, *guards):
        """Let sessions answer these guards, one after the other, the last one for ever."""
        session_class = self.env.registry["acrel.session"]
        answers = list(guards)

        def _guard(session):
            return answers.pop(0) if len(answers) > 1 else answers[0]

        patcher = patch.object(session_class, "_guard", _guard)
        patcher.start()
        self.addCleanup(patcher.stop)

    def test_counts_are_floored(self):
        self.assertEqual(Guard(1999).counts(10), 199)
        self.assertEqual(Guard(9).counts(10), 0)
        self.assertEqual(Guard(-5).counts(10), 0)
        self.assertIsNone(Guard().counts(10))

    def test_tighten(self):
        noon, one = self.now, self.now + timedelta(hours=1)
        self.assertEqual(Guard(None, noon).tighten(Guard(5, one)), Guard(5, noon))
        self.assertEqual(Guard(7).tighten(Guard(5)), Guard(5))
        self.assertEqual(Guard().tighten(Guard()), Guard())

    def test_trip_ends_and_caps(self):
        self.guarded(Guard(505))
        session = self.charge(1000, at=self.ago(minutes=20))
        self.assertEqual(self.wanted(self.pile).guard_energy, 50)
        self.assertEqual(session.billed_register_limit, 1050)
        self.link_opens(self.pile, 1053, tripped="energy")
        self.engine_pass()
        self.assertRecordValues(
            session,
            [
                {
                    "state": "finished",
                    "end_reason": "guard_energy",
                    "end_register": 1050,
                    "measured_register": 1053,
                    "energy_wh": 500,
                    "flag_capped": True,
                }
            ],
        )
        self.assertEqual(self.wanted(self.pile).wanted, "open")
        outside = session.outside_ids
        self.assertRecordValues(
            outside,
            [{"from_register": 1050, "to_register": 1053, "wh": 30, "above_limit": True}],
        )

    def test_trip_seen_before_the_opening(self):
        self.guarded(Guard(500))
        session = self.charge(1000, at=self.ago(minutes=20))
        self.observe(self.pile, guard_tripped="energy", guard_tripped_at=self.now)
        self.engine_pass()
        self.assertEqual((session.state, session.end_reason), ("stopping", "guard_energy"))
        self.link_opens(self.pile, 1050)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 500))
        self.assertFalse(session.flag_capped)

    def test_time_guard(self):
        session = self.charge(1000, at=self.ago(hours=2))
        self.link_opens(self.pile, 1400, tripped="time")
        self.engine_pass()
        self.assertEqual((session.state, session.end_reason), ("finished", "guard_time"))
        self.assertEqual(session.energy_wh, 4000)

    def test_new_guard_reaches_the_link_without_a_new_revision(self):
        self.guarded(Guard(500), Guard(800))
        session = self.charge(1000, at=self.ago(minutes=20))
        before = self.wanted(self.pile)
        self.meter_says(self.pile, 1010)
        self.engine_pass()
        after = self.wanted(self.pile)
        self.assertEqual((before.guard_energy, after.guard_energy), (50, 80))
        self.assertEqual(before.revision, after.revision)
        self.assertEqual(before.close_before, after.close_before)
        self.assertEqual(session.billed_register_limit, 1080)

    def test_unchanged_guard_writes_nothing(self):
        session = self.charge(1000, at=self.ago(minutes=20))
        change = self.wanted(self.pile).change
        self.meter_says(self.pile, 1010)
        self.engine_pass()
        self.assertEqual(session.live_wh, 100)
        self.assertEqual(self.wanted(self.pile).change, change)

    def test_zero_guard_bills_nothing(self):
        self.guarded(Guard(0))
        session = self.charge(1000, at=self.ago(minutes=1))
        self.link_opens(self.pile, 1002, tripped="energy")
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 0))
        self.assertEqual(session.outside_ids.wh, 20)

    def test_should_stop_with_a_sentence(self):
        session = self.charge(1000, at=self.ago(minutes=20))
        session_class = self.env.registry["acrel.session"]
        with patch.object(session_class, "_should_stop", lambda _session: "The hold is used up."):
            self.engine_pass()
            self.assertEqual(session.state, "charging", "asked only when there is news")
            self.meter_says(self.pile, 1010)
            self.engine_pass()
        self.assertEqual((session.state, session.end_reason), ("stopping", "limit"))
        self.assertEqual(session.end_message, "The hold is used up.")

    def test_live_energy_stops_at_the_limit(self):
        self.guarded(Guard(500))
        session = self.charge(1000, at=self.ago(minutes=20))
        self.meter_says(self.pile, 1090)
        self.engine_pass()
        self.assertEqual(session.live_wh, 500)
