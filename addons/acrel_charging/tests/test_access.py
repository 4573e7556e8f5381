from unittest.mock import MagicMock, patch

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common import ChargingCase


@tagged("post_install", "-at_install")
class TestAccess(ChargingCase):
    def test_drivers_see_their_own_sessions(self):
        session = self.charge(100)
        stranger = new_test_user(self.env, "another driver", groups="base.group_portal")
        Session = self.env["acrel.session"]
        self.assertEqual(Session.with_user(self.driver).search([]), session)
        self.assertEqual(session.with_user(self.driver).state, "charging")
        self.assertFalse(Session.with_user(stranger).search([]))
        with self.assertRaises(AccessError):
            session.with_user(stranger).read(["state"])
        with self.assertRaises(AccessError):
            session.with_user(stranger).get_power_curve()

    def test_drivers_change_nothing(self):
        session = self.charge(100)
        for record, values in (
            (session, {"energy_wh": 1}),
            (self.pile, {"name": "mine"}),
            (self.pile.station_id, {"name": "mine"}),
        ):
            with self.subTest(record._name), self.assertRaises(AccessError):
                record.with_user(self.driver).write(values)
        with self.assertRaises(AccessError):
            session.with_user(self.driver).action_stop()

    def test_drivers_do_not_see_meters(self):
        with self.assertRaises(AccessError):
            self.pile.with_user(self.driver).read(["meter_id"])

    def test_unpublished_stations_are_hidden(self):
        self.assertIn(self.pile, self.env["acrel.pile"].with_user(self.driver).search([]))
        self.pile.station_id.portal_published = False
        self.assertNotIn(self.pile, self.env["acrel.pile"].with_user(self.driver).search([]))
        self.assertFalse(self.env["acrel.pile"]._by_code("T001"))

    def test_staff_write_no_session(self):
        session = self.charge(100)
        manager = new_test_user(
            self.env, "charging manager", groups="acrel_meter_link.group_manager"
        )
        with self.assertRaises(AccessError):
            session.with_user(manager).write({"energy_wh": 5})

    def test_companies_are_apart(self):
        company = self.env["res.company"].create({"name": "Another operator"})
        foreign = self.make_pile("F001", company=company)
        session = foreign._start()
        self.link_closes(foreign, 5)
        self.engine_pass()
        for record in (foreign, foreign.station_id, session):
            with self.subTest(record._name), self.assertRaises(AccessError):
                record.with_user(self.operator).read(["display_name"])
        with self.assertRaises(AccessError):
            session.with_user(self.operator).action_stop()
        self.operator.company_ids |= company
        both = self.operator.company_ids.ids
        self.assertEqual(
            session.with_user(self.operator).with_context(allowed_company_ids=both).state,
            "charging",
        )

    def test_staff_hear_their_companies_only(self):
        company = self.env["res.company"].create({"name": "Another operator"})
        channels = self._channels(self.operator)
        self.assertIn((self.env.company, "acrel_charging"), channels)
        self.assertNotIn((company, "acrel_charging"), channels)
        self.assertNotIn((self.env.company, "acrel_charging"), self._channels(self.driver))

    def _channels(self, user):
        """Return the channels that a websocket of this user is subscribed to."""
        socket = MagicMock()
        socket.session.uid = user.id
        with patch("odoo.addons.bus.models.ir_websocket.wsrequest", new=socket):
            return self.env["ir.websocket"].with_user(user)._build_bus_channel_list([])
