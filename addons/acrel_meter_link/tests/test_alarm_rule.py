from datetime import timedelta

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common import LinkCase

NORMAL = {
    **dict.fromkeys(("ua", "ub", "uc"), 2200),
    **dict.fromkeys(("ia", "ib", "ic"), 0),
    **dict.fromkeys(("pa", "pb", "pc"), 0),
    "frequency": 5000,
}


@tagged("post_install", "-at_install")
class TestAlarmRule(LinkCase):
    """Limits of our own: begun after their delay, ended behind their hysteresis, once each."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.meter.rated_current = 100
        cls.at = cls.now

    def arrive(self, seconds, meter=None, **values):
        """Let a reading arrive so many seconds later, and the engine handle it."""
        meter = meter or self.meter
        self.at += timedelta(seconds=seconds)
        self.hear(meter, self.at, **(NORMAL | values))
        meter._on_readings()

    def lasting(self, meter=None):
        meter = meter or self.meter
        events = self.env["acrel.event"].search(
            [("meter_id", "=", meter.id), ("kind", "=like", "rule%"), ("end_at", "=", False)]
        )
        return set(events.mapped("kind"))

    def test_a_limit_is_passed_for_its_delay_and_left_behind_its_hysteresis(self):
        self.arrive(0, ua=2360)  # 107.3 %
        since = self.at
        self.arrive(29, ua=2360)
        self.assertEqual(self.lasting(), set())
        self.arrive(1, ua=2360)
        self.assertEqual(self.lasting(), {"rule_voltage_high"})
        event = self.events("rule_voltage_high")
        self.assertEqual((event.begin_at, event.severity), (since, "warning"))
        self.assertEqual(event.message, "107.27 percent of the nominal value; the limit is 107.")
        self.arrive(10, ua=2340)  # 106.4 %: below the limit, not behind the hysteresis
        self.arrive(10, ua=2360)
        self.assertEqual(self.lasting(), {"rule_voltage_high"})
        self.arrive(10, ua=2330)  # 105.9 %
        self.assertEqual(self.lasting(), set())
        self.assertEqual(event.end_at, self.at)
        self.assertEqual(len(self.events("rule_voltage_high")), 1)

    def test_a_limit_that_is_just_reached_is_not_passed(self):
        for raw, kinds in ((2354, set()), (2355, {"rule_voltage_high"})):  # 107 %, and beyond
            for seconds in (0, 30):
                self.arrive(seconds, **dict.fromkeys(("ua", "ub", "uc"), raw))
            self.assertEqual(self.lasting(), kinds)

    def test_a_value_that_comes_back_in_time_is_nothing(self):
        for _ in range(3):
            self.arrive(20, ua=2360)
            self.arrive(20)
        self.assertFalse(self.events("rule_voltage_high"))

    def test_a_reading_without_the_value_changes_nothing(self):
        self.arrive(0, ua=2360)
        self.arrive(30, ua=2360)
        self.arrive(10, ua=None, ub=None, uc=None)
        self.assertEqual(self.lasting(), {"rule_voltage_high"})

    def test_three_phase_meters_have_93_percent_single_phase_ones_90(self):
        _link, single, _output, _installation = self.make_meter("T0000000000002")
        single.phases = "1"
        for meter in (self.meter, single):
            self.arrive(0, meter, ua=2024)  # 92 %
            self.arrive(30, meter, ua=2024)
        self.assertEqual(self.lasting(), {"rule_voltage_low"})
        self.assertEqual(self.lasting(single), set())
        self.arrive(0, single, ua=1970, ub=0, uc=0)  # 89.5 %
        self.arrive(30, single, ua=1970, ub=0, uc=0)
        self.assertEqual(self.lasting(single), {"rule_voltage_low"})

    def test_ratios_of_the_installation_count(self):
        self.installation.write({"pt": 10, "ct": 40})
        self.meter.nominal_voltage = 5774
        self.arrive(0, ua=5774, ub=5774, uc=6350)  # 10 % too high behind 1:10
        self.arrive(30, ua=5774, ub=5774, uc=6350)
        self.assertIn("rule_voltage_high", self.lasting())
        self.arrive(0, ua=5774, ub=5774, uc=5774, ib=310)  # 124 A of 100
        self.arrive(10, ua=5774, ub=5774, uc=5774, ib=310)
        self.assertEqual(self.lasting(), {"rule_overcurrent"})

    def test_each_rule(self):
        cases = {
            "rule_frequency": ({"frequency": 5051}, {"frequency": 5039}, 10),
            "rule_unbalance": ({"ua": 2340, "ub": 2150}, {}, 60),
            "rule_phase_loss": ({"uc": 300}, {"uc": 2200}, 5),
            "rule_overcurrent": ({"ia": 12001}, {"ia": 11500}, 10),
            "rule_reversed_phase": ({"pa": 3000, "pb": 3000, "pc": -2900}, {"pc": 10}, 60),
            "rule_current_without_session": ({"ic": 51}, {"ic": 30}, 30),
        }
        for kind, (wrong, right, delay) in cases.items():
            with self.subTest(kind):
                if kind == "rule_overcurrent":
                    self.output._want("closed", "test")
                self.arrive(0, **wrong)
                self.assertNotIn(kind, self.lasting())
                self.arrive(delay, **wrong)
                self.assertEqual(self.lasting(), {kind})
                self.arrive(10, **right)
                self.assertEqual(self.lasting(), set())
                if kind == "rule_overcurrent":
                    self.output._want("open", "test")

    def test_current_in_a_session_is_none_without_one(self):
        self.output._want("closed", "test")
        self.arrive(0, ia=1000)
        self.arrive(60, ia=1000)
        self.assertEqual(self.lasting(), set())
        self.output._want("open", "test")
        self.arrive(60, ia=1000)
        self.arrive(30, ia=1000)
        self.assertEqual(self.lasting(), {"rule_current_without_session"})

    def test_a_meter_without_outputs_has_no_sessions(self):
        self.output.unlink()
        self.arrive(0, ia=1000)
        self.arrive(60, ia=1000)
        self.assertEqual(self.lasting(), set())

    def test_power_that_flows_back_on_all_phases_is_no_turned_transformer(self):
        self.arrive(0, pa=-3000, pb=-3000, pc=-3000)
        self.arrive(60, pa=-3000, pb=-3000, pc=-3000)
        self.assertEqual(self.lasting(), set())

    def test_nothing_is_watched_without_a_nominal_value(self):
        self.meter.write({"nominal_voltage": 0, "rated_current": 0})
        self.arrive(0, ua=3000, ub=10, ia=60000)
        self.output._want("closed", "test")
        self.arrive(60, ua=3000, ub=10, ia=60000)
        self.assertEqual(self.lasting(), set())

    def test_a_rule_that_is_switched_off_ends_what_it_began(self):
        self.arrive(0, frequency=4900)
        self.arrive(10, frequency=4900)
        rule = self.env.ref("acrel_meter_link.rule_frequency")
        rule.active = False
        self.assertEqual(self.lasting(), set())
        self.arrive(30, frequency=4900)
        self.assertEqual(self.lasting(), set())
        rule.active = True
        rule.limit_value = 0.2
        self.arrive(0, frequency=4975)
        self.arrive(10, frequency=4975)
        self.assertEqual(self.lasting(), {"rule_frequency"})

    def test_who_changes_rules(self):
        rule = self.env.ref("acrel_meter_link.rule_frequency")
        operator = new_test_user(self.env, "rule_op", "acrel_meter_link.group_operator")
        with self.assertRaises(AccessError):
            rule.with_user(operator).limit_value = 1
        fitter = new_test_user(self.env, "rule_fit", "acrel_meter_link.group_maintenance")
        rule.with_user(fitter).write({"limit_value": 1, "active": False})

    def test_phases_follow_the_model(self):
        self.assertEqual(self.meter.phases, "3")
        link = self.env["acrel.link"].create({"name": "single", "serial": "T9"})
        single = self.env["acrel.meter"].create(
            {"name": "single", "link_id": link.id, "profile": "ddsy1352"}
        )
        self.assertEqual(single.phases, "1")
