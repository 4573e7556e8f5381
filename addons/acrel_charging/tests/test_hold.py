from unittest.mock import patch

from odoo.tests import tagged

from .common import ChargingCase


@tagged("post_install", "-at_install")
class TestHold(ChargingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pile.on_doubt = "hold"
        cls.pile.station_id.responsible_id = cls.operator

    def assertHeld(self, session):
        self.assertEqual(session.state, "charging")
        wanted = self.wanted(self.pile)
        self.assertEqual((wanted.wanted, wanted.on_doubt), ("closed", "hold"))

    def test_silence_alarms_once(self):
        session = self.charge(1000, at=self.ago(minutes=50))
        self.meter_says(self.pile, 1080, self.ago(minutes=31))
        self.engine_pass()
        self.engine_pass()
        self.engine_pass()
        self.assertHeld(session)
        self.assertEqual(session.activity_ids.user_id, self.operator)
        self.assertEqual(len(session.activity_ids), 1)
        self.assertTrue(session.alarm_due_at > session.alarm_at)

    def test_silence_over_ends_the_alarm(self):
        session = self.charge(1000, at=self.ago(minutes=50))
        self.meter_says(self.pile, 1080, self.ago(minutes=31))
        self.engine_pass()
        self.engine_pass()
        self.assertTrue(session.alarm_at)
        self.meter_says(self.pile, 1090, self.now)
        self.engine_pass()
        self.assertHeld(session)
        self.assertFalse(session.alarm_at)
        self.assertFalse(session.activity_ids)

    def test_guard_and_reason_to_stop_only_alarm(self):
        session = self.charge(1000, at=self.ago(minutes=20))
        session_class = self.env.registry["acrel.session"]
        self.meter_says(self.pile, 1010, self.ago(seconds=9))
        with patch.object(session_class, "_should_stop", lambda _session: "No more money."):
            self.engine_pass()
        self.assertHeld(session)
        self.assertEqual(session.alarm_message, "No more money.")

        self.observe(self.pile, guard_tripped="time", guard_tripped_at=self.now)
        self.meter_says(self.pile, 1020, self.now)
        self.engine_pass()
        self.assertHeld(session)
        self.assertEqual(session.alarm_reason, "guard_time")

    def test_broken_feedback_wire_does_not_open(self):
        session = self.charge(1000, at=self.ago(minutes=20))
        self.meter_says(self.pile, 1010, self.now)
        self.observe(
            self.pile,
            state="open",
            relay=True,
            feedback=False,
            open_revision=session.close_revision,
            open_register=1010,
            open_read_at=self.now,
            error="The contactor opened by itself.",
            error_at=self.now,
        )
        self.engine_pass()
        self.assertHeld(session)
        self.assertEqual(session.alarm_message, "The contactor opened by itself.")

    def test_relay_found_open_ends(self):
        session = self.charge(1000, at=self.ago(minutes=20))
        self.observe(self.pile, state="open", relay=False, feedback=False)
        self.engine_pass()
        self.assertEqual(session.state, "stopping")

    def test_a_person_stops(self):
        session = self.charge(1000, at=self.ago(minutes=50))
        self.meter_says(self.pile, 1080, self.ago(minutes=31))
        self.engine_pass()
        self.engine_pass()
        self.assertHeld(session)
        session.with_user(self.operator).action_stop()
        self.assertEqual(self.wanted(self.pile).wanted, "open")
        self.link_opens(self.pile, 1200)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 2000))
        self.assertFalse(session.alarm_at)
        self.assertFalse(session.activity_ids)
