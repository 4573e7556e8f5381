from unittest.mock import patch

from odoo.tests import tagged

from odoo.addons.acrel_charging.guard import Guard

from .common import ChargingCase


class HoldCase(ChargingCase):
    """A pile at which only a person opens, and that person."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pile.on_doubt = "hold"
        cls.pile.station_id.responsible_id = cls.operator


@tagged("post_install", "-at_install")
class TestHold(HoldCase):
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

    def test_reason_to_stop_only_alarms(self):
        session = self.charge(1000, at=self.ago(minutes=20))
        session_class = self.env.registry["acrel.session"]
        self.meter_says(self.pile, 1010, self.ago(seconds=9))
        with patch.object(session_class, "_should_stop", lambda _session: "No more money."):
            self.engine_pass()
        self.assertHeld(session)
        self.assertEqual(session.alarm_message, "No more money.")

    def test_time_limit_alarms_though_the_link_never_says_tripped(self):
        session = self.charge(1000, at=self.ago(minutes=20))
        self.meter_says(self.pile, 1010, self.now)
        self.engine_pass()
        self.assertFalse(session.alarm_at)
        self.set_columns(session, guard_until=self.ago(seconds=1))
        self.engine_pass()
        self.engine_pass()
        self.assertHeld(session)
        self.assertEqual(session.alarm_reason, "guard_time")
        self.assertEqual(session.activity_ids.user_id, self.operator)
        self.assertEqual(len(session.activity_ids), 1)

    def test_energy_limit_alarms_though_the_link_never_says_tripped(self):
        session_class = self.env.registry["acrel.session"]
        with patch.object(session_class, "_guard", lambda _session: Guard(500)):
            session = self.charge(1000, at=self.ago(minutes=20))
            self.meter_says(self.pile, 1049, self.ago(seconds=9))
            self.engine_pass()
            self.assertFalse(session.alarm_at)
            self.meter_says(self.pile, 1050, self.now)
            self.engine_pass()
        self.assertHeld(session)
        self.assertEqual(session.alarm_reason, "guard_energy")
        self.assertEqual(session.activity_ids.user_id, self.operator)

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

    def test_a_person_stops_while_the_feedback_lies(self):
        session = self.charge(1000, at=self.ago(minutes=20))
        self.observe(
            self.pile,
            state="open",
            relay=True,
            feedback=False,
            open_revision=session.close_revision,
            open_register=1010,
            open_read_at=self.ago(minutes=15),
        )
        self.meter_says(self.pile, 1200, self.now)
        self.engine_pass()
        session.with_user(self.operator).action_stop()
        self.engine_pass()
        self.assertEqual(session.state, "stopping", "the relay is closed until it reads open")
        self.link_opens(self.pile, 1201)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 2010))

    def test_a_person_stops_and_the_contactor_is_welded(self):
        session = self.charge(1000, at=self.ago(minutes=60))
        session.with_user(self.operator).action_stop()
        self.set_columns(session, stop_requested_at=self.ago(minutes=12))
        self.observe(self.pile, state="closed", relay=False, feedback=True)
        self.meter_says(self.pile, 1100, self.ago(minutes=11, seconds=50))
        self.meter_says(self.pile, 1200, self.now)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 1000))
        self.assertTrue(session.flag_stuck)


@tagged("post_install", "-at_install")
class TestHoldStart(HoldCase):
    """A start in doubt: what may be closed is opened by a person only."""

    def begin(self, seconds=50, claimed=True):
        """Start a session some seconds ago; the link may have sent its close then."""
        session = self.start()
        if claimed:
            self.link_claims(self.pile, at=self.ago(seconds=seconds))
        moments = {
            "requested_at": self.ago(seconds=seconds),
            "close_before": self.ago(seconds=seconds - 30),
        }
        self.set_columns(session, **moments)
        return session

    def assertCalled(self, session, reason):
        """The contactor is left alone, the session waits, and one person was called once."""
        self.engine_pass()
        self.engine_pass()
        self.assertEqual((session.state, self.wanted(self.pile).wanted), ("starting", "closed"))
        self.assertEqual(session.alarm_reason, reason)
        self.assertEqual(session.activity_ids.user_id, self.operator)
        self.assertEqual(len(session.activity_ids), 1)

    def test_no_word_after_a_claim(self):
        session = self.begin()
        self.assertCalled(session, "start_failed")
        self.link_closes(self.pile, 1000, self.ago(seconds=45))
        self.engine_pass()
        self.assertEqual(session.state, "charging", "the link's word came late")
        self.assertFalse(session.alarm_at)
        self.assertFalse(session.activity_ids)

    def test_a_person_gives_up(self):
        session = self.begin()
        self.assertCalled(session, "start_failed")
        session.with_user(self.operator).action_stop()
        self.assertEqual(self.wanted(self.pile).wanted, "open")
        self.link_opens(self.pile, 1000)
        self.engine_pass()
        self.assertEqual(session.state, "cancelled")
        self.assertFalse(session.alarm_at)

    def test_read_back_failed_after_the_write(self):
        session = self.begin(seconds=20)
        self.observe(
            self.pile,
            state="open",
            relay=False,
            observed_at=self.ago(seconds=21),
            error="Not closed: the meter did not answer.",
            error_at=self.ago(seconds=15),
        )
        self.assertCalled(session, "start_failed")
        self.assertEqual(session.alarm_message, "Not closed: the meter did not answer.")

    def test_relay_read_open_after_the_time_limit(self):
        session = self.begin()
        self.observe(self.pile, state="open", relay=False, observed_at=self.ago(seconds=21))
        self.assertCalled(session, "start_failed")
        self.observe(self.pile, state="open", relay=False, observed_at=self.ago(seconds=19))
        self.engine_pass()
        self.assertEqual(session.state, "cancelled", "nothing is opened by that")

    def test_without_a_claim_nothing_was_sent(self):
        error = {"error": "Not closed: the register fell.", "error_at": self.ago(seconds=30)}
        session = self.begin(seconds=35, claimed=False)
        self.observe(self.pile, state="open", relay=False, **error)
        self.engine_pass()
        self.assertEqual(session.state, "starting", "the link may send a close yet")
        self.set_columns(session, requested_at=self.ago(seconds=41))
        self.engine_pass()
        self.assertEqual(session.state, "cancelled")

    def test_claim_of_an_earlier_session_does_not_count(self):
        first = self.begin(seconds=3600)
        first.with_user(self.operator).action_stop()
        self.link_opens(self.pile, 1000)
        self.engine_pass()
        self.env.cr.execute(
            "UPDATE acrel_command SET requested_at = %s WHERE output_id = %s",
            [self.ago(hours=1), self.pile.output_id.id],
        )
        session = self.begin(claimed=False)
        self.engine_pass()
        self.assertEqual((first.state, session.state), ("cancelled", "cancelled"))

    def test_broken_feedback_wire(self):
        session = self.start()
        self.link_closes(self.pile, 1000)
        self.observe(
            self.pile,
            state="open",
            relay=True,
            feedback=False,
            open_revision=session.close_revision,
            open_register=1000,
            open_read_at=self.now,
            error="The relay is closed but the contactor's feedback says open.",
            error_at=self.now,
        )
        self.engine_pass()
        self.engine_pass()
        self.assertEqual((session.state, self.wanted(self.pile).wanted), ("charging", "closed"))
        self.assertEqual(session.alarm_reason, "contactor")

    def test_register_fell(self):
        before = self.charge(1000, at=self.ago(minutes=9))
        before.with_user(self.operator).action_stop()
        self.link_opens(self.pile, 1050, self.ago(minutes=2))
        self.engine_pass()
        session = self.start()
        self.link_closes(self.pile, 20)
        self.assertCalled(session, "register")
        session.with_user(self.operator).action_stop()
        self.link_opens(self.pile, 21)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("faulted", 0))
