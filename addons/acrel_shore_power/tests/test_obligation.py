"""When a ship must use shore power."""

from datetime import timedelta

from odoo.tests import TransactionCase, tagged

from ..obligation import Facts, assess
from .common import ShoreCase

HOUR = 3600


@tagged("post_install", "-at_install")
class TestObligationTable(TransactionCase):
    def test_table(self):
        bound = Facts(
            liquid_cargo=False,
            equipped=True,
            berth_able=True,
            stay_seconds=3 * HOUR + 1,
            limit_seconds=3 * HOUR,
            excused=False,
        )
        table = [
            ({}, "bound", "long_stay"),
            ({"stay_seconds": 3 * HOUR}, "encouraged", "short_stay"),
            ({"stay_seconds": 0}, "encouraged", "short_stay"),
            ({"excused": True}, "exempt", "excused"),
            ({"excused": True, "stay_seconds": HOUR}, "encouraged", "short_stay"),
            ({"liquid_cargo": True}, "not_bound", "liquid_cargo"),
            ({"equipped": False}, "not_bound", "not_equipped"),
            ({"berth_able": False}, "not_bound", "berth_unable"),
            ({"limit_seconds": None}, "unknown", "no_rule"),
            ({"limit_seconds": 0, "stay_seconds": 1}, "bound", "long_stay"),
            # the first fact that frees the ship is the one that is named
            ({"liquid_cargo": True, "equipped": False}, "not_bound", "liquid_cargo"),
            ({"equipped": False, "berth_able": False}, "not_bound", "not_equipped"),
        ]
        for change, outcome, because in table:
            with self.subTest(**change):
                self.assertEqual(assess(bound._replace(**change)), (outcome, because))


@tagged("post_install", "-at_install")
class TestObligationOfCalls(ShoreCase):
    def test_inland_two_hours_coastal_three(self):
        coast = self.make_berth(self.station, "C1", waters="coastal")
        self.make_outlet(coast, "C1")
        for berth, hours, outcome in [
            (self.berth, 2.0, "encouraged"),
            (self.berth, 2.01, "bound"),
            (coast, 2.5, "encouraged"),
            (coast, 3.0, "encouraged"),
            (coast, 3.01, "bound"),
        ]:
            with self.subTest(berth=berth.waters, hours=hours):
                call = self.make_call(hours, berth_id=berth.id)
                self.assertEqual(call.obligation, outcome)

    def test_reason_names_rule_and_limit(self):
        call = self.make_call(5)
        self.assertIn("longer than 2 h", call.obligation_reason)
        self.assertIn(
            self.env.ref("acrel_shore_power.rule_inland").legal_basis, call.obligation_reason
        )

    def test_liquid_cargo_and_unequipped_are_free(self):
        tanker = self.make_vessel("Tanker", "413000002", vessel_type="tanker")
        bare = self.make_vessel("Bare", "413000003", equipped=False)
        self.assertEqual(self.make_call(9, vessel_id=tanker.id).because, "liquid_cargo")
        self.assertEqual(self.make_call(9, vessel_id=bare.id).because, "not_equipped")

    def test_berth_that_loses_its_outlet(self):
        open_call = self.make_call(9)
        past_call = self.make_call(9, alongside=True)
        past_call.action_depart()
        past_call.departed_at = past_call.arrived_at + timedelta(hours=9)
        self.assertEqual((open_call.obligation, past_call.obligation), ("bound", "bound"))
        self.outlet.active = False
        self.assertEqual(open_call.because, "berth_unable")
        self.assertEqual(past_call.obligation, "bound", "the past is not assessed anew")

    def test_exemption(self):
        call = self.make_call(9)
        call.exemption = "weather"
        self.assertEqual(call.obligation, "exempt")
        self.assertIn("Bad weather", call.obligation_reason)

    def test_most_specific_rule_wins(self):
        call = self.make_call(1)
        self.assertEqual(call.obligation, "encouraged")
        rules = self.env["acrel.shore.rule"]
        local = rules.create(
            {
                "name": "Here",
                "waters": "inland",
                "station_id": self.station.id,
                "min_stay": 0.5,
            }
        )
        self.assertEqual((call.obligation, call.rule_id), ("bound", local))
        rules.create(
            {
                "name": "Coast",
                "waters": "coastal",
                "station_id": self.station.id,
                "min_stay": 0,
            }
        )
        typed = rules.create(
            {
                "name": "Here, inland cargo",
                "waters": "inland",
                "vessel_type": "inland",
                "station_id": self.station.id,
                "min_stay": 24,
            }
        )
        self.assertEqual((call.obligation, call.rule_id), ("encouraged", typed))
        (local | typed).active = False
        self.assertEqual(call.rule_id, self.env.ref("acrel_shore_power.rule_inland"))

    def test_no_rule(self):
        call = self.make_call(9)
        self.env["acrel.shore.rule"].search([]).active = False
        self.assertEqual(call.obligation, "unknown")

    def test_overstay_becomes_duty(self):
        call = self.make_call(1.5)
        call.declared_at = self.now - timedelta(hours=9)
        call.write({"arrived_at": self.now - timedelta(hours=4)})
        call.expected_arrival = self.now - timedelta(hours=4)
        call.expected_departure = self.now - timedelta(hours=3)
        call.action_berth()
        self.env["acrel.berth.call"]._cron_overstay()
        self.assertGreaterEqual(call.stay_hours, 4)
        self.assertEqual(call.obligation, "bound")
        self.assertTrue(call.unused)
        self.assertIn(call, self.env["acrel.berth.call"].search([("unused", "=", True)]))
        self.assertNotIn(call, self.env["acrel.berth.call"].search([("unused", "=", False)]))
