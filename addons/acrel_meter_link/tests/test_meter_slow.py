import json
from datetime import timedelta

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, new_test_user, tagged

from ..acrel_link.profiles import profile
from .common import LinkCase

QUALITY = {
    "unbalance_u": 87, "unbalance_i": 120, "i_residual": 12, "signal": -67,
    **{f"thd_{kind}{phase}": 215 for kind in "ui" for phase in "abc"},
    **{f"fundamental_u{phase}": 2201 for phase in "abc"},
    **{f"temperature_{phase}": 312 for phase in "abc"},
    **{f"harmonics_{kind}{phase}": list(range(30)) for kind in "ui" for phase in "abc"},
    "demand_p_forward": 7001, "demand_max_p_forward": 9000,
    "demand_max_p_forward_at": "2026-03-07 11:30:00",
    "e_forward_sharp": 100, "e_forward_peak": 200, "e_forward_flat": 300, "e_forward_valley": 400,
    "e_forward_a": 500, "e_forward_b": 300, "e_forward_c": 200,
}  # fmt: skip


@tagged("post_install", "-at_install")
class TestMeterSlow(LinkCase):
    """Slow values on the meter, with units and ratios, and orders of people."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.installation.write({"pt": 10, "ct": 20})
        cls.connect_link(cls, cls.link)
        cls.fitter = new_test_user(cls.env, "fitter", "acrel_meter_link.group_maintenance")
        cls.chief = new_test_user(cls.env, "chief", "acrel_meter_link.group_configuration")

    def snapshot(self, kind, data, minutes=0):
        self.env.cr.execute(
            "INSERT INTO acrel_meter_snapshot (meter_id, kind, received_at, data)"
            " VALUES (%s, %s, %s, %s)",
            [self.meter.id, kind, self.now + timedelta(minutes=minutes), json.dumps(data)],
        )
        self.env.invalidate_all()

    def settings(self):
        """Every threshold register at 0, but over-voltage, as the meter of a capture."""
        model = profile("adw300").map
        held = {each.name: 0 for each in model.registers if each.write == "threshold"}
        return held | {"alarm1_enable": 0x800F, "alarm_over_u": 2650, "alarm_over_u_delay": 100}

    def command(self):
        return self.env["acrel.command"].search([], limit=1)

    # === WHAT IS SHOWN === #

    def test_the_newest_snapshot_is_shown_with_the_ratios(self):
        self.snapshot("quality", QUALITY | {"unbalance_u": 1}, minutes=-60)
        self.snapshot("quality", QUALITY)
        meter = self.meter
        self.assertEqual(
            (meter.unbalance_u, meter.unbalance_i, meter.residual_ma, meter.signal_dbm),
            (0.87, 1.2, 12, -67),
        )
        self.assertEqual(meter.quality_at, self.now)
        energy = meter.energy_ids
        self.assertRecordValues(
            energy,
            [
                {
                    "quantity": "e_forward", "sharp": 200, "peak": 400, "flat": 600, "valley": 800,
                    "phase_a": 1000, "phase_b": 600, "phase_c": 400,
                }
            ],
        )  # fmt: skip
        self.assertEqual(meter.phase_ids.mapped("phase"), ["a", "b", "c"])
        self.assertEqual(meter.phase_ids[0].thd_u, 2.15)
        self.assertEqual(meter.phase_ids[2].fundamental_u, 2201)
        self.assertEqual(meter.phase_ids[1].temperature, 31.2)
        self.assertEqual(meter.harmonic_ids.mapped("number"), list(range(2, 32)))
        self.assertEqual(meter.harmonic_ids[-1].ic, 0.29)
        self.assertRecordValues(
            meter.demand_ids,
            [
                {
                    "quantity": "p_forward", "present": 1400.2, "highest": 1800,
                    "highest_at": "2026-03-07 11:30:00",
                }
            ],
        )  # fmt: skip

    def test_tariff_tables_are_shown_as_times_and_rates(self):
        self.snapshot(
            "settings",
            {
                "year_zones": "010101020107" + "00" * 6,
                "day_table_1": "030000021e08" + "00" * 36,
                "day_table_2": "00" * 42,
                "day_table_3": "ff" * 42,
            },
        )
        self.assertEqual(
            self.meter.tariff_tables.splitlines(),
            [
                "Year: 01-01 1, 07-01 2",
                "Table 1: 00:00 3, 08:30 2",
                "Table 2: –",
                "Table 3: " + "ff" * 42,
            ],
        )

    def test_extremes_of_the_months(self):
        row = {"max_ua": 2322, "max_ua_at": "2026-03-07 11:30:00", "min_ua": 2100, "max_s": 5000}
        self.snapshot("extremes", {"rows": [row, row | {"max_ua": 2400}]})
        rows = self.env["acrel.meter.extreme"].search(
            [("meter_id", "=", self.meter.id), ("quantity", "in", ("ua", "s"))]
        )
        self.assertRecordValues(
            rows,
            [
                {"months_ago": 0, "quantity": "ua", "highest": 2322, "lowest": 2100},
                {"months_ago": 0, "quantity": "s", "highest": 1000, "lowest": 0},
                {"months_ago": 1, "quantity": "ua", "highest": 2400, "lowest": 2100},
                {"months_ago": 1, "quantity": "s", "highest": 1000, "lowest": 0},
            ],
        )

    def test_another_company_sees_nothing(self):
        self.snapshot("quality", QUALITY)
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "stranger",
            "acrel_meter_link.group_viewer",
            company_id=elsewhere.id,
            company_ids=[(6, 0, elsewhere.ids)],
        )
        for model in ("energy", "phase", "harmonic", "demand", "extreme"):
            found = self.env[f"acrel.meter.{model}"].with_user(stranger).search([])
            self.assertFalse(found, model)
        self.assertTrue(self.env["acrel.meter.phase"].with_user(self.fitter).search([]))

    def test_a_meter_that_was_never_read_shows_nothing(self):
        self.assertFalse(self.meter.quality_at or self.meter.energy_ids or self.meter.phase_ids)

    # === THRESHOLDS === #

    def wizard(self, user=None):
        model = self.env["acrel.meter.settings"].with_user(user or self.fitter)
        return Form(model.with_context(default_meter_id=self.meter.id))

    def line(self, wizard, kind):
        return next(
            number
            for number in range(len(wizard.line_ids))
            if wizard.line_ids.edit(number).kind == kind
        )

    def test_what_is_changed_is_ordered_as_raw_counts(self):
        self.snapshot("settings", self.settings())
        form = self.wizard()
        with form.line_ids.edit(self.line(form, "alarm_over_voltage")) as line:
            self.assertEqual((line.enabled, line.threshold, line.delay), (True, 265.0, 1.0))
            self.assertEqual(line.unit, "V")
            line.threshold = 242.05
            line.delay = 3
        with form.line_ids.edit(self.line(form, "alarm_phase_sequence")) as line:
            line.enabled = True
        action = form.save().action_write()
        command = self.env["acrel.command"].browse(action["res_id"])
        self.assertRecordValues(
            command,
            [
                {
                    "kind": "write", "state": "queued", "origin": "user",
                    "requested_by_id": self.fitter.id,
                    "payload": {
                        "registers": {
                            "alarm1_enable": 0xC00F, "alarm_over_u": 2421,
                            "alarm_over_u_delay": 300,
                        }
                    },
                }
            ],
        )  # fmt: skip
        self.assertIn("Over-voltage threshold: 242.1 V", command.summary)
        self.assertIn("242.1 V", self.meter.message_ids[0].body)

    def test_what_the_meter_cannot_take_is_refused(self):
        self.snapshot("settings", self.settings())
        form = self.wizard()
        with form.line_ids.edit(self.line(form, "alarm_over_voltage")) as line:
            line.threshold = 1000
        with self.assertRaisesRegex(ValidationError, "it must be 0.0 to 999.9 V"):
            form.save().action_write()
        with self.assertRaisesRegex(UserError, "Nothing was changed"):
            self.wizard().save().action_write()
        self.assertFalse(self.command())

    def test_settings_that_were_never_read_are_not_changed(self):
        with self.assertRaisesRegex(UserError, "were not read yet"):
            self.wizard()

    def test_who_writes_thresholds(self):
        self.snapshot("settings", self.settings())
        operator = new_test_user(self.env, "slow_op", "acrel_meter_link.group_operator")
        with self.assertRaises(AccessError):
            self.wizard(operator).save()

    # === MAINTENANCE ORDERS === #

    def order(self, user=None, **values):
        values = {"meter_id": self.meter.id, "reason": "moved to the new server", **values}
        model = self.env["acrel.meter.configure"].with_user(user or self.chief)
        return model.create(values).action_order()

    def test_a_maintenance_order_is_kept_with_person_and_reason(self):
        self.order(what="server", server_address="203.0.113.7", server_port=8450)
        command = self.command()
        self.assertRecordValues(
            command,
            [
                {
                    "kind": "configure", "payload": {"frame": 0x88, "body": "cb0071072102"},
                    "reason": "moved to the new server", "requested_by_id": self.chief.id,
                    "summary": "Server: 203.0.113.7:8450",
                }
            ],
        )  # fmt: skip
        note = self.meter.message_ids[0]
        self.assertEqual(note.author_id, self.chief.partner_id)
        self.assertIn("Reason: moved to the new server", note.body)

    def test_orders_of_each_kind(self):
        for values, payload in (
            ({"what": "register", "register": "do1_driver", "value": "0"},
             {"registers": {"do1_driver": 0}}),
            ({"what": "register", "register": "freeze_time", "value": "0001"},
             {"registers": {"freeze_time": "0001"}}),
            ({"what": "register", "register": "day_table_1", "value": "00:00 3, 8:30 2"},
             {"registers": {"day_table_1": "030000021e08" + "00" * 36}}),
            ({"what": "register", "register": "year_zones", "value": "01-01 1, 7-1 2"},
             {"registers": {"year_zones": "010101020107" + "00" * 6}}),
            ({"what": "restart"}, {"frame": 0x87, "body": ""}),
            ({"what": "parameters", "parameters": "02FF"}, {"frame": 0x82, "body": "02ff"}),
        ):  # fmt: skip
            self.order(**values)
            self.assertEqual(self.command().payload, payload)

    def test_orders_that_cannot_be(self):
        for values, message in (
            ({"what": "register", "register": "do1_driver", "value": "9"}, "takes 0 to 5"),
            ({"what": "register", "register": "do1_driver", "value": "x"}, "whole number"),
            ({"what": "register", "register": "freeze_time", "value": "1"}, "2 bytes in hexa"),
            ({"what": "register", "register": "day_table_1", "value": "24:00 1"}, "no time of"),
            ({"what": "register", "register": "day_table_1", "value": "8 am"}, "is no period"),
            (
                {"what": "register", "register": "day_table_1", "value": "09:00 1, 08:00 2"},
                "ascend",
            ),
            ({"what": "register", "register": "year_zones", "value": "02-30 1"}, "day of the year"),
            ({"what": "server", "server_address": "meters", "server_port": 1}, "four numbers"),
            ({"what": "server", "server_address": "10.0.0.1", "server_port": 0}, "1 to 65535"),
            ({"what": "parameters", "parameters": "x"}, "not hexadecimal"),
            ({"what": "restart", "reason": "  "}, "Say why"),
        ):
            with self.subTest(message), self.assertRaisesRegex(UserError, message):
                self.order(**values)
        self.assertFalse(self.command())

    def test_nothing_is_configured_while_a_contactor_is_closed(self):
        self.observe(self.output, state="closed", relay=True, observed_at=self.now)
        with self.assertRaisesRegex(UserError, "is closed, or shall be"):
            self.order(what="restart")

    def test_who_gives_maintenance_orders(self):
        manager = new_test_user(self.env, "slow_boss", "acrel_meter_link.group_manager")
        for user in (self.fitter, manager):
            with self.assertRaises(AccessError):
                self.order(user, what="restart")

    def test_an_order_needs_a_connected_link(self):
        self.env.cr.execute("UPDATE acrel_link_live SET online = FALSE")
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "its link is not connected"):
            self.order(what="restart")

    def test_an_operator_has_everything_read(self):
        operator = new_test_user(self.env, "slow_reader", "acrel_meter_link.group_operator")
        self.meter.with_user(operator).action_refresh()
        self.assertEqual((self.command().kind, self.command().state), ("refresh", "queued"))

    # === MODELS === #

    def test_outputs_are_those_of_the_model(self):
        with self.assertRaisesRegex(ValidationError, "has no input 1"):
            self.meter.profile = "ddsy1352"
        self.output.feedback_input = 0
        self.meter.profile = "ddsy1352"
        with self.assertRaisesRegex(ValidationError, "has no output 2"):
            self.env["acrel.output"].create(
                {"meter_id": self.meter.id, "number": 2, "feedback_input": 0}
            )

    def test_a_model_does_not_change_under_a_closed_contactor(self):
        self.observe(self.output, state="closed", relay=True, observed_at=self.now)
        with self.assertRaisesRegex(UserError, "is closed, or shall be"):
            self.meter.profile = "adw300_4g"
