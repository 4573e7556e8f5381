"""Berth calls from expected to departed."""

from datetime import timedelta

from psycopg2.errors import CheckViolation, UniqueViolation

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from .common import ShoreCase


@tagged("post_install", "-at_install")
class TestCall(ShoreCase):
    def test_life(self):
        call = self.make_call()
        self.assertRegex(call.name, r"^CALL/\d{4}/\d{5}$")
        self.assertEqual((call.state, call.agent_id), ("expected", self.agent))
        with self.refused(UserError, "Alongside"):
            call.action_depart()
        call.action_berth()
        self.assertEqual(call.state, "alongside")
        self.assertTrue(call.arrived_at)
        with self.refused(UserError, "Expected"):
            call.action_cancel()
        call.action_depart()
        self.assertEqual(call.state, "departed")
        self.assertGreaterEqual(call.departed_at, call.arrived_at)

    def test_declaration_in_time_late_missing(self):
        call = self.make_call()
        self.assertEqual(call.declaration, "missing")
        call.action_declare()
        self.assertEqual(call.declaration, "in_time")
        self.assertEqual(call.declared_by, self.env.user.name)
        call.action_berth()
        call.arrived_at = call.declared_at - timedelta(minutes=1)
        self.assertEqual(call.declaration, "late")

    def test_declaration_needs_parameters(self):
        call = self.make_call()
        call.voltage = 0
        with self.refused(UserError, "voltage"):
            call.action_declare()
        self.assertFalse(call.declared_at)

    def test_declaration_is_of_the_call(self):
        call = self.make_call()
        self.assertEqual((call.equipped, call.voltage), (True, 380))
        self.vessel.voltage = 400
        self.assertEqual(call.voltage, 380, "master data does not rewrite what was declared")

    def test_agent_is_the_vessels_in_that_company(self):
        other = self.env["res.company"].create({"name": "Other Port"})
        self.assertEqual(self.vessel.agent_id, self.agent)
        self.assertFalse(self.vessel.with_company(other).agent_id)

    def test_no_vessel_is_alongside_twice(self):
        self.make_call(alongside=True)
        second = self.make_call()
        with self.refused(UniqueViolation):
            second.action_berth()

    def test_times_are_in_order(self):
        for values in (
            {"expected_departure": self.now - timedelta(days=1)},
            {"arrived_at": self.now, "departed_at": self.now - timedelta(minutes=1)},
        ):
            with (
                self.subTest(**values),
                self.refused(CheckViolation),
            ):
                self.make_call(**values)

    def test_departure_waits_for_the_connection(self):
        call = self.make_call(alongside=True)
        connection = self.make_connection(call)
        with self.refused(UserError, connection.name):
            call.action_depart()
        connection.action_draft()
        call.action_depart()
        self.assertEqual(connection.state, "cancelled")

    def test_a_call_of_the_record_is_not_deleted(self):
        call = self.make_call(alongside=True)
        with self.refused(UserError, "record"):
            call.unlink()
        self.make_call().unlink()

    def test_a_connected_ship_does_not_change_berth(self):
        call = self.make_call(alongside=True)
        self.make_connection(call)
        other = self.make_berth(self.station, "B2")
        with self.refused(ValidationError, "another call"):
            call.berth_id = other
