"""Outlets: one pile each, on hold unless someone with the right decides otherwise."""

from psycopg2.errors import UniqueViolation

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from .common import ShoreCase


@tagged("post_install", "-at_install")
class TestOutlet(ShoreCase):
    def test_one_pile_each_also_archived(self):
        self.outlet.active = False
        with self.refused(UniqueViolation):
            self.outlet.copy({"pile_id": self.outlet.pile_id.id})

    def test_power(self):
        self.assertAlmostEqual(self.outlet.max_power, 173.2, places=1)

    def test_hold_by_default(self):
        pile = self.make_pile("A9", station=self.station)
        self.assertEqual((pile.on_doubt, pile._on_doubt()), ("open", "open"))
        self.assertEqual(pile._payment_mode(), "prepaid")
        outlet = self.env["acrel.shore.outlet"].create(
            {
                "name": "Nine",
                "pile_id": pile.id,
                "berth_id": self.berth.id,
                "max_current": 63,
            }
        )
        self.assertEqual(outlet.on_doubt, "hold")
        self.assertEqual((pile.on_doubt, pile._on_doubt()), ("hold", "hold"))
        self.assertEqual(pile._payment_mode(), "postpaid")

    def test_archived_outlet_still_holds(self):
        self.outlet.active = False
        self.assertEqual(self.outlet.pile_id._on_doubt(), "hold")
        self.assertEqual(self.outlet.pile_id._payment_mode(), "postpaid")

    def test_doubt_is_a_right_of_its_own(self):
        outlet = self.outlet.with_user(self.manager)
        with self.refused(AccessError, "doubt"):
            outlet.on_doubt = "open"
        with self.refused(AccessError, "doubt"):
            self.env["acrel.shore.outlet"].with_user(self.manager).create(
                {
                    "name": "Soft",
                    "pile_id": self.make_pile("A8", station=self.station).id,
                    "berth_id": self.berth.id,
                    "max_current": 63,
                    "on_doubt": "open",
                }
            )
        self.manager.group_ids += self.env.ref("acrel_shore_power.group_doubt")
        outlet.on_doubt = "open"
        pile = self.outlet.pile_id
        self.assertEqual((pile.on_doubt, pile._on_doubt()), ("open", "open"))

    def test_doubt_is_not_decided_at_the_pile(self):
        with self.refused(UserError, "decided there"):
            self.outlet.pile_id.on_doubt = "open"
        self.assertEqual(self.outlet.pile_id._on_doubt(), "hold")

    def test_outlet_in_use_stays_what_it_is(self):
        self.make_connection(self.make_call(alongside=True))
        for values in ({"on_doubt": "open"}, {"voltage": 450}, {"active": False}):
            with self.subTest(**values), self.refused(UserError, "End that connection"):
                self.outlet.write(values)

    def test_pile_and_berth_of_one_station(self):
        elsewhere = self.make_station(self.company, "XX")
        with self.refused(ValidationError, "same port station"):
            self.outlet.berth_id = self.make_berth(elsewhere, "B9")

    def test_berth_is_able_with_an_outlet_in_use(self):
        self.assertTrue(self.berth.supply_able)
        self.outlet.active = False
        self.assertFalse(self.berth.supply_able)
        self.assertFalse(self.make_berth(self.station, "B7").supply_able)

    def test_a_pile_that_is_an_outlet_starts_nothing_else(self):
        driver = self.env["res.partner"].create({"name": "Driver"})
        pile = self.outlet.pile_id
        for partner in (driver, driver.browse()):
            with self.refused(UserError, "shore connection"):
                pile._start(partner)
        call = self.make_call(alongside=True)
        connection = self.make_connection(call, confirm=False)
        known = pile.with_context(acrel_shore_connection_id=connection.id)
        with self.refused(UserError, "confirmed"):
            known._start(driver.browse(), shore_connection_id=connection.id)
        self.assertFalse(pile.session_ids)

    def test_connection_of_another_outlet_opens_no_door(self):
        other = self.make_outlet(self.berth, "A2")
        connection = self.make_connection(self.make_call(alongside=True), outlet=other)
        pile = self.outlet.pile_id.with_context(acrel_shore_connection_id=connection.id)
        with self.refused(UserError, "shore connection"):
            pile._start(self.env["res.partner"], shore_connection_id=connection.id)

    def test_never_made_live_by_hand(self):
        output = self.outlet.pile_id.output_id
        with self.refused(UserError, "energised from"):
            output.action_close()
        self.assertFalse(output._wanted())
        output.action_open()
        self.assertEqual(output._wanted()[output.id].wanted, "open")
