from unittest.mock import patch

import psycopg2

from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import LinkCase

ENGINE_LOG = "odoo.addons.acrel_meter_link.models.engine"


@tagged("post_install", "-at_install")
class TestEngine(LinkCase):
    """Passes: everything once, one failing record holds up no other, nothing is lost."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_link, cls.other, cls.other_output, _i = cls.make_meter("T0000000000007")
        cls.engine = cls.env["acrel.engine"]
        # what the database brought along is not the subject
        cls.engine._run_pass()

    def setUp(self):
        super().setUp()
        self.calls = []
        self.failing = self.env["acrel.meter"]
        self.error = RuntimeError("bad record")
        test = self

        def on_readings(meters):
            test.calls.append(set(meters.ids))
            for meter in meters:
                meter.name = f"{meter.name}+"
            if meters & test.failing:
                raise test.error

        def on_observed(outputs):
            test.calls.append(set(outputs.ids))

        # an extension of the hooks, as an add-on above makes one
        self.patch(self.registry["acrel.meter"], "_on_readings", on_readings)
        self.patch(self.registry["acrel.output"], "_on_observed", on_observed)

    def mark(self, meter):
        self.env.cr.execute(
            "SELECT reading_id FROM acrel_engine_meter_mark WHERE meter_id = %s", [meter.id]
        )
        row = self.env.cr.fetchone()
        return row and row[0]

    def test_each_reading_is_handled_once(self):
        reading_id = self.hear(self.meter, e_forward=1)
        self.engine._run_pass()
        self.assertEqual(self.calls, [{self.meter.id}])
        self.assertEqual(self.mark(self.meter), reading_id)
        self.engine._run_pass()
        self.assertEqual(self.calls, [{self.meter.id}])
        self.hear(self.meter, e_forward=2)
        self.hear(self.other, e_forward=2)
        self.engine._run_pass()
        self.assertEqual(self.calls[1:], [{self.meter.id, self.other.id}])

    def test_archived_meters_are_handled(self):
        self.hear(self.meter, e_forward=1)
        self.meter.active = False
        self.engine._run_pass()
        self.assertEqual(self.calls, [{self.meter.id}])

    def test_each_change_of_an_output_is_handled_once(self):
        self.observe(self.output, state="closed")
        self.engine._run_pass()
        self.engine._run_pass()
        self.assertEqual(self.calls, [{self.output.id}])
        self.observe(self.output, state="open")
        self.observe(self.other_output, state="open")
        self.engine._run_pass()
        self.assertEqual(self.calls[1:], [{self.output.id, self.other_output.id}])

    def test_readings_come_before_outputs(self):
        self.observe(self.output, state="closed")
        self.hear(self.meter, e_forward=1)
        self.engine._run_pass()
        self.assertEqual(self.calls, [{self.meter.id}, {self.output.id}])

    def test_failing_record_stops_no_other(self):
        self.failing = self.meter
        self.hear(self.meter, e_forward=1)
        self.hear(self.other, e_forward=1)
        with mute_logger(ENGINE_LOG):
            self.engine._run_pass()
        self.assertEqual(self.other.name, "T0000000000007+")
        self.assertEqual(self.meter.name, "T0000000000001")
        self.assertTrue(self.mark(self.other))
        self.assertIsNone(self.mark(self.meter))
        event = self.events("engine_error", meter_id=self.meter.id)
        self.assertEqual(event.severity, "alarm")
        self.assertIn("bad record", event.message)
        self.assertFalse(event.end_at)

    def test_failing_record_is_tried_again_at_sweeps_alone(self):
        self.failing = self.meter
        self.hear(self.meter, e_forward=1)
        with mute_logger(ENGINE_LOG):
            self.engine._run_pass()
            self.calls.clear()
            self.hear(self.other, e_forward=1)
            self.engine._run_pass(sweep=False)
            self.assertEqual(self.calls, [{self.other.id}])
            self.engine._run_pass()
        self.assertEqual(len(self.events("engine_error", meter_id=self.meter.id)), 1)
        self.failing = self.env["acrel.meter"]
        self.engine._run_pass()
        self.assertTrue(self.mark(self.meter))
        self.assertEqual(self.meter.name, "T0000000000001+")
        self.assertTrue(self.events("engine_error", meter_id=self.meter.id).end_at)

    def test_errors_of_the_database_repeat_the_pass(self):
        self.failing = self.meter
        self.error = psycopg2.errors.SerializationFailure("came between")
        self.hear(self.meter, e_forward=1)
        with self.assertRaises(psycopg2.errors.SerializationFailure), self.env.cr.savepoint():
            self.engine._run_pass()
        self.assertFalse(self.events("engine_error"))
        self.assertIsNone(self.mark(self.meter))

    def test_errors_of_the_database_go_through_the_helper(self):
        def work(meter):
            raise psycopg2.errors.DeadlockDetected("in each other's way")

        with self.assertRaises(psycopg2.errors.DeadlockDetected), self.env.cr.savepoint():
            self.engine._each(self.meter, work)
        self.assertFalse(self.events("engine_error"))

    def test_helper_isolates_records(self):
        def work(meter):
            meter.name = "touched"
            if meter == self.meter:
                raise ValueError("no")

        with mute_logger(ENGINE_LOG):
            failed = self.engine._each(self.meter | self.other, work)
        self.assertEqual(failed, self.meter)
        self.assertEqual(self.other.name, "touched")
        self.assertEqual(self.meter.name, "T0000000000001")

    def test_records_are_handled_together_until_one_fails(self):
        both, calls = self.meter | self.other, []

        def work(meters):
            calls.append(meters)
            for meter in meters:
                meter.name = "touched"
            if meters & self.failing:
                raise ValueError("no")

        self.assertFalse(self.engine._together(both, work))
        self.failing = self.meter
        with mute_logger(ENGINE_LOG):
            self.assertEqual(self.engine._together(both, work), self.meter)
            # and what has failed is alone from then on
            self.assertEqual(self.engine._together(both, work), self.meter)
        self.assertEqual(calls, [both, both, self.meter, self.other, self.meter, self.other])

    def test_batches(self):
        self.hear(self.meter, e_forward=1)
        self.hear(self.other, e_forward=1)
        with patch("odoo.addons.acrel_meter_link.models.engine.BATCH", 1):
            self.engine._run_pass()
        self.assertEqual(self.calls, [{self.meter.id}, {self.other.id}])
