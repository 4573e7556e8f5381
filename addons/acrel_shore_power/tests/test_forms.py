"""The forms as people fill them, with what they propose."""

from odoo.tests import Form, tagged

from .common import ShoreCase


@tagged("post_install", "-at_install")
class TestForms(ShoreCase):
    def test_call_to_connection(self):
        as_operator = self.env(user=self.operator)
        with Form(as_operator["acrel.berth.call"]) as form:
            form.vessel_id = self.vessel
            self.assertEqual(form.agent_id, self.agent)
            self.assertTrue(form.equipped)
            self.assertEqual((form.voltage, form.frequency, form.max_power), (380, "50", 120))
            form.berth_id = self.berth
            form.expected_arrival = "2026-01-01 00:00:00"
            form.expected_departure = "2026-01-01 05:00:00"
            self.assertEqual(form.obligation, "bound")
            self.assertIn("5.0 h", form.obligation_reason)
        call = form.save()
        call.action_declare()
        call.action_berth()
        action = call.action_connect()
        connections = as_operator[action["res_model"]].with_context(**action["context"])
        with Form(connections) as form:
            self.assertEqual(form.call_id, call)
            self.assertEqual(form.vessel_id, self.vessel)
            form.outlet_id = self.outlet
            self.assertEqual((form.agreed_voltage, form.agreed_frequency), (400, "50"))
            self.assertEqual((form.agreed_load, form.shore_responsible_id), (120, self.manager))
            for name in ("parameters_shore", "parameters_ship", "cable_connected", "interlock_ok"):
                form[name] = True
            form.ship_responsible = "Chief Li"
            with form.fault_ids.new() as fault:
                fault.description = "Lamp"
        connection = form.save()
        self.assertEqual(connection.fault_ids.outlet_id, self.outlet)
        connection.fault_ids.action_repaired()
        connection.action_confirm()
        self.assertEqual(connection.state, "confirmed")

    def test_port(self):
        as_manager = self.env(user=self.manager)
        with Form(as_manager["acrel.berth"]) as form:
            form.name = "Berth 9"
            form.code = "B9"
            form.station_id = self.station
        berth = form.save()
        self.assertFalse(berth.supply_able)
        pile = self.make_pile("F9", station=self.station)
        with Form(as_manager["acrel.shore.outlet"]) as form:
            form.name = "Outlet 9"
            form.berth_id = berth
            self.assertEqual(form.on_doubt, "hold")
            form.max_current = 63
            form.pile_id = pile
            self.assertAlmostEqual(form.max_power, 43.6, places=1)
        self.assertTrue(berth.supply_able)
        with Form(as_manager["acrel.shore.rule"]) as form:
            form.name = "Here"
            form.waters = "inland"
            form.min_stay = 1
            form.station_id = self.station
        self.assertEqual(form.save().company_id, self.company)

    def test_vessel(self):
        with Form(self.env(user=self.operator)["acrel.vessel"]) as form:
            form.name = "New Ship"
            form.mmsi = "413000077"
            form.vessel_type = "tanker"
            self.assertTrue(form.liquid_cargo)

    def test_pile_form_leaves_outlets_to_their_connections(self):
        view = self.env.ref("acrel_charging.acrel_pile_view_form")
        with Form(self.outlet.pile_id, view) as form:
            self.assertTrue(form.is_shore_outlet)
            self.assertEqual(form.shore_outlet_id, self.outlet)
            self.assertTrue(form._get_modifier("on_doubt", "invisible"))
