from datetime import timedelta

from odoo.tests import tagged

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestMaintenance(LinkCase):
    """Partitions ahead, retention by dropping partitions, short-lived rows."""

    def partitions(self):
        self.env.cr.execute(
            """SELECT inhrelid::regclass::text FROM pg_inherits
                WHERE inhparent = 'acrel_reading_raw'::regclass"""
        )
        return {name for (name,) in self.env.cr.fetchall()}

    def name(self, days):
        return f"acrel_reading_raw_{self.now + timedelta(days=days):%Y%m%d}"

    def test_partitions_ahead(self):
        self.env["acrel.reading"]._cron_maintain()
        self.assertLessEqual({self.name(days) for days in range(8)}, self.partitions())

    def roll_up(self):
        self.env.cr.execute("DELETE FROM acrel_engine_quarter_mark")
        while self.env["acrel.reading.quarter"]._roll_up():
            pass

    def test_retention(self):
        self.env["ir.config_parameter"].set_param("acrel_meter_link.reading_retention_days", "10")
        for days in (-11, -10):
            self.hear(self.meter, self.now + timedelta(days=days), e_forward=1)
        self.roll_up()
        self.env["acrel.reading"]._cron_maintain()
        self.assertNotIn(self.name(-11), self.partitions())
        self.assertIn(self.name(-10), self.partitions())
        self.assertEqual(
            self.env["acrel.reading"].search_count([("meter_id", "=", self.meter.id)]), 1
        )
        rows = self.env["acrel.reading.quarter"].search([("meter_id", "=", self.meter.id)])
        self.assertEqual(rows.mapped("readings"), [1, 1], "what is dropped stays rolled up")

    def test_nothing_is_dropped_before_it_is_rolled_up(self):
        self.env["ir.config_parameter"].set_param("acrel_meter_link.reading_retention_days", "10")
        self.env.cr.execute("DELETE FROM acrel_engine_quarter_mark")
        self.hear(self.meter, self.now - timedelta(days=11), e_forward=1)
        self.env["acrel.reading"]._cron_maintain()
        self.assertIn(self.name(-11), self.partitions())

    def test_what_the_roll_up_lacks_is_rolled_up_before_it_is_dropped(self):
        self.env["ir.config_parameter"].set_param("acrel_meter_link.reading_retention_days", "10")
        old = self.now - timedelta(days=11)
        self.hear(self.meter, old, e_forward=1)
        self.roll_up()
        self.hear(self.meter, old + timedelta(seconds=1), e_forward=2)
        self.env["acrel.reading"]._cron_maintain()
        self.assertIn(self.name(-11), self.partitions())
        while self.env["acrel.reading.quarter"]._roll_up():
            pass
        self.env["acrel.reading"]._cron_maintain()
        self.assertNotIn(self.name(-11), self.partitions())
        rows = self.env["acrel.reading.quarter"].search([("meter_id", "=", self.meter.id)])
        self.assertEqual(sum(rows.mapped("readings")), 2)

    def test_late_readings_of_a_dropped_day_change_no_roll_up(self):
        self.env["ir.config_parameter"].set_param("acrel_meter_link.reading_retention_days", "10")
        old = self.now - timedelta(days=11)
        self.hear(self.meter, old, e_forward=1)
        self.roll_up()
        self.env["acrel.reading"]._cron_maintain()
        self.hear(self.meter, old, e_forward=5)
        self.env.cr.execute(
            "INSERT INTO acrel_quarter_due (meter_id, quarter) VALUES (%s, date_bin('15 min', %s,"
            " timestamp '2000-01-01'))",
            [self.meter.id, old],
        )
        while self.env["acrel.reading.quarter"]._roll_up():
            pass
        row = self.env["acrel.reading.quarter"].search([("meter_id", "=", self.meter.id)])
        self.assertEqual((row.readings, row.last_register), (1, 1))
        self.env["acrel.reading"]._cron_maintain()
        self.assertNotIn(self.name(-11), self.partitions())

    def test_what_is_still_needed_is_kept(self):
        self.env["ir.config_parameter"].set_param("acrel_meter_link.reading_retention_days", "10")
        for days in (-14, -13, -12):
            self.hear(self.meter, self.now + timedelta(days=days), e_forward=1)
        self.roll_up()
        floor = self.now - timedelta(days=13)
        # as an add-on above does
        self.patch(self.registry["acrel.reading"], "_reading_floor", lambda model: floor)
        self.env["acrel.reading"]._cron_maintain()
        self.assertNotIn(self.name(-14), self.partitions())
        self.assertLess({self.name(-13), self.name(-12)}, self.partitions())

    def test_retention_can_be_switched_off(self):
        self.env["ir.config_parameter"].set_param("acrel_meter_link.reading_retention_days", "0")
        self.hear(self.meter, self.now - timedelta(days=5000), e_forward=1)
        self.env["acrel.reading"]._cron_maintain()
        self.assertIn(self.name(-5000), self.partitions())

    def identities(self, link_id, *hours):
        """Say that a link uploaded so many hours ago, and return what is left after a purge."""
        self.env.cr.execute(
            """INSERT INTO acrel_upload_seen
               SELECT %s, sha256(h::text::bytea), %s - h * interval '1 hour' FROM unnest(%s) h""",
            [link_id, self.now, list(hours)],
        )
        self.env["acrel.reading"]._purge()
        self.env.cr.execute(
            """SELECT round(extract(epoch FROM %s - received_at) / 3600) FROM acrel_upload_seen
                WHERE link_id = %s ORDER BY 1""",
            [self.now, link_id],
        )
        return [int(hours) for (hours,) in self.env.cr.fetchall()]

    def test_identities_of_uploads_are_kept_for_a_day(self):
        self.assertEqual(self.identities(self.link.id, 1, 23, 25, 60), [1, 23])

    def test_the_newest_identity_is_kept_while_its_link_is_away(self):
        self.assertEqual(self.identities(self.link.id, 60, 70, 80), [60])
        self.assertEqual(self.identities(self.link.id, 1), [1])

    def test_no_identity_of_a_link_that_is_gone_is_kept(self):
        self.assertEqual(self.identities(2_000_000_000, 60, 70), [])

    def test_deleted_records_leave_no_rows(self):
        self.output._want("open", "session 1")
        self.observe(self.output, state="open")
        self.connect_link(self.link)
        other = self.make_meter("T0000000000009")[2]
        other._want("closed", "session 2")
        ids = {"output": self.output.id, "link": self.link.id}
        self.installation.unlink()
        self.meter.unlink()
        self.link.unlink()
        self.env["acrel.reading"]._purge()
        self.env.cr.execute(
            """SELECT (SELECT count(*) FROM acrel_output_wanted WHERE output_id = %(output)s)
                    + (SELECT count(*) FROM acrel_output_live WHERE output_id = %(output)s)
                    + (SELECT count(*) FROM acrel_link_live WHERE link_id = %(link)s)""",
            ids,
        )
        self.assertEqual(self.env.cr.fetchone()[0], 0)
        self.assertIn(other.id, other._wanted())

    def test_cron_is_there(self):
        cron = self.env.ref("acrel_meter_link.cron_maintain")
        self.assertTrue(cron.active)
        cron.ir_actions_server_id.run()
        self.assertIn(self.name(7), self.partitions())
