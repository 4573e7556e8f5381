from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestAccess(LinkCase):
    """Companies see their own; portal users see nothing; each group does its part."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.elsewhere = cls.env["res.company"].create({"name": "Elsewhere"})
        cls.foreign = cls.make_meter("T0000000000008", company=cls.elsewhere)
        cls.viewer = new_test_user(cls.env, "viewer", "acrel_meter_link.group_viewer")
        cls.fitter = new_test_user(cls.env, "fitter", "acrel_meter_link.group_maintenance")
        cls.manager = new_test_user(cls.env, "manager", "acrel_meter_link.group_manager")
        cls.portal = new_test_user(cls.env, "portal", "base.group_portal")
        cls.employee = new_test_user(cls.env, "employee", "base.group_user")

    def test_companies(self):
        link, meter, output, installation = self.foreign
        self.hear(meter, e_forward=1)
        self.env["acrel.command"].create(
            {"meter_id": meter.id, "kind": "read", "origin": "user", "state": "queued"}
        )
        for subject in ({"meter_id": meter.id}, {"link_id": link.id}):
            self.env["acrel.event"].create(
                {"kind": "link_abuse", "severity": "alarm", "begin_at": self.now, **subject}
            )
        self.hear(self.meter, e_forward=1)
        for record in (link, meter, output, installation):
            with self.subTest(record=record), self.assertRaises(AccessError):
                record.with_user(self.manager).read(["display_name"])
        for model, company in (
            ("acrel.reading", "company_id"),
            ("acrel.command", "meter_id.company_id"),
            ("acrel.event", "meter_id.company_id"),
            ("acrel.event", "link_id.company_id"),
        ):
            with self.subTest(model=model, company=company):
                Model = self.env[model].with_user(self.manager)
                self.assertFalse(Model.search([(company, "=", self.elsewhere.id)]))
                self.assertTrue(self.env[model].search([(company, "=", self.elsewhere.id)]))
        self.assertTrue(
            self.env["acrel.reading"]
            .with_user(self.manager)
            .search([("meter_id", "=", self.meter.id)])
        )

    def test_relations_stay_within_a_company(self):
        with self.assertRaises(Exception) as caught, self.env.cr.savepoint():
            self.meter.link_id = self.foreign[0]
        self.assertEqual(type(caught.exception).__name__, "UserError")

    def test_outsiders_see_nothing(self):
        models = [
            model
            for model in self.env
            if self.env[model]._original_module == "acrel_meter_link"
            and not self.env[model]._abstract
        ]
        self.assertGreaterEqual(len(models), 9)
        for user in (self.portal, self.employee):
            for model in models:
                with self.subTest(user=user.login, model=model):
                    self.assertFalse(self.env[model].with_user(user).has_access("read"))

    def test_groups(self):
        rights = {
            self.viewer: {"read"},
            self.fitter: {"read", "write", "create"},
            self.manager: {"read", "write", "create", "unlink"},
        }
        for user, expected in rights.items():
            for record in (self.link, self.meter, self.output, self.installation):
                with self.subTest(user=user.login, record=record):
                    mine = record.with_user(user)
                    self.assertEqual(
                        {
                            one
                            for one in ("read", "write", "create", "unlink")
                            if mine.has_access(one)
                        },
                        expected,
                    )
        for model in ("acrel.event", "acrel.command", "acrel.reading", "acrel.link.worker"):
            with self.subTest(model=model):
                Model = self.env[model].with_user(self.manager)
                self.assertTrue(Model.has_access("read"))
                self.assertFalse(Model.has_access("write") or Model.has_access("create"))
