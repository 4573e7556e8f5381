from datetime import datetime, timedelta

import psycopg2

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from .common import DAY, BillingCase


@tagged("post_install", "-at_install")
class TestTariff(BillingCase):
    rich = 0

    def draft(self, day=DAY):
        return self.make_tariff(day, activate=False).version_ids

    def test_a_gap_is_said_and_keeps_the_version_a_draft(self):
        version = self.draft([DAY[0], *DAY[2:]])
        self.assertIn("No period covers 07:00–10:00", version.coverage_message)
        with self.assertRaisesRegex(ValidationError, "No period covers 07:00–10:00"):
            version.action_activate()

    def test_an_overlap_is_said(self):
        version = self.draft([*DAY, (60, 120, "flat", 1, 0)])
        with self.assertRaisesRegex(ValidationError, "Two periods cover 01:00–02:00"):
            version.action_activate()

    def test_no_period_at_all(self):
        version = self.env["acrel.tariff.version"].create({"tariff_id": self.tariff.id})
        with self.assertRaisesRegex(ValidationError, "No period covers 00:00–24:00"):
            version.action_activate()

    def test_a_covered_day_becomes_active(self):
        version = self.draft()
        self.assertFalse(version.coverage_message)
        version.action_activate()
        self.assertEqual(version.state, "active")
        with self.assertRaisesRegex(UserError, "no draft"):
            version.action_activate()

    def test_impossible_minutes_and_prices_are_refused(self):
        version = self.draft()
        for values in (
            {"start_minute": 600, "end_minute": 600},
            {"end_minute": 1441},
            {"start_minute": -1},
            {"electricity_price": -0.1},
            {"service_price": -0.1},
        ):
            with (
                self.subTest(values=values),
                mute_logger("odoo.sql_db"),
                self.assertRaises(psycopg2.errors.CheckViolation),
                self.env.cr.savepoint(),
            ):
                version.period_ids[2].write(values)
                self.env.flush_all()

    def test_an_active_version_is_frozen(self):
        period = self.version.period_ids[0]
        for change in (
            lambda: period.write({"electricity_price": 0.1}),
            lambda: period.write({"time_to": 6.5}),
            lambda: period.unlink(),
            lambda: period.copy({"start_minute": 1, "end_minute": 2}),
            lambda: self.version.write({"valid_from": datetime(2021, 1, 1)}),
            lambda: self.version.write({"period_ids": [Command.delete(period.id)]}),
            lambda: self.version.unlink(),
            lambda: self.make_tariff(DAY).unlink(),
        ):
            with self.assertRaisesRegex(UserError, "New Version"), self.env.cr.savepoint():
                change()
        self.assertEqual(period.electricity_price, 0.3526)
        self.version.note = "may be written any time"

    def test_new_version_copies_as_a_draft(self):
        action = self.version.action_new_version()
        new = self.env["acrel.tariff.version"].browse(action["res_id"])
        self.assertEqual(new.state, "draft")
        self.assertEqual(new.tariff_id, self.tariff)
        self.assertEqual(
            [(p.start_minute, p.end_minute, p.kind, p.electricity_price) for p in new.period_ids],
            [(start, end, kind, price) for start, end, kind, price, _service in DAY],
        )
        new.period_ids[0].electricity_price = 0.3
        new.action_activate()
        self.assertEqual(self.tariff.current_version_id, new)
        self.assertEqual(self.version.period_ids[0].electricity_price, 0.3526)

    def test_two_active_versions_of_one_moment(self):
        other = self.version.copy({"valid_from": self.version.valid_from})
        with self.assertRaisesRegex(UserError, "same moment"):
            other.action_activate()
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(psycopg2.errors.UniqueViolation),
            self.env.cr.savepoint(),
        ):
            other.state = "active"
            self.env.flush_all()
        self.version.action_archive_version()
        other.action_activate()

    def test_the_version_in_force_is_the_last_that_has_begun(self):
        begin = datetime(2026, 1, 1)
        later = self.version.copy({"valid_from": begin})
        later.action_activate()
        self.version.copy({"valid_from": begin - timedelta(days=9)})  # a draft counts for nothing
        self.assertEqual(self.tariff._version_at(begin), later)
        self.assertEqual(self.tariff._version_at(begin - timedelta(seconds=1)), self.version)
        self.assertFalse(self.tariff._version_at(datetime(2019, 1, 1)))
        later.action_archive_version()
        self.assertEqual(self.tariff._version_at(begin), self.version)

    def test_the_piles_own_tariff_comes_first(self):
        self.assertEqual(self.pile._tariff(), self.version)
        own = self.make_tariff(DAY)
        self.pile.tariff_id = own
        self.assertEqual(self.pile._tariff(), own.version_ids)
        own.active = False
        self.assertFalse(self.pile._tariff())

    def test_a_used_version_does_not_go_back_to_draft(self):
        self.version.action_reset_to_draft()
        self.assertEqual(self.version.state, "draft")
        self.version.action_activate()
        self.top_up(50)
        self.start()
        with self.assertRaisesRegex(UserError, "has priced 1 sessions"):
            self.version.action_reset_to_draft()

    def test_prices_after_going_back_to_draft_are_the_new_ones(self):
        self.assertEqual(str(self.version._priced().periods[0].total), "0.7526")
        self.version.action_reset_to_draft()
        self.version.period_ids[0].service_price = 0.5
        self.version.action_activate()
        self.assertEqual(str(self.version._priced().periods[0].total), "0.8526")

    def test_the_form_works_in_hours_and_keeps_minutes(self):
        tariff = self.env["acrel.tariff"].create({"name": "Form"})
        version = self.env["acrel.tariff.version"].create({"tariff_id": tariff.id})
        with Form(version) as form:
            with form.period_ids.new() as period:
                period.time_from, period.time_to = 0, 7.3333333
                period.electricity_price, period.service_price = 0.12345, 0.4
            with form.period_ids.new() as period:
                period.time_from, period.time_to = 7.3333333, 24
                period.electricity_price = 1
            self.assertFalse(form.coverage_message)
            self.assertIn("07:20", form.day_bar)
        self.assertEqual(
            version.period_ids.mapped(lambda p: (p.start_minute, p.end_minute)),
            [(0, 440), (440, 1440)],
        )
        self.env.cr.execute(
            "SELECT electricity_price::text, pg_typeof(electricity_price)::text"
            " FROM acrel_tariff_period WHERE id = %s",
            [version.period_ids[0].id],
        )
        self.assertEqual(self.env.cr.fetchone(), ("0.1235", "numeric"))

    def test_import_and_export_by_stock_means(self):
        fields = ["tariff_id", "valid_from"] + [
            f"period_ids/{name}"
            for name in ("time_from", "time_to", "kind", "electricity_price", "service_price")
        ]
        head = [self.tariff.name, "2026-06-01 00:00:00"]
        result = self.env["acrel.tariff.version"].load(
            fields,
            [
                [*head, "0", "8.5", "Valley", "0.35", "0.4"],
                ["", "", "8.5", "24", "peak", "1.0180", "0.4"],
            ],
        )
        self.assertFalse(result["messages"])
        version = self.env["acrel.tariff.version"].browse(result["ids"])
        self.assertEqual(
            version.period_ids.mapped(lambda p: (p.start_minute, p.end_minute, p.kind)),
            [(0, 510, "valley"), (510, 1440, "peak")],
        )
        rows = version.export_data(["period_ids/time_from", "period_ids/electricity_price"])
        self.assertEqual(rows["datas"], [[0.0, 0.35], [8.5, 1.018]])

    def test_the_picture_and_the_table_of_the_day(self):
        self.assertEqual(self.version.day_bar.count("o_acrel_day_part"), len(DAY))
        moment = self.at(10, 30)
        segments = self.version._segments(moment, self.pile._zone())
        self.assertEqual([s["label"] for s in segments if s["current"]], ["Sharp Peak"])
        self.assertEqual(segments[2]["total"], "1.6050")
        self.assertEqual(segments[-1]["end"], "24:00")
        self.assertAlmostEqual(sum(s["percent"] for s in segments), 100, places=2)
        self.assertEqual(self.version.price_range, "0.7526 – 1.6050")

    def test_who_may_do_what(self):
        operator_view = self.version.with_user(self.operator)
        self.assertEqual(operator_view.state, "active")
        with self.assertRaises(AccessError):
            operator_view.action_archive_version()
        with self.assertRaises(AccessError):
            operator_view.action_new_version()
        with self.assertRaises(AccessError):
            self.version.with_user(self.driver).read(["state"])

    def test_other_companies_do_not_see_it(self):
        other = self.env["res.company"].create({"name": "Other"})
        stranger = self.operator.copy(
            {
                "login": "stranger",
                "company_id": other.id,
                "company_ids": [Command.set(other.ids)],
            }
        )
        for record in (self.tariff, self.version, self.version.period_ids):
            self.assertFalse(record.with_user(stranger)._filtered_access("read"))
        with self.assertRaises(UserError):
            self.station.write(
                {"tariff_id": self.make_tariff(DAY, activate=False, company_id=other.id).id}
            )

    def test_a_currency_without_hundredths_is_refused(self):
        yen = self.env.ref("base.JPY")
        yen.active = True
        tokyo = self.env["res.company"].create({"name": "Tokyo", "currency_id": yen.id})
        version = self.make_tariff(DAY, activate=False, company_id=tokyo.id).version_ids
        with self.assertRaisesRegex(UserError, "hundredths"):
            version.action_activate()
