"""Companies, roles and agents see what is theirs."""

from datetime import timedelta

from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, tagged

from .common import ShoreCase


@tagged("post_install", "-at_install")
class TestCompanies(ShoreCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.env["res.company"].create({"name": "Other Port Company"})
        stranger = cls.make_user("stranger", "acrel_shore_power.group_manager", cls.other)
        cls.foreign = cls.env(user=stranger.id, context={"allowed_company_ids": cls.other.ids})

    def test_staff_sees_its_company_only(self):
        call = self.make_call(alongside=True)
        connection = self.make_connection(call)
        fault = self.env["acrel.shore.fault"].create(
            {"connection_id": connection.id, "description": "Fan"}
        )
        for record in (self.berth, self.outlet, call, connection, fault):
            with self.subTest(record._name):
                mine = record.with_user(self.viewer)
                self.assertIn(mine, mine.search([]))
                theirs = record.with_env(self.foreign)
                self.assertNotIn(theirs, theirs.search([]))
                with self.refused(AccessError):
                    theirs.read(["display_name"])
        self.assertIn(self.vessel, self.vessel.with_env(self.foreign).search([]))

    def test_companies_do_not_mix(self):
        theirs = self.env["acrel.station"].create(
            {"name": "Theirs", "code": "TH", "company_id": self.other.id, "responsible_id": False}
        )
        berth = self.env["acrel.berth"].create(
            {"name": "Theirs", "code": "1", "station_id": theirs.id}
        )
        with self.refused(UserError):
            self.outlet.berth_id = berth
        local = self.env["acrel.shore.rule"].create(
            {"name": "x", "waters": "coastal", "min_stay": 9, "company_id": self.other.id}
        )
        self.assertNotIn(local, local.with_user(self.viewer).search([]))

    def test_roles(self):
        call = self.make_call()
        with self.refused(AccessError):
            call.with_user(self.viewer).voyage = "1"
        call.with_user(self.operator).voyage = "1"
        with self.refused(AccessError):
            self.berth.with_user(self.operator).name = "x"
        self.berth.with_user(self.manager).name = "x"
        with self.refused(AccessError):
            self.env["acrel.shore.rule"].with_user(self.operator).create(
                {"name": "x", "waters": "coastal", "min_stay": 0}
            )

    def test_operator_works_a_whole_call(self):
        as_operator = self.env(user=self.operator)
        call = self.make_call().with_env(as_operator)
        call.action_declare()
        call.action_berth()
        connection = as_operator["acrel.shore.connection"].create(
            {
                "call_id": call.id,
                "outlet_id": self.outlet.id,
                "parameters_shore": True,
                "parameters_ship": True,
                "cable_connected": True,
                "interlock_ok": True,
                "ship_responsible": "Chief Li",
            }
        )
        connection.action_confirm()
        connection.action_energise()
        self.link.closes(10, self.now - timedelta(minutes=20))
        connection.action_deenergise()
        self.link.opens(60, self.now)
        connection.action_end()
        call.action_depart()
        self.assertEqual((connection.state, call.state), ("ended", "departed"))
        self.assertEqual(connection.bill_id.sudo().energy_wh, 10000)


@tagged("post_install", "-at_install")
class TestPortal(ShoreCase, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.contact = cls.env["res.partner"].create(
            {"name": "Agency Clerk", "parent_id": cls.agent.id}
        )
        cls.portal = cls.make_user("clerk", "base.group_portal", partner_id=cls.contact.id)
        rival = cls.env["res.partner"].create({"name": "Rival", "is_company": True})
        cls.rival = cls.make_user("rival", "base.group_portal", partner_id=rival.id)
        cls.call = cls.make_call(alongside=True)
        cls.connection = cls.make_connection(cls.call)
        start = cls.now - timedelta(minutes=20)
        cls.supply(cls.connection, (start, 10), (cls.now, 60), [])
        cls.connection.action_end()

    def test_agent_sees_call_energy_and_bill(self):
        self.authenticate("clerk", "clerk")
        page = self.url_open("/my/berth-calls")
        self.assertEqual(page.status_code, 200)
        self.assertIn(self.call.name, page.text)
        page = self.url_open(self.call.access_url)
        self.assertEqual(page.status_code, 200)
        for text in (self.vessel.name, self.connection.name, self.connection.bill_id.name, "10.00"):
            self.assertIn(text, page.text)
        counters = self.make_jsonrpc_request("/my/counters", {"counters": ["berth_call_count"]})
        self.assertEqual(counters["berth_call_count"], 1)

    def test_other_agent_sees_nothing(self):
        self.authenticate("rival", "rival")
        self.assertNotIn(self.call.name, self.url_open("/my/berth-calls").text)
        page = self.url_open(self.call.access_url)
        self.assertNotIn(self.vessel.name, page.text)
        self.assertTrue(page.url.endswith("/my/berth-calls"))
        for model in ("acrel.berth.call", "acrel.shore.connection"):
            self.assertFalse(self.env[model].with_user(self.rival).search([]))
            with self.refused(AccessError):
                self.env[model].with_user(self.rival).create({})

    def test_agent_changes_nothing(self):
        with self.refused(AccessError):
            self.call.with_user(self.portal).write({"voyage": "x"})
        with self.refused(AccessError):
            self.connection.with_user(self.portal).action_deenergise()
