"""From the checklist to the end of a supply."""

from datetime import timedelta
from unittest.mock import patch

from dateutil.relativedelta import relativedelta
from freezegun import freeze_time
from psycopg2.errors import UniqueViolation

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from odoo.addons.acrel_charging.guard import Guard

from .common import ShoreCase


@tagged("post_install", "-at_install")
class TestChecklist(ShoreCase):
    def test_every_item_is_needed(self):
        call = self.make_call(alongside=True)
        for name in (
            "parameters_shore",
            "parameters_ship",
            "cable_connected",
            "interlock_ok",
            "shore_responsible_id",
            "ship_responsible",
        ):
            connection = self.make_connection(call, confirm=False)
            connection[name] = False
            label = connection._fields[name].string
            with self.subTest(name), self.refused(UserError, label):
                connection.action_confirm()
            self.assertEqual(connection.state, "draft")

    def test_ship_alongside_declared_and_payable(self):
        call = self.make_call()
        connection = self.make_connection(call, confirm=False)
        with self.refused(UserError, "not alongside"):
            connection.action_confirm()
        call.action_berth()
        with self.refused(UserError, "declared"):
            connection.action_confirm()
        call.action_declare()
        call.agent_id = False
        with self.refused(UserError, "agent"):
            connection.action_confirm()
        call.agent_id = self.agent
        connection.action_confirm()
        self.assertEqual(connection.state, "confirmed")
        self.assertEqual(connection.confirmed_by_id, self.env.user)

    def test_parameters_must_match(self):
        call = self.make_call(alongside=True)
        for on_call, agreed, message in [
            ({"frequency": "60"}, {}, "60 Hz"),
            ({"voltage": 450}, {}, "450 V"),
            ({"voltage": 371}, {}, "371 V"),
            ({}, {"agreed_voltage": 380}, "agreed"),
            ({}, {"agreed_load": 200}, "within"),
            ({}, {"agreed_load": 0}, "above zero"),
            ({"equipped": False}, {}, "no receiving equipment"),
        ]:
            with self.subTest(**on_call, **agreed), self.refused(UserError, message):
                call.write(on_call)
                self.make_connection(call, **agreed)
        call.voltage = 428
        self.assertEqual(self.make_connection(call).state, "confirmed")

    def test_outlet_out_of_order(self):
        call = self.make_call(alongside=True)
        fault = self.env["acrel.shore.fault"].create(
            {"outlet_id": self.outlet.id, "description": "Socket cover broken"}
        )
        self.assertTrue(self.outlet.out_of_order)
        connection = self.make_connection(call, confirm=False)
        with self.refused(UserError, "Socket cover broken"):
            connection.action_confirm()
        fault.action_repaired()
        connection.action_confirm()

    def test_confirmed_checklist_is_frozen(self):
        connection = self.make_connection(self.make_call(alongside=True))
        with self.refused(UserError, "Reset it to draft"):
            connection.agreed_load = 10
        connection.action_draft()
        self.assertFalse(connection.cable_connected, "what was checked is checked again")
        connection.agreed_load = 10

    def test_one_ship_an_outlet(self):
        self.make_connection(self.make_call(alongside=True))
        other = self.make_vessel("Other", "413000009", agent_id=self.agent.id)
        second = self.make_connection(
            self.make_call(alongside=True, vessel_id=other.id), confirm=False
        )
        with self.refused(UniqueViolation):
            second.action_confirm()


