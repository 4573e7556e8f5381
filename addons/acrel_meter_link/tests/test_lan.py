import psycopg2

from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestLan(LinkCase):
    """A bus has the address of its serial server in a private network, and it alone."""

    def make_bus(self, serial, **values):
        return self.env["acrel.link"].create({"name": serial, "serial": serial, **values})

    def test_a_bus(self):
        bus = self.make_bus("B1", channel="modbus_tcp", address="192.168.1.50:502")
        other = self.make_bus("B2", channel="modbus_rtu_tcp", address="192.168.1.50:503")
        meters = self.env["acrel.meter"].create(
            [
                {"name": str(slave), "link_id": bus.id, "slave_address": slave}
                for slave in (1, 2, 247)
            ]
        )
        self.assertEqual(bus.meter_ids, meters)
        other.active = False

    def test_an_address_is_needed(self):
        for address in (False, "192.168.1.50", "meters.example.com:502", "8.8.8.8:502"):
            with self.subTest(address=address), self.assertRaises(ValidationError):
                self.make_bus("B1", channel="modbus_tcp", address=address)

    def test_what_connects_by_itself_has_no_address(self):
        with self.assertRaises(ValidationError):
            self.make_bus("B1", channel="plain", address="192.168.1.50:502")

    def test_one_link_a_bus(self):
        self.make_bus("B1", channel="modbus_tcp", address="192.168.1.50:502")
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.UniqueViolation):
            self.make_bus("B2", channel="modbus_rtu_tcp", address="192.168.1.50:502")
