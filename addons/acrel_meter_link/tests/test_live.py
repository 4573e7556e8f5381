from datetime import timedelta

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestLive(LinkCase):
    """What is shown of the rows that the link process writes."""

    def test_meter(self):
        _link, meter, _output, _installation = self.make_meter("T6", pt=2, ct=40)
        self.assertEqual(meter._live(), {})
        self.assertFalse(meter.last_reading_at)
        self.hear(meter, e_forward=100, p=1_500, ua=2_301, ia=1_234, pf=987)
        self.assertEqual(meter.register, 100)
        self.assertEqual(meter.energy_kwh, 80.0)
        self.assertEqual(meter.power_kw, 120.0)
        self.assertEqual(meter.voltage_a, 460.2)
        self.assertEqual(meter.current_a, 493.6)
        self.assertEqual(meter.power_factor, 0.987)
        live = meter._live()[meter.id]
        self.assertEqual((live.e_forward, live.p, live.ub), (100, 1_500, None))

    def test_meter_by_the_ratios_of_now(self):
        self.installation.write({"ct": 7, "date_to": self.now - timedelta(days=1)})
        self.hear(self.meter, e_forward=100)
        self.assertEqual(self.meter.energy_kwh, 1.0)
        self.env["acrel.installation"].create(
            {"meter_id": self.meter.id, "ct": 40, "date_from": self.now - timedelta(days=1)}
        )
        self.meter.invalidate_recordset()
        self.assertEqual(self.meter.energy_kwh, 40.0)

    def test_connection(self):
        Link = self.env["acrel.link"]
        mine = [("id", "=", self.link.id)]
        self.assertFalse(self.link.online)
        self.assertTrue(Link.search([*mine, ("online", "=", False)]))
        worker_id = self.connect_link(self.link, peer="10.0.0.1", rssi=-61, upload_minutes=30)
        self.assertTrue(self.link.online)
        self.assertTrue(self.meter.online)
        self.assertEqual((self.link.peer, self.link.rssi), ("10.0.0.1", -61))
        self.assertTrue(Link.search([*mine, ("online", "=", True)]))
        self.assertFalse(Link.search([*mine, ("online", "!=", True)]))
        worker = self.env["acrel.link.worker"].browse(worker_id)
        self.assertTrue(worker.alive)
        # a process that was killed leaves its connections behind as online
        self.env.cr.execute(
            "UPDATE acrel_link_worker SET seen_at = seen_at - interval '1 minute' WHERE id = %s",
            [worker_id],
        )
        self.env.invalidate_all()
        self.assertFalse(worker.alive)
        self.assertFalse(self.link.online)
        self.assertFalse(Link.search([*mine, ("online", "=", True)]))

    def test_rate_of_a_process(self):
        worker_id = self.connect_link(self.link)
        self.env.cr.execute(
            """UPDATE acrel_link_worker SET readings = 5000000000,
                      seen_at = started_at + interval '100 s' WHERE id = %s""",
            [worker_id],
        )
        worker = self.env["acrel.link.worker"].browse(worker_id)
        self.assertEqual(worker.rate, 50_000_000.0)

    def test_output(self):
        Output = self.env["acrel.output"]
        mine = [("id", "=", self.output.id)]
        observed = self.output._observed()[self.output.id]
        self.assertEqual((observed.state, observed.relay), ("unknown", None))
        self.assertTrue(Output.search([*mine, ("state", "=", "unknown")]))
        self.observe(
            self.output,
            state="closed",
            relay=True,
            feedback=True,
            observed_at=self.now,
            close_revision=1,
            close_register=2**33,
            close_read_at=self.now + timedelta(microseconds=5),
        )
        self.assertEqual(self.output.state, "closed")
        self.assertEqual(self.output.close_register, 2**33)
        self.assertEqual(self.meter.contactor_state, "closed")
        self.assertFalse(Output.search([*mine, ("state", "=", "unknown")]))
        self.assertTrue(Output.search([*mine, ("state", "in", ("closed", "open"))]))
        self.assertFalse(Output.search([*mine, ("state", "!=", "closed")]))
        observed = self.output._observed()[self.output.id]
        self.assertEqual(observed.close_read_at, self.now + timedelta(microseconds=5))

    def test_read_now(self):
        operator = new_test_user(self.env, "op", "acrel_meter_link.group_operator")
        viewer = new_test_user(self.env, "viewer", "acrel_meter_link.group_viewer")
        with self.assertRaisesRegex(UserError, "not connected"):
            self.meter.with_user(operator).action_read_now()
        self.connect_link(self.link)
        with self.assertRaises(AccessError):
            self.meter.with_user(viewer).action_read_now()
        self.meter.with_user(operator).action_read_now()
        command = self.env["acrel.command"].search([("meter_id", "=", self.meter.id)])
        self.assertRecordValues(
            command,
            [
                {
                    "kind": "read",
                    "origin": "user",
                    "state": "queued",
                    "requested_by_id": operator.id,
                    "output_id": False,
                }
            ],
        )
        self.assertEqual(command.expires_at - command.requested_at, timedelta(seconds=30))

    def test_measured_meter_is_not_deleted(self):
        self.hear(self.meter, e_forward=1)
        with self.assertRaisesRegex(UserError, "Archive it"):
            self.meter.unlink()
