import random
from itertools import pairwise

import psycopg2

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import ChargingCase


@tagged("post_install", "-at_install")
class TestEnergyOutside(ChargingCase):
    def session_between(self, start, end, start_minutes, end_minutes):
        session = self.charge(start, at=self.ago(minutes=start_minutes))
        session._stop("driver")
        self.link_opens(self.pile, end, self.ago(minutes=end_minutes))
        self.engine_pass()
        self.assertEqual(session.state, "finished")
        return session

    def outside(self):
        return self.env["acrel.energy.outside"].search(
            [("installation_id", "=", self.pile.installation_id.id)], order="from_register"
        )

    def test_between_two_sessions(self):
        first = self.session_between(1000, 1100, 300, 240)
        second = self.session_between(1103, 1200, 180, 120)
        self.assertRecordValues(
            self.outside(),
            [
                {
                    "from_register": 1100,
                    "to_register": 1103,
                    "wh": 30,
                    "session_before_id": first.id,
                    "session_after_id": second.id,
                    "anomaly": False,
                }
            ],
        )

    def test_nothing_between_is_not_recorded(self):
        self.session_between(1000, 1100, 300, 240)
        self.session_between(1100, 1200, 180, 120)
        self.assertFalse(self.outside())

    def test_from_the_installations_first_register(self):
        pile = self.make_pile("T003", register_from=900)
        session = self.charge(1000, pile)
        outside = self.env["acrel.energy.outside"].search([("session_after_id", "=", session.id)])
        self.assertEqual((outside.from_register, outside.wh), (900, 1000))

    def test_idle_energy_above_the_threshold_at_once(self):
        self.env["ir.config_parameter"].set_param("acrel_charging.outside_anomaly_wh", "500")
        self.session_between(1000, 1100, 300, 240)
        self.meter_says(self.pile, 1150, self.ago(minutes=10))
        self.engine_pass()
        self.assertFalse(self.outside())
        self.meter_says(self.pile, 1151, self.ago(minutes=5))
        self.engine_pass()
        self.assertRecordValues(
            self.outside(), [{"from_register": 1100, "to_register": 1151, "anomaly": True}]
        )
        self.engine_pass()
        self.assertEqual(len(self.outside()), 1)

    def test_up_to_the_end_of_an_installation(self):
        self.session_between(1000, 1100, 300, 240)
        installation = self.pile.installation_id
        self.meter_says(self.pile, 1109)
        installation.action_end()
        self.assertRecordValues(
            self.outside(),
            [{"from_register": 1100, "to_register": 1109, "session_after_id": False}],
        )

    def test_installation_does_not_end_in_a_session(self):
        session = self.charge(1000)
        with self.assertRaisesRegex(UserError, session.name):
            self.pile.installation_id.action_end()

    def test_once(self):
        self.session_between(1000, 1100, 300, 240)
        self.session_between(1103, 1200, 180, 120)
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(psycopg2.errors.UniqueViolation),
            self.env.cr.savepoint(),
        ):
            self.outside().copy()

    def test_nothing_is_lost_and_nothing_made(self):
        """Register difference = sessions + outside, whatever happens to the sessions."""
        rng = random.Random(19)
        register = first = 5000
        minutes = 100000
        wh_of_sessions = 0
        for _turn in range(25):
            register += rng.choice((0, 0, 1, 40))
            start_minutes, minutes = minutes, minutes - 120
            session = self.charge(register, at=self.ago(minutes=start_minutes))
            register += rng.randrange(0, 2000)
            end = rng.choice(("opened", "limit", "silence"))
            if end == "limit":
                session.write(
                    {
                        "has_guard": True,
                        "billed_register_limit": session.start_register + rng.randrange(0, 2000),
                    }
                )
                self.env.flush_all()
            if end == "silence":
                self.meter_says(self.pile, register, self.ago(minutes=minutes + 40))
                self.engine_pass()
                register += rng.randrange(0, 50)
            else:
                session._stop("driver")
            self.link_opens(self.pile, register, self.ago(minutes=minutes + 1))
            self.engine_pass()
            self.assertEqual(session.state, "finished")
            wh_of_sessions += session.energy_wh
            minutes -= 10
        wh_outside = sum(self.outside().mapped("wh"))
        self.assertEqual(wh_of_sessions + wh_outside, (register - first) * 10)
        intervals = [(one.from_register, one.to_register) for one in self.outside()]
        for (_from, to), (next_from, _to) in pairwise(intervals):
            self.assertLessEqual(to, next_from)
