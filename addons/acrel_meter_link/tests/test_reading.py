from datetime import timedelta

from odoo.tests import tagged
from odoo.tools import SQL

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestReading(LinkCase):
    """Raw integers in physical units, valued by the installation then valid."""

    def readings(self, meter=None):
        meter = meter or self.meter
        return self.env["acrel.reading"].search(
            [("meter_id", "=", meter.id)], order="received_at, id"
        )

    def test_units(self):
        _link, meter, _output, installation = self.make_meter("T0000000000004", pt=2, ct=40)
        self.hear(
            meter,
            e_forward=123_456,
            e_reverse=50,
            p=-1_500,
            q=250,
            pf=987,
            frequency=5001,
            temperature_n=251,
            ua=2_301,
            ic=1_234,
            source=145,
        )
        self.assertRecordValues(
            self.readings(meter),
            [
                {
                    "installation_id": installation.id,
                    "company_id": self.company.id,
                    "source": "upload",
                    "register": 123_456,
                    "energy_wh": 98_764_800,
                    "energy_kwh": 98_764.8,
                    "reverse_kwh": 40.0,
                    "power_kw": -120.0,
                    "reactive_kvar": 20.0,
                    "power_factor": 0.987,
                    "frequency": 50.01,
                    "temperature": 25.1,
                    "voltage_a": 460.2,
                    "current_c": 493.6,
                }
            ],
        )

    def test_no_overflow(self):
        _link, meter, _output, _installation = self.make_meter("T5", pt=10_000, ct=10_000)
        self.hear(meter, e_forward=4_294_967_295, p=2_147_483_647)
        reading = self.readings(meter)
        self.assertEqual(reading.energy_wh, 4_294_967_295 * 10 * 10**8)
        self.assertEqual(reading.power_kw, 2_147_483.647 * 10**8)

    def test_value_follows_the_installation_of_its_time(self):
        change = self.now - timedelta(days=1)
        self.installation.date_to = change
        self.env["acrel.installation"].create(
            {"meter_id": self.meter.id, "date_from": change, "ct": 40}
        )
        self.hear(self.meter, change - timedelta(seconds=1), e_forward=100)
        self.hear(self.meter, change, e_forward=100)
        self.assertEqual(self.readings().mapped("energy_wh"), [1_000, 40_000])

    def test_without_installation_there_is_no_energy(self):
        self.hear(self.meter, self.now - timedelta(days=40), e_forward=100, ua=2300)
        self.assertEqual(
            self.env.execute_query(
                SQL(
                    "SELECT energy_wh, voltage_a FROM (%s) q WHERE meter_id = %s",
                    self.env["acrel.reading"]._table_query,
                    self.meter.id,
                )
            ),
            [(None, None)],
        )
        reading = self.readings()
        self.assertFalse(reading.installation_id)
        self.assertEqual(reading.register, 100)
        self.assertEqual(reading.company_id, self.meter.company_id)

    def test_groups_for_graph_and_pivot(self):
        for minutes in range(4):
            self.hear(self.meter, self.now - timedelta(minutes=minutes), p=1000 * minutes)
        groups = self.env["acrel.reading"]._read_group(
            [("meter_id", "=", self.meter.id)], ["meter_id"], ["power_kw:avg", "__count"]
        )
        self.assertEqual(groups, [(self.meter, 1.5, 4)])

    def test_course_of_a_register(self):
        moments = [self.now - timedelta(seconds=10 * n, microseconds=n) for n in (3, 2, 1)]
        for number, moment in enumerate(moments):
            self.hear(self.meter, moment, e_forward=100 + number)
        self.hear(self.meter, moments[1], e_forward=None, p=5)
        self.assertEqual(
            self.meter._registers_between(moments[0], moments[1]),
            [(moments[0], 100), (moments[1], 101)],
        )
