from unittest.mock import patch

from odoo.tests import tagged

from odoo.addons.acrel_charging.guard import Guard

from .common import ChargingCase


@tagged("post_install", "-at_install")
class TestFaults(ChargingCase):
    def test_silence_ends_on_the_last_measured_register(self):
        session = self.charge(1000, at=self.ago(minutes=50))
        self.meter_says(self.pile, 1080, self.ago(minutes=31))
        self.engine_pass()
        self.engine_pass()
        self.assertRecordValues(
            session,
            [
                {
                    "state": "finished",
                    "end_reason": "silence",
                    "end_register": 1080,
                    "end_at": self.ago(minutes=31),
                    "energy_wh": 800,
                    "flag_silent": True,
                    "is_flagged": True,
                }
            ],
        )
        self.assertEqual(self.wanted(self.pile).wanted, "open")

    def test_no_session_ends_while_a_link_stores_what_it_kept(self):
        session = self.charge(1000, at=self.ago(minutes=50))
        self.env.cr.execute(
            "INSERT INTO acrel_link_worker (name, host, pid, listen, started_at, seen_at,"
            " spool_records) VALUES ('test', 'localhost', 1, '', now() AT TIME ZONE 'UTC',"
            " now() AT TIME ZONE 'UTC', 9) RETURNING id"
        )
        [worker] = self.env.cr.fetchone()
        self.engine_pass()
        self.assertEqual(session.state, "charging")
        self.env.cr.execute(
            "UPDATE acrel_link_worker SET spool_records = 0 WHERE id = %s", [worker]
        )
        self.engine_pass()
        self.assertIn(session.state, ("stopping", "finished"))

    def test_energy_after_the_silence_is_outside(self):
        session = self.charge(1000, at=self.ago(minutes=50))
        self.meter_says(self.pile, 1080, self.ago(minutes=31))
        self.engine_pass()
        self.engine_pass()
        self.meter_says(self.pile, 1110, self.now)
        self.link_opens(self.pile, 1111, self.now)
        self.engine_pass()
        self.assertEqual(session.energy_wh, 800)
        self.assertRecordValues(
            session.outside_ids, [{"from_register": 1080, "to_register": 1111, "wh": 310}]
        )

    def test_silence_is_measured_by_the_pile(self):
        self.pile.silence_minutes = 5
        session = self.charge(1000, at=self.ago(minutes=20))
        self.meter_says(self.pile, 1080, self.ago(minutes=4))
        self.engine_pass()
        self.engine_pass()
        self.assertEqual(session.state, "charging")
        self.pile.silence_minutes = 3
        self.engine_pass()
        self.assertEqual(session.state, "finished")

    def test_silence_before_any_reading(self):
        session = self.start()
        self.link_closes(self.pile, 1000, self.ago(minutes=40))
        self.engine_pass()
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 0))
        self.assertTrue(session.flag_silent)

    def test_meter_returns_before_the_limit(self):
        session = self.charge(1000, at=self.ago(minutes=50))
        self.meter_says(self.pile, 1080, self.ago(minutes=20))
        self.engine_pass()
        session._stop("driver")
        self.engine_pass()
        self.assertEqual(session.state, "stopping")
        self.link_opens(self.pile, 1200, self.now)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 2000))
        self.assertFalse(session.is_flagged)

    def test_meter_returns_beyond_its_guard(self):
        session_class = self.env.registry["acrel.session"]
        with patch.object(session_class, "_guard", lambda _session: Guard(1500)):
            session = self.charge(1000, at=self.ago(minutes=50))
            self.meter_says(self.pile, 1080, self.ago(minutes=20))
            self.engine_pass()
            self.link_opens(self.pile, 1200, self.now, tripped="energy")
            self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 1500))
        self.assertEqual(session.outside_ids.wh, 500)

    def test_stop_asked_and_meter_never_returns(self):
        session = self.charge(1000, at=self.ago(minutes=50))
        self.meter_says(self.pile, 1080, self.ago(minutes=31))
        session._stop("driver")
        self.engine_pass()
        self.assertRecordValues(
            session,
            [
                {
                    "state": "finished",
                    "end_reason": "driver",
                    "end_register": 1080,
                    "flag_silent": True,
                }
            ],
        )

    def test_start_register_below_what_was_accounted(self):
        session = self.charge(1000, at=self.ago(minutes=9))
        session._stop("driver")
        self.link_opens(self.pile, 1050, self.ago(minutes=2))
        self.engine_pass()
        again = self.start()
        self.link_closes(self.pile, 0)
        self.engine_pass()
        self.assertEqual(again.state, "stopping")
        self.link_opens(self.pile, 1060)
        self.engine_pass()
        self.assertRecordValues(
            again,
            [
                {
                    "state": "faulted",
                    "energy_wh": 0,
                    "end_reason": "register",
                    "flag_register_back": True,
                }
            ],
        )

    def test_zero_start_of_a_meter_never_heard_before(self):
        session = self.charge(0, at=self.ago(minutes=10))
        session._stop("driver")
        self.link_opens(self.pile, 12345678)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("faulted", 0))
        self.assertTrue(session.flag_implausible)
        again = self.charge(12345678)
        self.assertFalse(
            self.env["acrel.energy.outside"].search([("session_after_id", "=", again.id)]),
            "a meter's life is no energy outside sessions either",
        )

    def test_missing_close_register_is_no_start(self):
        session = self.start()
        self.link_closes(self.pile, None)
        self.engine_pass()
        self.assertEqual(session.state, "starting")
        self.assertFalse(session.has_start)

    def test_end_below_the_start(self):
        session = self.charge(1000, at=self.ago(minutes=9))
        session._stop("driver")
        self.link_opens(self.pile, 10)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("faulted", 0))
        self.assertTrue(session.flag_register_back)

    def test_end_below_what_was_followed(self):
        session = self.charge(1000, at=self.ago(minutes=9))
        self.meter_says(self.pile, 1040, self.ago(minutes=1))
        self.engine_pass()
        session._stop("driver")
        self.link_opens(self.pile, 1030)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 400))
        self.assertTrue(session.flag_missing_end)

    def test_open_without_a_register(self):
        session = self.charge(1000, at=self.ago(minutes=9))
        self.meter_says(self.pile, 1040, self.ago(minutes=1))
        self.engine_pass()
        session._stop("driver")
        self.link_opens(self.pile, None, at=None)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 400))
        self.assertTrue(session.flag_missing_end)

    def test_implausible_energy_waits_for_a_person(self):
        session = self.charge(1000, at=self.ago(minutes=60))
        session._stop("driver")
        self.link_opens(self.pile, 1000 + 2740)
        self.engine_pass()
        self.assertFalse(session.flag_implausible, "22 kW × 1 h × 1.2 + 1 kWh = 27.4 kWh")

        session = self.charge(3740, at=self.ago(minutes=60))
        session._stop("driver")
        self.link_opens(self.pile, 3740 + 2760)
        self.engine_pass()
        self.assertRecordValues(
            session,
            [
                {
                    "state": "finished",
                    "energy_wh": 27600,
                    "flag_implausible": True,
                    "billable": False,
                }
            ],
        )
        calls = []
        session_class = self.env.registry["acrel.session"]
        with patch.object(session_class, "_on_state", lambda _self, old: calls.append(old)):
            session.with_user(self.operator).action_confirm_energy()
        self.assertTrue(session.billable)
        self.assertEqual(calls, ["finished"])

    def test_welded_contactor(self):
        session = self.charge(1000, at=self.ago(minutes=60))
        session._stop("driver")
        self.set_columns(session, stop_requested_at=self.ago(minutes=12))
        self.meter_says(self.pile, 1100, self.ago(minutes=11, seconds=50))
        self.meter_says(self.pile, 1200, self.now)
        self.engine_pass()
        self.assertRecordValues(
            session,
            [
                {
                    "state": "finished",
                    "end_reason": "driver",
                    "end_register": 1100,
                    "energy_wh": 1000,
                    "flag_stuck": True,
                }
            ],
        )
        self.assertEqual(self.wanted(self.pile).wanted, "open")

    def test_relay_that_does_not_open(self):
        session = self.charge(1000, at=self.ago(minutes=60))
        session._stop("driver")
        self.set_columns(session, stop_requested_at=self.ago(minutes=12))
        self.observe(self.pile, state="open", relay=True, feedback=False, error="Not open yet.")
        self.meter_says(self.pile, 1100, self.ago(minutes=11, seconds=50))
        self.meter_says(self.pile, 1100, self.now)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 1000))
        self.assertTrue(session.flag_stuck)

    def test_welded_contactor_and_a_reading_that_fell(self):
        session = self.charge(1000, at=self.ago(minutes=60))
        session._stop("driver")
        self.set_columns(session, stop_requested_at=self.ago(minutes=12))
        self.meter_says(self.pile, 0, self.ago(minutes=11, seconds=55))
        self.meter_says(self.pile, 1100, self.ago(minutes=11, seconds=50))
        self.meter_says(self.pile, 1200, self.now)
        self.engine_pass()
        self.assertEqual((session.state, session.end_register), ("finished", 1100))

    def test_returned_meter_is_not_a_welded_contactor(self):
        session = self.charge(1000, at=self.ago(minutes=60))
        session._stop("driver")
        self.set_columns(session, stop_requested_at=self.ago(minutes=12))
        self.meter_says(self.pile, 1200, self.now)
        self.engine_pass()
        self.assertEqual(session.state, "stopping")

    def test_wrong_session_stops_no_other(self):
        other = self.make_pile("T002")
        good = self.charge(50, other)
        bad = self.charge(1000)
        session_class = self.env.registry["acrel.session"]

        def _should_stop(session):
            if session == bad:
                raise ZeroDivisionError("a fault in one session")
            return "driver"

        self.meter_says(self.pile, 1001)
        self.meter_says(other, 51)
        with (
            patch.object(session_class, "_should_stop", _should_stop),
            self.assertLogs("odoo.addons.acrel_meter_link.models.engine", "ERROR"),
        ):
            self.engine_pass()
        self.assertEqual((good.state, bad.state), ("stopping", "charging"))
        failure = self.env["acrel.event"].search([("record_ref", "=", f"acrel.session,{bad.id}")])
        self.assertEqual((failure.kind, failure.meter_id), ("engine_error", bad.meter_id))
        self.assertFalse(failure.end_at)
        self.meter_says(self.pile, 1002)
        self.engine_pass()
        self.assertTrue(failure.end_at)
