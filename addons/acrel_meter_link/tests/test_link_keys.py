from datetime import timedelta

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..hooks import uninstall_hook
from .key_case import KeyCase


@tagged("post_install", "-at_install")
class TestLinkKeys(KeyCase):
    """What a link shows of its keys, what it keeps because of them, and the tasks they make."""

    def tasks(self):
        kind = self.env.ref("acrel_meter_link.activity_type_rotation")
        return self.link.activity_ids.filtered(lambda task: task.activity_type_id == kind)

    def remind(self):
        self.env["acrel.link"]._cron_rotation_tasks()
        self.link.invalidate_recordset()
        return self.tasks()

    def test_state(self):
        self.assertEqual(self.link.key_state, "none")
        self.give_key(self.link)
        self.assertEqual(self.link.key_state, "issued")
        self.env.cr.execute("UPDATE acrel_link_key SET boot_counter = 3")
        self.link.invalidate_recordset()
        self.assertEqual(self.link.key_state, "used")
        self.give_key(self.link, 2, "next", over_air=True)
        self.assertEqual(self.link.key_state, "rotating")
        Link = self.env["acrel.link"]
        self.assertIn(self.link, Link.search([("key_state", "=", "rotating")]))
        self.assertNotIn(self.link, Link.search([("key_state", "=", "none")]))
        self.assertEqual(
            self.link.with_user(self.officer).key_ids.mapped("state"), ["next", "current"]
        )

    def test_a_link_with_a_key_keeps_its_serial_number_and_its_row(self):
        self.give_key(self.link)
        self.link.name = "Another name"
        self.link.serial = self.link.serial
        with self.assertRaisesRegex(UserError, "Revoke them first"):
            self.link.serial = "T0000000000009"
        self.meter.link_id = False
        with self.assertRaisesRegex(UserError, "Revoke them first"):
            self.link.unlink()
        self.env.cr.execute(
            "UPDATE acrel_link_key SET state = 'revoked', wrapped = NULL, root_id = NULL"
        )
        self.link.serial = "T0000000000009"
        self.link.unlink()

    def test_another_sim_card_is_shown_until_it_is_accepted(self):
        self.connect_link(self.link, iccid="8986111", bound_iccid="8986111")
        self.assertFalse(self.link.sim_changed)
        self.env.cr.execute("UPDATE acrel_link_live SET iccid = '8986999'")
        self.link.invalidate_recordset()
        self.assertTrue(self.link.sim_changed)
        self.assertEqual(self.link.bound_iccid, "8986111")
        action = self.link.with_user(self.officer).action_accept_sim()
        self.assertEqual(self.env["acrel.key.job"].browse(action["res_id"]).kind, "accept_sim")
        with self.assertRaises(AccessError):
            self.link.with_user(self.manager).action_accept_sim()

    def test_one_version_is_revoked_from_its_row(self):
        self.give_key(self.link)
        key_id = self.give_key(self.link, 2, "next", over_air=True)
        key = self.env["acrel.link.key"].with_user(self.officer).browse(key_id)
        job = self.env["acrel.key.job"].browse(key.action_revoke()["res_id"])
        self.assertEqual(self.job_row(job)["parameters"], {"version": 2})
        self.assertEqual(self.job_row(job)["link_ids"], self.link.ids)
        with self.assertRaises(AccessError):
            key.with_user(self.manager).action_revoke()

    def test_tasks_go_with_the_module(self):
        self.give_key(self.link)
        self.give_key(self.link, 2, "next", over_air=True, made_at=self.now - timedelta(days=8))
        self.assertTrue(self.remind())
        uninstall_hook(self.env)
        self.assertFalse(self.tasks())
        self.env.ref("acrel_meter_link.activity_type_rotation").unlink()

    def test_a_rotation_without_answer_becomes_a_task_after_a_week(self):
        self.give_key(self.link)
        days = timedelta(days=1)
        key = self.give_key(
            self.link, 2, "next", over_air=True, made_at=self.now - 7 * days + 0.1 * days
        )
        self.assertFalse(self.remind())
        self.env.cr.execute(
            "UPDATE acrel_link_key SET made_at = made_at - interval '1 day' WHERE id = %s", (key,)
        )
        task = self.remind()
        self.assertEqual(len(task), 1)
        self.assertEqual(task.user_id, self.officer)
        self.assertEqual(self.remind(), task, "one task a rotation")
        self.env.cr.execute("UPDATE acrel_link_key SET answered_at = now() WHERE id = %s", (key,))
        self.assertFalse(self.remind(), "done by itself")

    def test_a_key_from_the_bench_makes_no_task(self):
        self.give_key(self.link, made_at=self.now - timedelta(days=30))
        self.give_key(self.link, 2, "next", made_at=self.now - timedelta(days=30))
        self.assertFalse(self.remind())

    def test_the_task_goes_to_an_officer_of_the_company(self):
        foreign = self.make_meter("T0000000000008", company=self.elsewhere)[0]
        self.assertNotEqual(foreign._key_officer(), self.officer)
        self.officer.company_ids |= self.elsewhere
        self.assertEqual(foreign._key_officer(), self.officer)
