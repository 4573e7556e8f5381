import psycopg2

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .key_case import KeyCase

MODELS = (
    *("acrel.key.job", "acrel.link.key", "acrel.link.certificate", "acrel.key.authority"),
    *("acrel.root.key", "acrel.key.log"),
)
WIZARDS = ("acrel.key.request", "acrel.key.unpack")


@tagged("post_install", "-at_install")
class TestKeyRights(KeyCase):
    """Keys are the key officers' alone, each company's its own; the log is nobody's to change."""

    def test_a_manager_can_do_nothing_with_keys(self):
        self.give_key(self.link)
        job = self.env["acrel.key.job"].with_user(self.officer)._ask("rotate", self.link)
        for model in (*MODELS, *WIZARDS):
            with self.subTest(model=model):
                Model = self.env[model].with_user(self.manager)
                self.assertFalse(Model.has_access("read"))
                with self.assertRaises(AccessError):
                    Model.search([])
        theirs = self.env["acrel.key.job"].with_user(self.manager)
        for order in (
            lambda: theirs._ask("revoke", self.link.with_user(self.manager)),
            lambda: theirs.browse(job.id).action_cancel(),
            lambda: theirs.browse(job.id).action_fetch(),
            lambda: theirs.browse(job.id)._fetch("ticket"),
            self.env["acrel.root.key"].with_user(self.manager).action_roll,
            self.env["acrel.key.authority"].with_user(self.manager).action_make,
            self.env["acrel.key.authority"].with_user(self.manager).action_revocation_list,
            lambda: (
                self.env["acrel.key.request"]
                .with_user(self.manager)
                .create({"kind": "revoke", "link_ids": self.link.ids})
            ),
            lambda: self.link.with_user(self.manager).read(["key_ids"]),
        ):
            with self.assertRaises(AccessError):
                order()
        self.assertEqual(self.job_row(job)["state"], "queued")

    def test_an_officer_changes_no_row_and_no_link(self):
        for model in MODELS:
            with self.subTest(model=model):
                Model = self.env[model].with_user(self.officer)
                self.assertTrue(Model.has_access("read"))
                self.assertFalse(Model.has_access("write"))
                self.assertFalse(Model.has_access("create"))
                self.assertFalse(Model.has_access("unlink"))
        self.assertFalse(self.link.with_user(self.officer).has_access("write"))

    def test_nobody_is_an_officer_by_another_right(self):
        group = self.env.ref("acrel_meter_link.group_key_officer")
        self.assertFalse(self.manager.has_group("acrel_meter_link.group_key_officer"))
        self.assertNotIn(group, self.env.ref("acrel_meter_link.group_manager").all_implied_ids)

    def test_companies(self):
        foreign = self.make_meter("T0000000000008", company=self.elsewhere)[0]
        self.give_key(foreign)
        self.give_key(self.link)
        self.env["acrel.key.job"]._ask("rotate", foreign)
        self.env.cr.execute(
            "INSERT INTO acrel_key_log (actor, action, company_id) VALUES ('x', 'issued', %s)",
            (self.elsewhere.id,),
        )
        for model in ("acrel.key.job", "acrel.link.key", "acrel.key.log"):
            with self.subTest(model=model):
                domain = [("company_id", "=", self.elsewhere.id)]
                self.assertFalse(self.env[model].with_user(self.officer).search(domain))
                self.assertTrue(self.env[model].search(domain))
        keys = self.env["acrel.link.key"].with_user(self.officer).search([])
        self.assertEqual(keys.link_id, self.link)
        with self.assertRaises(AccessError):
            self.env["acrel.key.job"].with_user(self.officer)._ask(
                "revoke", foreign.with_user(self.officer)
            )

    def test_an_order_is_of_one_company(self):
        foreign = self.make_meter("T0000000000008", company=self.elsewhere)[0]
        with self.assertRaisesRegex(UserError, "several companies"):
            self.env["acrel.key.job"]._ask("rotate", self.link | foreign)

    def test_wrapped_keys_are_in_no_field(self):
        self.give_key(self.link)
        for model in MODELS:
            names = self.env[model]._fields
            self.assertFalse({"wrapped", "sentinel", "result", "recipient", "ticket"} & set(names))
        read = self.env["acrel.link.key"].with_user(self.officer).search_read([])
        self.assertNotIn("wrapped", str(read))

    @mute_logger("odoo.sql_db")
    def test_the_log_is_only_added_to(self):
        self.env.cr.execute(
            "INSERT INTO acrel_key_log (actor, action) VALUES ('x', 'issued') RETURNING id"
        )
        for statement in (
            "UPDATE acrel_key_log SET actor = 'y'",
            "DELETE FROM acrel_key_log",
            "TRUNCATE acrel_key_log",
        ):
            with (
                self.subTest(statement=statement),
                self.assertRaises(psycopg2.errors.RestrictViolation),
                self.env.cr.savepoint(),
            ):
                self.env.cr.execute(statement)
        self.assertTrue(self.env["acrel.key.log"].search([("actor", "=", "x")]))

    def test_a_wizard_is_its_user_s_own(self):
        order = self.env["acrel.key.request"].create(
            {"link_ids": self.link.ids, "opened_by": "public_key", "public_key": self.public_key}
        )
        with self.assertRaises(AccessError):
            order.with_user(self.officer).read(["recipient"])
