from datetime import timedelta

from odoo.tests import tagged

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestSilence(LinkCase):
    """A meter that is not heard is reported once, and until it is heard again."""

    def setUp(self):
        super().setUp()
        # an engine of another test may have come back from a break just now
        self.env.cr.execute("DELETE FROM acrel_engine_alive")

    def run_pass(self):
        self.env["acrel.engine"]._run_pass()

    def silent(self):
        return self.events("meter_silent", meter_id=self.meter.id)

    def test_from_silence_to_return(self):
        last = self.now - timedelta(minutes=16)
        self.hear(self.meter, last, e_forward=1)
        self.run_pass()
        self.run_pass()
        event = self.silent()
        self.assertRecordValues(event, [{"severity": "warning", "end_at": False}])
        self.assertEqual(event.begin_at, last)
        self.assertEqual(self.meter.silent_since, last)
        self.assertIn(self.meter, self.meter.search([("silent_since", "!=", False)]))
        self.hear(self.meter, self.now, e_forward=2)
        self.run_pass()
        self.assertEqual(event.end_at, self.now)
        self.assertFalse(self.meter.silent_since)
        self.assertIn(self.meter, self.meter.search([("silent_since", "=", False)]))

    def age(self, **delta):
        """Let the engine have worked last some time ago."""
        self.env.cr.execute(
            "UPDATE acrel_engine_alive SET last_at = last_at - %(by)s, since = since - %(by)s",
            {"by": timedelta(**delta)},
        )

    def test_nobody_is_silent_just_after_a_break(self):
        """PostgreSQL was away: what meters said meanwhile is still on the links' disks."""
        self.run_pass()
        self.age(minutes=40)
        self.hear(self.meter, self.now - timedelta(minutes=40), e_forward=1)
        self.run_pass()
        self.assertFalse(self.silent())
        self.age(seconds=20)
        self.run_pass()
        self.assertFalse(self.silent())
        self.age(seconds=25)
        self.age(seconds=25)
        self.env.cr.execute("UPDATE acrel_engine_alive SET last_at = localtimestamp")
        self.run_pass()
        self.assertTrue(self.silent())

    def test_nobody_is_silent_while_a_link_stores_what_it_kept(self):
        worker = self.connect_link(self.link)
        self.env.cr.execute(
            "UPDATE acrel_link_worker SET spool_records = 7 WHERE id = %s", [worker]
        )
        self.hear(self.meter, self.now - timedelta(minutes=40), e_forward=1)
        self.run_pass()
        self.assertFalse(self.silent())
        self.env.cr.execute(
            "UPDATE acrel_link_worker SET seen_at = seen_at - interval '31 s' WHERE id = %s",
            [worker],
        )
        self.run_pass()
        self.assertTrue(self.silent(), "a link process that is gone tells nothing any more")

    def test_floor(self):
        self.hear(self.meter, self.now - timedelta(minutes=14), e_forward=1)
        self.run_pass()
        self.assertFalse(self.silent())

    def test_learned_from_the_upload_interval(self):
        self.connect_link(self.link, upload_minutes=30)
        self.hear(self.meter, self.now - timedelta(minutes=89), e_forward=1)
        self.run_pass()
        self.assertFalse(self.silent())
        self.hear(self.meter, self.now - timedelta(minutes=91), e_forward=1)
        self.run_pass()
        self.assertTrue(self.silent())

    def test_learned_from_its_readings(self):
        self.connect_link(self.link, upload_minutes=30)
        self.plan_poll(self.meter, every_seconds=300, learned_seconds=100)
        self.assertEqual(self.meter.silent_after, 300)
        self.hear(self.meter, self.now - timedelta(seconds=290), e_forward=1)
        self.run_pass()
        self.assertFalse(self.silent())
        self.hear(self.meter, self.now - timedelta(seconds=310), e_forward=1)
        self.run_pass()
        self.assertRecordValues(self.silent(), [{"end_at": False}])

    def test_learned_floor(self):
        self.plan_poll(self.meter, learned_seconds=10)
        self.hear(self.meter, self.now - timedelta(seconds=170), e_forward=1)
        self.run_pass()
        self.assertFalse(self.silent())
        self.hear(self.meter, self.now - timedelta(seconds=190), e_forward=1)
        self.run_pass()
        self.assertTrue(self.silent())

    def test_fixed(self):
        self.connect_link(self.link, upload_minutes=30)
        self.plan_poll(self.meter, learned_seconds=600)
        self.meter.silence_minutes = 2
        self.assertEqual(self.meter.silent_after, 120)
        self.hear(self.meter, self.now - timedelta(minutes=3), e_forward=1)
        self.run_pass()
        self.assertTrue(self.silent())

    def test_what_is_not_in_use_is_not_missed(self):
        self.hear(self.meter, self.now - timedelta(days=1), e_forward=1)
        self.meter.active = False
        self.run_pass()
        self.assertFalse(self.silent())
