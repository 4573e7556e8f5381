import json
from datetime import timedelta
from unittest.mock import patch

import psycopg2

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.acrel_charging.models.acrel_session import STATES, TRANSITIONS

from .common import ChargingCase


@tagged("post_install", "-at_install")
class TestSession(ChargingCase):
    def test_start_charge_stop(self):
        session = self.start()
        self.assertEqual(session.state, "starting")
        wanted = self.wanted(self.pile)
        self.assertEqual(
            (wanted.wanted, wanted.guard_energy, wanted.on_doubt), ("closed", None, "open")
        )
        self.assertEqual(wanted.guard_until, session.requested_at + timedelta(hours=24))
        self.assertEqual(wanted.close_before, session.requested_at + timedelta(seconds=30))

        self.link_closes(self.pile, 5000)
        self.engine_pass()
        self.assertEqual(session.state, "charging")
        self.assertEqual(session.start_register, 5000)

        self.meter_says(self.pile, 5012, self.now + timedelta(seconds=5))
        self.engine_pass()
        self.assertEqual(session.live_wh, 120)
        self.assertEqual(session.live_power_kw, 7.0)
        self.assertEqual(self.pile.state, "charging")

        session.with_user(self.operator).action_stop()
        self.assertEqual(session.state, "stopping")
        self.assertEqual(self.wanted(self.pile).wanted, "open")
        self.engine_pass()
        self.assertEqual(session.state, "stopping", "a stop ends when the contactor is open")

        self.link_opens(self.pile, 5015, self.now + timedelta(seconds=9))
        self.engine_pass()
        self.assertRecordValues(
            session,
            [
                {
                    "state": "finished",
                    "end_register": 5015,
                    "energy_wh": 150,
                    "energy_kwh": 0.15,
                    "end_reason": "staff",
                    "is_flagged": False,
                    "billable": True,
                }
            ],
        )
        self.assertEqual(self.pile.state, "available")

    def test_passes_repeated_change_nothing(self):
        session = self.charge(700)
        session._stop("driver")
        self.link_opens(self.pile, 760)
        self.engine_pass()
        before = session.read()[0]
        messages = len(session.message_ids)
        self.env.cr.execute(
            "DELETE FROM acrel_engine_meter_mark; DELETE FROM acrel_engine_output_mark"
        )
        self.engine_pass()
        self.engine_pass()
        after = session.read()[0]
        before.pop("write_date"), after.pop("write_date")
        self.assertEqual(before, after)
        self.assertEqual(len(session.message_ids), messages)

    def test_only_allowed_transitions(self):
        for old, _label in STATES:
            for new, _label in STATES:
                if new in TRANSITIONS[old]:
                    continue
                session = self.start()
                self.set_columns(session, state=old)
                with self.subTest(old=old, new=new), self.assertRaises(ValidationError):
                    session._set_state(new)
                self.assertEqual(session.state, old)
                self.set_columns(session, state="cancelled")
                self.pile.output_id._want("open", "next one")

    def test_one_live_session_per_pile(self):
        session = self.start()
        with self.assertRaisesRegex(UserError, "going on at pile"):
            self.start()
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(psycopg2.errors.UniqueViolation),
            self.env.cr.savepoint(),
        ):
            session.copy()

    def test_cancelled_when_close_is_not_confirmed(self):
        session = self.start()
        self.set_columns(session, requested_at=fields.Datetime.now() - timedelta(seconds=38))
        self.engine_pass()
        self.assertEqual(session.state, "starting")
        self.set_columns(session, requested_at=fields.Datetime.now() - timedelta(seconds=42))
        self.engine_pass()
        self.assertEqual((session.state, session.end_reason), ("cancelled", "start_failed"))
        self.assertEqual(self.wanted(self.pile).wanted, "open")

    def test_cancelled_with_the_links_sentence(self):
        session = self.start()
        self.observe(
            self.pile, state="open", error="The meter answered 04.", error_at=session.requested_at
        )
        self.engine_pass()
        self.assertEqual(session.state, "starting", "the link tries again")
        self.set_columns(session, requested_at=self.ago(seconds=16))
        self.engine_pass()
        self.assertEqual(session.state, "cancelled")
        self.assertEqual(session.end_message, "The meter answered 04.")
        self.assertEqual(self.wanted(self.pile).wanted, "open")

    def test_late_word_of_a_close_is_billed(self):
        session = self.start()
        revision = self.wanted(self.pile).revision
        self.link_claims(self.pile)
        self.set_columns(session, requested_at=self.ago(seconds=42))
        self.engine_pass()
        self.assertEqual((session.state, session.end_reason), ("stopping", "start_failed"))
        self.assertEqual(self.wanted(self.pile).wanted, "open")
        # the database was away: what happened since comes in one row
        self.observe(
            self.pile,
            close_revision=revision,
            close_register=1000,
            close_read_at=self.ago(seconds=40),
        )
        self.link_opens(self.pile, 1020)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 200))

    def test_cancelled_when_the_link_told_what_became_of_the_close(self):
        told = [
            ("sent", {"error": "Not closed: no answer.", "error_at": self.ago(seconds=20)}),
            ("expired", {}),
        ]
        for code, (state, error) in enumerate(told):
            pile = self.make_pile(f"T10{code}")
            with self.subTest(state):
                session = self.start(pile)
                self.link_claims(pile, state, self.ago(seconds=25))
                self.set_columns(session, requested_at=self.ago(seconds=42))
                self.observe(pile, state="open", relay=False, **error)
                self.engine_pass()
                self.assertEqual(session.state, "cancelled")

    def test_error_of_before_the_last_sending_does_not_cancel(self):
        session = self.start()
        self.link_claims(self.pile, at=self.ago(seconds=10))
        self.set_columns(session, requested_at=self.ago(seconds=20))
        self.observe(
            self.pile, state="open", error="Not closed: no answer.", error_at=self.ago(seconds=15)
        )
        self.engine_pass()
        self.assertEqual(session.state, "starting")

    def test_contactor_does_not_follow_its_relay(self):
        session = self.start()
        self.link_closes(self.pile, 100)
        self.observe(
            self.pile,
            state="open",
            relay=False,
            open_revision=self.wanted(self.pile).revision,
            open_register=100,
            open_read_at=self.now,
            error="The contactor did not close.",
            error_at=self.now,
        )
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("cancelled", 0))
        self.assertEqual(session.end_message, "The contactor did not close.")

    def test_error_of_before_does_not_cancel(self):
        self.observe(self.pile, state="open", error="old", error_at=self.ago(minutes=5))
        session = self.env["acrel.session"]
        with self.assertRaisesRegex(UserError, "fault"):
            self.start()
        self.observe(self.pile, state="open", error=None)
        session = self.start()
        self.observe(self.pile, state="open", error="old", error_at=self.ago(minutes=5))
        self.engine_pass()
        self.assertEqual(session.state, "starting")

    def test_close_of_an_earlier_revision_is_no_start(self):
        self.observe(
            self.pile, state="open", close_revision=0, close_register=1, close_read_at=self.now
        )
        session = self.start()
        self.engine_pass()
        self.assertEqual(session.state, "starting")
        self.assertFalse(session.has_start)

    def test_stop_while_starting_never_closed(self):
        session = self.start()
        session._stop("driver")
        self.assertEqual(session.state, "stopping")
        row = self.wanted(self.pile)
        self.observe(self.pile, state="open", relay=False, confirmed_revision=row.revision)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("cancelled", 0))

    def test_stop_while_starting_but_closed(self):
        session = self.start()
        self.link_closes(self.pile, 400, self.ago(seconds=3))
        session._stop("driver")
        self.link_opens(self.pile, 403)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 30))

    def test_contactor_opens_by_itself(self):
        session = self.charge(100)
        self.observe(
            self.pile,
            state="open",
            relay=True,
            feedback=False,
            open_revision=session.close_revision,
            open_register=107,
            open_read_at=self.now,
            error="The contactor opened by itself.",
            error_at=self.now,
        )
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 70))
        self.assertEqual(session.end_reason, "contactor")
        self.assertEqual(self.wanted(self.pile).wanted, "open")

    def test_contactor_seen_open_without_a_register(self):
        session = self.charge(100)
        self.observe(self.pile, state="open", relay=True, feedback=False)
        self.engine_pass()
        self.assertEqual((session.state, session.end_reason), ("stopping", "contactor"))
        self.link_opens(self.pile, 107)
        self.engine_pass()
        self.assertEqual((session.state, session.energy_wh), ("finished", 70))
        self.assertEqual(session.end_reason, "contactor")

    def test_unknown_state_does_not_end(self):
        session = self.charge(100)
        self.observe(self.pile, state="unknown")
        self.engine_pass()
        self.assertEqual(session.state, "charging")

    def test_longest_session_is_the_guard(self):
        self.pile.longest_hours = 3
        session = self.start()
        self.assertEqual(
            self.wanted(self.pile).guard_until, session.requested_at + timedelta(hours=3)
        )

    def test_register_frozen_with_transformers(self):
        pile = self.make_pile("T040")
        pile.installation_id.ct = 40
        session = self.charge(10, pile, self.ago(hours=1))
        self.assertEqual(session.unit_wh, 400)
        session._stop("driver")
        self.link_opens(pile, 35)
        self.engine_pass()
        self.assertEqual(session.energy_wh, 10000)

    def test_by_hand_is_refused_while_a_session_holds(self):
        session = self.charge(100)
        with self.assertRaisesRegex(UserError, session.name):
            self.pile.output_id.action_open()

    def test_sessions_are_never_deleted(self):
        session = self.charge(100)
        with self.assertRaises(UserError):
            session.unlink()

    def test_viewer_cannot_stop(self):
        session = self.charge(100)
        viewer = self.operator.copy({"login": "charging viewer"})
        viewer.group_ids = self.env.ref("acrel_meter_link.group_viewer")
        with self.assertRaises(AccessError):
            session.with_user(viewer).action_stop()
        self.assertEqual(session.state, "charging")

    def test_wizard_starts_for_a_driver(self):
        wizard = (
            self.env["acrel.session.start"]
            .with_user(self.operator)
            .create({"pile_id": self.pile.id, "driver_id": self.driver.partner_id.id})
        )
        action = wizard.action_start()
        session = self.env["acrel.session"].browse(action["res_id"])
        self.assertEqual(session.driver_id, self.driver.partner_id)
        self.assertEqual(session.started_by_id, self.operator)

    def test_staff_session_without_driver(self):
        session = self.pile._start()
        self.assertFalse(session.driver_id)
        self.link_closes(self.pile, 3)
        self.engine_pass()
        self.assertEqual(session.state, "charging")

    def test_payload(self):
        session = self.charge(1000, at=self.ago(minutes=10, seconds=30))
        self.meter_says(self.pile, 1123, self.ago(seconds=1), power=7350)
        self.engine_pass()
        payload = session._live_payload()
        self.assertEqual(
            {key: payload[key] for key in ("kwh", "wh", "power_kw", "state", "minutes", "ended")},
            {
                "kwh": "1.23",
                "wh": 1230,
                "power_kw": "7.35",
                "state": "charging",
                "minutes": "10",
                "ended": False,
            },
        )

    def test_screens_are_told(self):
        session = self.charge(1000, at=self.ago(minutes=10))
        self.env.flush_all()
        self.env["bus.bus"].search([]).unlink()
        self.meter_says(self.pile, 1123)
        self.engine_pass()
        self.env.cr.precommit.run()
        messages = {}
        for row in self.env["bus.bus"].search([]):
            message = json.loads(row.message)
            messages[message["type"]] = (json.loads(row.channel), message["payload"])
        channel, payload = messages["acrel_session"]
        self.assertEqual(channel[1:], ["res.partner", self.driver.partner_id.id])
        self.assertEqual((payload["session_id"], payload["kwh"]), (session.id, "1.23"))
        channel, payload = messages["acrel_session_staff"]
        self.assertEqual(channel[1:], ["res.company", self.env.company.id, "acrel_charging"])
        self.assertEqual([one["wh"] for one in payload["sessions"]], [1230])

    def test_a_driver_without_a_login_has_no_page(self):
        self.start(partner=self.env["res.partner"].create({"name": "Walk-in"}))
        self.link_closes(self.pile, 1000)
        self.engine_pass()
        self.meter_says(self.pile, 1001)
        self.engine_pass()
        self.env.cr.precommit.run()
        kinds = {json.loads(row.message)["type"] for row in self.env["bus.bus"].search([])}
        self.assertIn("acrel_session_staff", kinds)
        self.assertNotIn("acrel_session", kinds)

    def test_news_are_followed_at_once_and_else_no_more_often_than_screens_want(self):
        session = self.charge(1000)
        self.meter_says(self.pile, 1100)
        advance = self.env["acrel.session"]._advance_due
        with patch("odoo.addons.acrel_charging.models.acrel_session_live.PACE", timedelta(hours=1)):
            advance()
            self.assertEqual(session.live_wh, 0)
            advance(meters=self.pile.meter_id)
        self.assertEqual(session.live_wh, 1000)
