from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestAdopt(LinkCase):
    """From a refused serial number to a meter by one click."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.fitter = new_test_user(cls.env, "fitter", "acrel_meter_link.group_maintenance")
        cls.operator = new_test_user(cls.env, "op", "acrel_meter_link.group_operator")

    def knock(self, serial):
        """Insert a candidate as the link process does, without Odoo's columns."""
        self.env.cr.execute(
            """INSERT INTO acrel_link_candidate
                      (serial, iccid, peer, first_seen_at, last_seen_at, attempts)
               VALUES (%s, '8986', '127.0.0.1:5', now() AT TIME ZONE 'UTC',
                       now() AT TIME ZONE 'UTC', 3) RETURNING id""",
            [serial],
        )
        return self.env["acrel.link.candidate"].browse(self.env.cr.fetchone()[0])

    def test_one_click(self):
        candidate = self.knock("12307210720085")
        action = candidate.with_user(self.fitter).action_adopt()
        meter = self.env["acrel.meter"].browse(action["res_id"])
        self.assertEqual(meter.link_id.serial, "12307210720085")
        self.assertEqual(meter.serial, "12307210720085")
        self.assertEqual(meter.slave_address, 1)
        self.assertEqual(meter.company_id, self.fitter.company_id)
        self.assertRecordValues(meter.output_ids, [{"number": 1, "feedback_input": 1}])
        self.assertRecordValues(
            meter.installation_ids,
            [{"pt": 1, "ct": 1, "date_to": False, "company_id": self.fitter.company_id.id}],
        )
        self.assertFalse(candidate.exists())

    def test_several_at_once(self):
        candidates = self.knock("A1") | self.knock("A2")
        action = candidates.with_user(self.fitter).action_adopt()
        meters = self.env["acrel.meter"].search(action["domain"])
        self.assertEqual(sorted(meters.mapped("serial")), ["A1", "A2"])

    def test_archived_link_is_not_doubled(self):
        self.meter.active = False
        self.link.active = False
        candidate = self.knock(self.link.serial)
        with self.assertRaisesRegex(UserError, "Restore that link"):
            candidate.with_user(self.fitter).action_adopt()
        self.assertTrue(candidate.exists())

    def test_ignore(self):
        candidate = self.knock("A3")
        waiting = [("ignored", "=", False)]
        self.assertIn(candidate, candidate.search(waiting))
        candidate.with_user(self.fitter).action_ignore()
        self.assertNotIn(candidate, candidate.search(waiting))
        candidate.with_user(self.fitter).action_unignore()
        self.assertIn(candidate, candidate.search(waiting))

    def test_operator_may_not(self):
        candidate = self.knock("A4")
        for action in ("action_adopt", "action_ignore", "action_unignore"):
            with self.assertRaises(AccessError):
                getattr(candidate.with_user(self.operator), action)()
        self.assertFalse(self.env["acrel.link"].search([("serial", "=", "A4")]))
