from datetime import timedelta

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestByHand(LinkCase):
    """Switching by hand: who may, for how long, and what it leaves behind."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator = new_test_user(cls.env, "op", "acrel_meter_link.group_operator")
        cls.fitter = new_test_user(cls.env, "fitter", "acrel_meter_link.group_maintenance")

    def test_operator_may_not(self):
        for action in ("action_open", "action_close"):
            with self.assertRaisesRegex(AccessError, "Maintenance"):
                getattr(self.output.with_user(self.operator), action)()
        self.assertEqual(self.output._wanted(), {})

    def test_close_is_limited_in_time(self):
        self.env["ir.config_parameter"].set_param("acrel_meter_link.close_by_hand_minutes", "5")
        self.output.with_user(self.fitter).action_close()
        row = self.output._wanted()[self.output.id]
        self.assertEqual(row.wanted, "closed")
        self.assertIn(self.fitter.name, row.reason)
        limit = row.guard_until - row.wanted_at
        self.assertLessEqual(abs(limit - timedelta(minutes=5)), timedelta(seconds=2))
        self.assertIn("5", self.output.message_ids[0].body)

    def test_close_does_not_touch_what_is_closed_for_another_reason(self):
        self.output._want("closed", "ship 7", guard_energy=9, on_doubt="hold")
        with self.assertRaisesRegex(UserError, "ship 7"):
            self.output.with_user(self.fitter).action_close()
        row = self.output._wanted()[self.output.id]
        self.assertEqual((row.guard_energy, row.on_doubt), (9, "hold"))

    def test_open_always_goes(self):
        self.output._want("closed", "ship 7", on_doubt="hold")
        self.output.with_user(self.fitter).action_open()
        self.assertEqual(self.output._wanted()[self.output.id].wanted, "open")
