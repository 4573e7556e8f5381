import random
from datetime import timedelta
from unittest.mock import patch

from odoo.tests import new_test_user, tagged

from ..models import reading_quarter
from .common import LinkCase

MINUTE, QUARTER = timedelta(minutes=1), timedelta(minutes=15)


@tagged("post_install", "-at_install")
class TestQuarter(LinkCase):
    """Readings of 15 minutes: exact, repaired by late readings, kept when those are gone."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.cr.execute(
            "DELETE FROM acrel_engine_quarter_mark; DELETE FROM acrel_quarter_due;"
            "DELETE FROM acrel_reading_quarter"
        )
        cls.quarters = cls.env["acrel.reading.quarter"]
        cls.begin = (cls.now - timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)

    def hear_at(self, minutes, register, meter=None, **raw):
        return self.hear(
            meter or self.meter, self.begin + minutes * MINUTE, e_forward=register, **raw
        )

    def hear_late(self, minutes, register, meter=None, **raw):
        """Store a reading as the link does from its spool."""
        meter = meter or self.meter
        live = self.live_row(meter)
        self.hear_at(minutes, register, meter, **raw)
        self.restore_live_row(meter, live)
        moment = self.begin + minutes * MINUTE
        self.env.cr.execute(
            "INSERT INTO acrel_quarter_due (meter_id, quarter) VALUES (%s, %s)",
            [meter.id, reading_quarter._quarter_of(moment)],
        )

    def live_row(self, meter):
        self.env.cr.execute("SELECT * FROM acrel_meter_live WHERE meter_id = %s", [meter.id])
        return self.env.cr.dictfetchone()

    def restore_live_row(self, meter, row):
        self.env.cr.execute(
            "UPDATE acrel_meter_live SET received_at = %s, e_forward = %s, reading_id = %s"
            " WHERE meter_id = %s",
            [row["received_at"], row["e_forward"], row["reading_id"], meter.id],
        )

    def roll_up(self, now=None):
        """Let the engine do all there is to do."""
        now = now or self.now
        with patch.object(self.registry["acrel.reading.quarter"], "_now", lambda model: now):
            while self.quarters._roll_up():
                pass
        self.env.invalidate_all()

    def rows(self, meter=None):
        meter = meter or self.meter
        return self.quarters.search([("meter_id", "=", meter.id)], order="quarter")

    def raw(self, *names, meter=None):
        self.env.cr.execute(
            f"SELECT {', '.join(names)} FROM acrel_reading_quarter WHERE meter_id = %s"
            " ORDER BY quarter",
            [(meter or self.meter).id],
        )
        return self.env.cr.fetchall()

    def test_values(self):
        self.installation.unlink()
        self.env["acrel.installation"].create(
            {
                "meter_id": self.meter.id,
                "date_from": self.begin - timedelta(days=1),
                "pt": 2,
                "ct": 40,
            }
        )
        self.hear_at(1, 1000, p=1000, ua=2200, ub=0, uc=2400)
        self.hear_at(7, 1004, p=3000, ua=2300, ub=0, uc=2390)
        self.hear_at(14, 1010, p=2000, ua=2310, ub=0, uc=2380)
        self.hear_at(16, 1012)
        self.roll_up()
        first, second = self.rows()
        self.assertRecordValues(
            first,
            [
                {
                    "quarter": self.begin,
                    "installation_id": self.meter.installation_ids.id,
                    "company_id": self.company.id,
                    "readings": 3,
                    "first_register": 1000,
                    "last_register": 1010,
                    "energy_wh": 8000,
                    "energy_kwh": 8.0,
                    "power_avg_kw": 160.0,
                    "power_max_kw": 240.0,
                    "voltage_min": 440.0,
                    "voltage_max": 480.0,
                }
            ],
        )
        self.assertEqual((second.energy_wh, second.readings), (1600, 1))
        self.assertGreater(second.id, first.id)
        self.assertEqual(self.quarters.browse(first.id).last_register, 1010)

    def test_the_running_quarter_waits_until_it_is_over(self):
        self.hear_at(1, 1000)
        self.roll_up(self.begin + 16 * MINUTE)
        self.assertFalse(self.rows())
        self.roll_up(self.begin + 17 * MINUTE)
        self.assertEqual(len(self.rows()), 1)

    def test_energies_add_up_to_the_registers_difference(self):
        chance = random.Random(4711)
        register, registers = 1000, []
        for minutes in range(0, 150):
            register += chance.randrange(0, 9)
            if chance.random() < 0.5 or minutes in (0, 149):
                self.hear_at(minutes, register)
                registers.append(register)
        self.roll_up()
        energies = [energy for (energy,) in self.raw("energy")]
        self.assertEqual(sum(energies), registers[-1] - registers[0])
        self.assertGreater(len(energies), 5)

    def test_a_gap_falls_to_the_next_quarter_with_a_reading(self):
        self.hear_at(1, 1000)
        self.hear_at(70, 1500)
        self.roll_up()
        self.assertEqual(self.raw("energy"), [(0,), (500,)])

    def test_late_readings_repair_their_quarter_and_the_next(self):
        chance = random.Random(42)
        registers = {minutes: 1000 + 3 * minutes for minutes in range(0, 120, 2)}
        late = set(chance.sample(sorted(registers)[1:-1], 40))
        for minutes, register in registers.items():
            if minutes not in late:
                self.hear_at(minutes, register, p=minutes)
        self.roll_up()
        for minutes in chance.sample(sorted(late), len(late)):
            self.hear_late(minutes, registers[minutes], p=minutes)
        self.roll_up()
        repaired = self.raw("quarter", "readings", "first_register", "energy", "p_max", "p_avg")
        self.assertEqual(sum(row[1] for row in repaired), len(registers))
        self.env.cr.execute(
            "DELETE FROM acrel_engine_quarter_mark; DELETE FROM acrel_reading_quarter"
        )
        self.roll_up()
        self.assertEqual(
            self.raw("quarter", "readings", "first_register", "energy", "p_max", "p_avg"), repaired
        )
        self.env.cr.execute("SELECT count(*) FROM acrel_quarter_due")
        self.assertEqual(self.env.cr.fetchone(), (0,))

    def test_a_late_reading_concerns_its_meter_only(self):
        other = self.make_meter("T0000000000009")[1]
        for meter in (self.meter, other):
            self.hear_at(1, 1000, meter)
            self.hear_at(40, 1400, meter)
        self.roll_up()
        before = self.raw("quarter", "energy", meter=other)
        self.hear_late(20, 1100)
        self.roll_up()
        self.assertEqual(self.raw("energy"), [(0,), (100,), (300,)])
        self.assertEqual(self.raw("quarter", "energy", meter=other), before)

    def test_a_register_that_fell_moves_nothing(self):
        for minutes, register in ((1, 1000), (16, 900), (31, 0), (32, 1020), (46, 1030)):
            self.hear_at(minutes, register)
        self.roll_up()
        self.assertEqual(self.raw("energy"), [(0,), (None,), (20,), (10,)])
        self.assertEqual(self.raw("readings"), [(1,), (1,), (2,), (1,)])

    def test_a_clock_that_was_set_back_is_followed(self):
        self.hear_at(1, 1000)
        self.roll_up(self.begin + timedelta(hours=2))
        self.hear_at(16, 1100)
        self.roll_up(self.begin + 20 * MINUTE)
        self.assertEqual(self.raw("energy"), [(0,)])
        self.roll_up(self.begin + 40 * MINUTE)
        self.assertEqual(self.raw("energy"), [(0,), (100,)])

    def test_one_step_does_one_quarter(self):
        """So a long history is worked off without holding up the engine's passes."""
        for quarter in range(4):
            self.hear_at(1 + 15 * quarter, 1000)
        self.assertTrue(self.quarters._roll_up())
        self.assertEqual(len(self.raw("energy")), 1)

    def test_companies_and_groups(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        foreign = self.make_meter("T0000000000008", company=elsewhere)[1]
        for meter in (self.meter, foreign):
            self.hear_at(1, 1000, meter)
        self.roll_up()
        viewer = new_test_user(self.env, "quarter viewer", "acrel_meter_link.group_viewer")
        seen = self.quarters.with_user(viewer).search(
            [("meter_id", "in", (self.meter | foreign).ids)]
        )
        self.assertEqual(seen.meter_id, self.meter)
        self.assertEqual(len(self.rows(foreign)), 1)
        self.assertFalse(self.quarters.with_user(viewer).has_access("write"))

    def test_groups_for_graph_and_export(self):
        for minutes, register in ((1, 1000), (16, 1010), (31, 1030)):
            self.hear_at(minutes, register, p=minutes)
        self.roll_up()
        [(meter, energy, peak)] = self.quarters._read_group(
            [("meter_id", "=", self.meter.id)], ["meter_id"], ["energy_wh:sum", "power_max_kw:max"]
        )
        self.assertEqual((meter, energy, peak), (self.meter, 300, 0.031))
        exported = self.rows().export_data(["quarter", "meter_id/name", "energy_kwh"])["datas"]
        self.assertEqual([row[2] for row in exported], [0.0, 0.1, 0.2])

    def test_years(self):
        self.env["ir.config_parameter"].set_param("acrel_meter_link.quarter_retention_years", "3")
        for years in (4, 3):
            self.quarters._ensure_partitions(self.now - timedelta(days=366 * years))
        self.quarters._drop_old_partitions()
        self.env.cr.execute(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'acrel_reading_quarter'::regclass"
            " AND right(inhrelid::regclass::text, 4)::integer < %s",
            [self.now.year - 3],
        )
        self.assertEqual(self.env.cr.fetchone(), (0,))
