"""Identities of vessels."""

from psycopg2.errors import UniqueViolation

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from .common import Refusals


@tagged("post_install", "-at_install")
class TestVessel(Refusals):
    def vessel(self, **values):
        return self.env["acrel.vessel"].create(
            {"name": "Ship", "mmsi": "413123456", "vessel_type": "bulk", **values}
        )

    def test_mmsi_is_nine_digits_of_a_ship(self):
        for mmsi in ("41312345", "4131234567", "41312345a", "013123456", "913123456", "4١3123456"):
            with self.subTest(mmsi=mmsi), self.refused(ValidationError, "MMSI"):
                self.vessel(mmsi=mmsi)
        self.assertEqual(self.vessel(mmsi=" 413 123 456 ").mmsi, "413123456")

    def test_imo_check_digit(self):
        # 9074729: 9·7 + 0·6 + 7·5 + 4·4 + 7·3 + 2·2 = 139, the last digit is 9
        self.assertEqual(self.vessel(imo="IMO 9074729").imo, "9074729")
        for number in ("9074728", "907472", "90747290", "abcdefg"):
            with self.subTest(imo=number), self.refused(ValidationError, "IMO"):
                self.vessel(mmsi="413123457", imo=number)

    def test_without_imo(self):
        self.assertFalse(self.vessel(imo="").imo)
        self.assertFalse(self.vessel(mmsi="413123457", imo="  ").imo)

    def test_identity_is_unique_also_among_archived(self):
        self.vessel(imo="9074729").active = False
        for values in ({}, {"mmsi": "413123457", "imo": "9074729"}):
            with (
                self.subTest(**values),
                self.refused(UniqueViolation),
            ):
                self.vessel(**values)

    def test_equipment_needs_parameters(self):
        with self.refused(ValidationError, "voltage"):
            self.vessel(equipped=True, voltage=400, frequency="50")
        self.assertTrue(
            self.vessel(equipped=True, voltage=400, frequency="50", max_power=10).equipped
        )

    def test_liquid_cargo_follows_the_type(self):
        vessel = self.vessel(vessel_type="tanker")
        self.assertTrue(vessel.liquid_cargo)
        vessel.vessel_type = "bulk"
        self.assertFalse(vessel.liquid_cargo)
