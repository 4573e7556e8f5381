from datetime import timedelta

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, new_test_user, tagged

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestLinkSecurity(LinkCase):
    """What a link proved, and going back to plain."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.link.channel = "sealed"
        cls.env.flush_all()
        cls.env.cr.execute(
            """INSERT INTO acrel_link_live (link_id, epoch, online, channel, proven_by, suite,
                                            key_version, secured_at)
               VALUES (%s, 1, true, 'sealed', 'key', 17, 3, %s)""",
            (cls.link.id, cls.now - timedelta(hours=1)),
        )
        cls.fitter = new_test_user(cls.env, "fitter", "acrel_meter_link.group_maintenance")
        cls.operator = new_test_user(cls.env, "op", "acrel_meter_link.group_operator")

    def test_shows_what_the_connection_proved(self):
        self.assertEqual(self.link.proven_by, "key")
        self.assertEqual(
            (self.link.used_channel, self.link.used_suite),
            ("Sealed (device key)", "11 (X25519, AES-128-GCM)"),
        )
        self.assertEqual((self.link.key_version, self.link.plain_barred), (3, True))

    def test_plain_is_allowed_with_a_reason(self):
        action = self.link.with_user(self.fitter).action_allow_plain()
        wizard = Form(
            self.env[action["res_model"]].with_user(self.fitter).with_context(**action["context"])
        )
        wizard.reason = "new module of the old kind"
        wizard.save().action_allow()
        self.link.invalidate_recordset()
        self.assertEqual((self.link.channel, self.link.plain_barred), ("plain", False))
        self.assertIn("new module of the old kind", self.link.message_ids[0].body)
        self.env.cr.execute(
            "UPDATE acrel_link_live SET secured_at = %s", (self.now + timedelta(minutes=1),)
        )
        self.link.invalidate_recordset()
        self.assertTrue(self.link.plain_barred, "it was secured again since")

    def test_an_operator_may_not_allow_plain(self):
        with self.assertRaisesRegex(AccessError, "Maintenance"):
            self.link.with_user(self.operator).action_allow_plain()
        with self.assertRaises(AccessError):
            self.link.with_user(self.operator)._allow_plain("no")

    def test_suites_are_checked(self):
        self.link.suites = "11,01"
        for wrong in ("1", "04", "01,01", "11, 01", "01;02", ","):
            with self.assertRaisesRegex(ValidationError, "no preference"):
                self.link.suites = wrong