@tagged("post_install", "-at_install")
class TestEnergise(ShoreCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call = cls.make_call(alongside=True)
        cls.connection = cls.make_connection(cls.call)

    def test_flow(self):
        connection = self.connection.with_user(self.operator)
        connection.action_energise()
        session = self.connection.session_ids
        self.assertEqual(
            (session.state, session.on_doubt, session.payment_mode),
            ("starting", "hold", "postpaid"),
        )
        self.assertEqual((session.payer_id, session.driver_id.id), (self.agent, False))
        self.assertEqual((self.asked().wanted, self.asked().on_doubt), ("closed", "hold"))
        self.assertIsNone(self.asked().guard_energy, "no money limits a ship")
        self.assertEqual((self.connection.state, self.connection.running), ("confirmed", True))

        self.link.closes(1000, self.now - timedelta(minutes=50))
        self.assertEqual((session.state, self.connection.state), ("charging", "energised"))
        self.assertEqual(self.connection.power_on_at, session.start_at)
        self.assertFalse(self.connection.power_off_at)

        connection.action_deenergise()
        self.assertEqual((session.state, self.asked().wanted), ("stopping", "open"))
        self.assertEqual(self.connection.state, "energised", "until it is read back open")
        self.link.opens(1150, self.now - timedelta(minutes=10))
        self.assertEqual((session.state, self.connection.state), ("finished", "confirmed"))
        # 150 counts × 10 Wh × CT 20
        self.assertEqual(session.energy_wh, 30000)
        self.assertEqual((self.connection.energy_wh, self.connection.energy_kwh), (30000, 30.0))
        self.assertEqual(self.connection.power_off_at, session.end_at)

    def test_buttons_once(self):
        self.connection.action_energise()
        with self.refused(UserError, "energised"):
            self.connection.action_energise()
        self.assertEqual(len(self.connection.session_ids), 1)
        for action in ("action_end", "action_draft", "action_cancel"):
            with self.subTest(action), self.refused(UserError, "De-energise"):
                getattr(self.connection, action)()
        self.connection.action_deenergise()
        self.assertEqual(self.connection.session_ids.state, "stopping")

    def test_viewer_switches_nothing(self):
        connection = self.connection.with_user(self.viewer)
        with self.refused(AccessError):
            connection.action_energise()
        self.connection.action_energise()
        with self.refused(AccessError):
            connection.action_deenergise()
        self.assertEqual(self.asked().wanted, "closed")

    def test_close_that_fails_leaves_the_connection_confirmed(self):
        self.connection.action_energise()
        later = self.now + timedelta(minutes=1)
        with freeze_time(later):
            self.link.says(error="The relay does not answer.", error_at=later)
        self.assertEqual(self.connection.session_ids.state, "cancelled")
        self.assertEqual((self.connection.state, self.connection.running), ("confirmed", False))
        self.link.says(error=None, error_at=None)
        self.connection.action_cancel()
        self.assertEqual(self.connection.state, "cancelled")

    def test_cancel_and_end_ask_for_their_case(self):
        with self.refused(UserError, "never supplied"):
            self.connection.action_end()
        with self.refused(UserError, "not energised"):
            self.connection.action_deenergise()
        start = self.now - timedelta(minutes=40)
        self.supply(self.connection, (start, 10), (self.now, 20), [])
        with self.refused(UserError, "End it instead"):
            self.connection.action_cancel()

    def test_agent_stays_who_was_supplied(self):
        self.connection.action_energise()
        with self.refused(UserError, "already supplied"):
            self.call.agent_id = self.env["res.partner"].create({"name": "Other Agency"})


@tagged("post_install", "-at_install")
class TestHold(ShoreCase):
    """On hold nothing but a person opens: what the engine does with every kind of doubt."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.connection = cls.make_connection(cls.make_call(alongside=True))
        cls.connection.action_energise()
        cls.session = cls.connection.session_ids
        cls.link.closes(1000, cls.now)
        cls.link.reads(1001, cls.now + timedelta(seconds=1))

    def assert_held(self, word):
        """The contactor is wanted closed, the session lives, and a named person was called."""
        wanted = self.asked()
        self.assertEqual((wanted.wanted, wanted.on_doubt), ("closed", "hold"))
        self.assertEqual(self.session.state, "charging")
        self.assertEqual(self.connection.state, "energised")
        self.assertIn(word, self.connection.alarm_text)
        self.assertIn(self.manager.name, self.connection.alarm_text)
        self.assertEqual(self.session.activity_ids.user_id, self.manager)

    def test_silence(self):
        with freeze_time(self.now + timedelta(hours=5)):
            self.env["acrel.meter"]._on_tick()
        self.assert_held("silent")
        self.link.reads(1100, self.now + timedelta(hours=5, minutes=1))
        self.assertFalse(self.connection.alarm_text)
        self.assertEqual(self.session.live_wh, 20000, "nothing is lost by the silence")
        self.connection.invalidate_recordset(["live_kwh"])
        self.assertEqual(self.connection.live_kwh, 20.0)
        self.assertFalse(self.connection.energy_wh, "the record waits for the end")

    def pass_the_time_limit(self):
        """Hear the meter beyond the longest session; on hold the link only writes an event."""
        late = self.now + timedelta(hours=30)
        with freeze_time(late):
            self.link.reads(1500, late)
            self.env["acrel.meter"]._on_tick()

    def test_guard_time(self):
        limit = self.session.guard_until
        before, after = limit - timedelta(minutes=1), limit + timedelta(minutes=1)
        with freeze_time(before):
            self.link.reads(1400, before)
            self.env["acrel.meter"]._on_tick()
        self.assertFalse(self.connection.alarm_text)
        with freeze_time(after):
            self.env["acrel.meter"]._on_tick()
        self.assert_held("Time limit")

    def test_guard_energy(self):
        guard = Guard(20000, self.now + timedelta(hours=24))
        with patch.object(self.env.registry["acrel.session"], "_guard", lambda _session: guard):
            self.link.reads(1099, self.now + timedelta(minutes=1))
            self.link.reads(1099, self.now + timedelta(minutes=2))
            self.assertFalse(self.connection.alarm_text)
            self.link.reads(1100, self.now + timedelta(minutes=3))
        self.assert_held("Energy limit")

    def test_longest_session(self):
        self.pass_the_time_limit()
        self.assert_held("Time limit")

    def test_broken_feedback_is_not_believed(self):
        self.link.says(state="open", feedback=False)
        self.assertEqual(self.asked().wanted, "closed")
        self.assertEqual(self.session.state, "charging")

    def test_a_person_opens(self):
        self.pass_the_time_limit()
        self.connection.with_user(self.operator).action_deenergise()
        self.assertEqual(self.asked().wanted, "open")
        self.link.opens(1510, self.now + timedelta(hours=31))
        self.assertEqual(self.session.state, "finished")
        self.assertFalse(self.connection.alarm_text)

    def test_responsible_falls_back_to_the_station(self):
        self.assertEqual(self.outlet._responsible(), self.manager)
        self.berth.responsible_id = False
        self.station.responsible_id = self.operator
        self.assertEqual(self.outlet._responsible(), self.operator)

    def test_open_outlet_is_an_ordinary_pile(self):
        other = self.make_outlet(self.berth, "A5", on_doubt="open")
        self.assertEqual(other.pile_id._on_doubt(), "open")


@tagged("post_install", "-at_install")
class TestRecord(ShoreCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call = cls.make_call(alongside=True)
        cls.connection = cls.make_connection(cls.call)
        start = cls.now - timedelta(minutes=40)
        cls.supply(cls.connection, (start, 100), (start + timedelta(minutes=10), 110), [])
        cls.supply(
            cls.connection,
            (start + timedelta(minutes=20), 110),
            (start + timedelta(minutes=39), 133),
            [],
        )
        cls.start = start

    def test_what_article_18_asks_for(self):
        fault = self.env["acrel.shore.fault"].create(
            {
                "connection_id": self.connection.id,
                "description": "Earth leakage relay tripped",
                "occurred_at": self.start + timedelta(minutes=10),
            }
        )
        self.assertEqual(fault.outlet_id, self.outlet)
        fault.repaired_at = self.start + timedelta(minutes=18)
        self.connection.action_end()
        self.call.action_depart()
        record = self.connection
        self.assertEqual(record.berth_name, self.berth.name)
        self.assertEqual(record.vessel_name, self.vessel.name)
        self.assertEqual(record.berthed_at, self.call.arrived_at)
        self.assertEqual(record.departed_at, self.call.departed_at)
        self.assertEqual(record.power_on_at, self.start)
        self.assertEqual(record.power_off_at, self.start + timedelta(minutes=39))
        self.assertEqual(record.energy_kwh, (10 + 23) * 10 * 20 / 1000)
        self.assertIn("Earth leakage relay tripped, repaired", record.fault_text)

    def test_record_keeps_the_names_of_its_time(self):
        self.connection.action_end()
        self.vessel.name = "Renamed"
        self.berth.name = "Moved"
        self.assertEqual(self.connection.vessel_name, "Test Ship")
        self.assertEqual(self.connection.berth_name, "Berth B1")

    def test_record_is_kept_two_years(self):
        with self.refused(UserError, "kept"):
            self.connection.unlink()
        self.connection.action_end()
        ended = self.connection.ended_at
        with (
            freeze_time(ended + relativedelta(years=2, days=-1)),
            self.refused(UserError, "2 years"),
        ):
            self.connection.unlink()
        with self.refused(UserError, "record"):
            self.call.unlink()

    def test_faults_of_a_supply_stay(self):
        fault = self.env["acrel.shore.fault"].create(
            {"connection_id": self.connection.id, "description": "Cable hot", "side": "ship"}
        )
        self.assertFalse(self.outlet.out_of_order, "a ship's fault does not stop the outlet")
        self.connection.action_end()
        with self.refused(UserError, "record"):
            fault.unlink()

    def test_list_exports(self):
        fields_of_record = [
            "berth_name",
            "vessel_name",
            "berthed_at",
            "departed_at",
            "power_on_at",
            "power_off_at",
            "energy_kwh",
            "fault_text",
        ]
        rows = self.connection.with_user(self.operator).export_data(fields_of_record)["datas"]
        self.assertEqual(rows[0][:2], [self.berth.name, self.vessel.name])
        self.assertEqual(rows[0][6], 6.6)

    def test_printed_record(self):
        self.connection.action_end()
        html, _kind = self.env["ir.actions.report"]._render_qweb_html(
            "acrel_shore_power.record_document", self.connection.ids
        )
        page = html.decode()
        for text in (self.connection.name, self.berth.name, self.vessel.name, "6.60"):
            self.assertIn(text, page)
