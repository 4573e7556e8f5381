from datetime import date, datetime, timedelta

from odoo.tests import new_test_user, tagged
from odoo.tools import SQL

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestMonth(LinkCase):
    """Month-ends that a meter kept, valued by the installation valid then."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.installation.date_from = datetime(2026, 1, 15)
        cls.installation.write({"pt": 1, "ct": 40})

    def freeze(self, month, e_forward, **values):
        """Store a month as the link process does; it is frozen at its end, in Shanghai."""
        end = date(month.year + month.month // 12, month.month % 12 + 1, 1)
        clock = datetime.combine(end, datetime.min.time())
        row = {
            "meter_id": self.meter.id,
            "month": month,
            "frozen_at": clock - timedelta(hours=8),
            "frozen_clock": clock,
            "received_at": clock,
            "e_forward": e_forward,
            "others": "{}",
            **values,
        }
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                "INSERT INTO acrel_meter_month (%s) VALUES %s",
                SQL(", ").join(map(SQL.identifier, row)),
                tuple(row.values()),
            )
        )

    def months(self):
        return self.env["acrel.meter.month"].search([("meter_id", "=", self.meter.id)])

    def test_energy_is_the_difference_of_two_months(self):
        self.freeze(date(2026, 1, 1), 1000, e_forward_peak=100)
        self.freeze(date(2026, 2, 1), 1500, e_forward_peak=180)
        self.freeze(date(2026, 4, 1), 9000)
        april, february, january = self.months()
        self.assertEqual(february.forward_kwh, 200.0)
        self.assertEqual(february.peak_kwh, 32.0)
        self.assertEqual(february.energy_kwh, 600.0)
        self.assertEqual(february.frozen_at, datetime(2026, 2, 28, 16))
        self.assertEqual(february.installation_id, self.installation)
        self.assertFalse(january.forward_kwh, "nothing is known of the month before")
        self.assertFalse(april.forward_kwh, "nor of March")

    def test_no_energy_across_two_installations(self):
        self.installation.date_from = datetime(2026, 2, 10)
        self.freeze(date(2026, 1, 1), 1000)
        self.freeze(date(2026, 2, 1), 1500)
        february, january = self.months()
        self.assertFalse(february.forward_kwh)
        self.assertFalse(january.installation_id)

    def test_what_differs_is_found(self):
        self.freeze(date(2026, 1, 1), 1000, register_before=1010, register_after=990)
        self.freeze(date(2026, 2, 1), 1500, register_before=1511)
        self.freeze(date(2026, 3, 1), 2000, register_after=1989)
        self.freeze(date(2026, 4, 1), 2000)
        differing = self.months().filtered("differs").mapped("month")
        self.assertEqual(differing, [date(2026, 3, 1), date(2026, 2, 1)])
        found = self.env["acrel.meter.month"].search_count(
            [("differs", "=", True), ("meter_id", "=", self.meter.id)]
        )
        self.assertEqual(found, 2)

    def test_of_the_readers_company_only(self):
        self.freeze(date(2026, 2, 1), 1500)
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "month stranger",
            "acrel_meter_link.group_viewer",
            company_id=elsewhere.id,
            company_ids=[(6, 0, elsewhere.ids)],
        )
        viewer = new_test_user(self.env, "month viewer", "acrel_meter_link.group_viewer")
        Month = self.env["acrel.meter.month"]
        mine = [("meter_id", "=", self.meter.id)]
        self.assertEqual(len(Month.with_user(viewer).search(mine)), 1)
        self.assertFalse(Month.with_user(stranger).search(mine))
        self.assertTrue(self.meter.action_months()["domain"])

    def test_readings_that_are_wanted_are_kept_once(self):
        moments = [datetime(2030, 1, 1, 2), datetime(2030, 1, 1, 4)]
        self.meter._want_readings(moments)
        self.meter._want_readings(moments[:1])
        self.env.cr.execute("SELECT at FROM acrel_read_at WHERE meter_id = %s", [self.meter.id])
        self.assertEqual([at for (at,) in self.env.cr.fetchall()], moments)
