"""A port with two outlets, and what the link process would write of them."""

from contextlib import contextmanager
from datetime import timedelta

from odoo import Command, fields
from odoo.tests import TransactionCase, new_test_user
from odoo.tools import mute_logger

from odoo.addons.account.tests.common import AccountTestInvoicingCommon


class Link:
    """Writes into the link's tables what the link process writes of one output and its meter."""

    def __init__(self, output):
        self.output = output
        self.meter = output.meter_id
        self.env = output.env

    def online(self):
        """Say that the meter's connection is open and its process alive."""
        cr = self.env.cr
        cr.execute(
            "INSERT INTO acrel_link_worker (name, host, pid, listen, started_at, seen_at)"
            " VALUES ('test', 'test', 1, 'test', now() AT TIME ZONE 'UTC',"
            " now() AT TIME ZONE 'UTC' + interval '1 day') RETURNING id"
        )
        cr.execute(
            "INSERT INTO acrel_link_live (link_id, epoch, worker_id, online)"
            " VALUES (%s, nextval('acrel_link_epoch_seq'), %s, TRUE)",
            [self.meter.link_id.id, cr.fetchone()[0]],
        )
        cr.execute(
            "INSERT INTO acrel_output_live (output_id, state, relay, feedback)"
            " VALUES (%s, 'open', FALSE, FALSE)",
            [self.output.id],
        )

    def reads(self, register, at, power=0):
        """Store a reading of the meter and let the engine follow it."""
        cr = self.env.cr
        cr.execute("SELECT acrel_reading_ensure_partition(%s::date)", [at])
        cr.execute(
            "INSERT INTO acrel_reading_raw (meter_id, received_at, source, e_forward, p)"
            " VALUES (%s, %s, 144, %s, %s) RETURNING id",
            [self.meter.id, at, register, power],
        )
        cr.execute(
            "INSERT INTO acrel_meter_live (meter_id, reading_id, received_at, source, e_forward, p)"
            " VALUES (%s, %s, %s, 144, %s, %s) ON CONFLICT (meter_id) DO UPDATE"
            " SET reading_id = EXCLUDED.reading_id, received_at = EXCLUDED.received_at,"
            " e_forward = EXCLUDED.e_forward, p = EXCLUDED.p",
            [self.meter.id, cr.fetchone()[0], at, register, power],
        )
        self.meter._on_readings()

    def closes(self, register, at):
        """Carry out the wanted close, read back, and let the engine see it."""
        wanted = self.output._wanted()[self.output.id]
        assert wanted.wanted == "closed", "the link closes only what is wanted closed"
        self._store_register(register, at)
        self._set(
            state="closed",
            relay=True,
            feedback=True,
            confirmed_revision=wanted.revision,
            confirmed_at=at,
            close_revision=wanted.revision,
            close_register=register,
            close_read_at=at,
            guard_tripped=None,
            error=None,
        )

    def opens(self, register, at):
        """Carry out the wanted open, read back, and let the engine see it."""
        wanted = self.output._wanted()[self.output.id]
        assert wanted.wanted == "open", "the link opens only what is wanted open"
        self._store_register(register, at)
        self._set(
            state="open",
            relay=False,
            feedback=False,
            confirmed_revision=wanted.revision,
            confirmed_at=at,
            open_revision=wanted.revision,
            open_register=register,
            open_read_at=at,
        )

    def trips(self, guard, at):
        """Report a guard passed that, on hold, opened nothing."""
        self._set(guard_tripped=guard, guard_tripped_at=at)

    def _store_register(self, register, at):
        self.env.cr.execute("SELECT acrel_reading_ensure_partition(%s::date)", [at])
        self.env.cr.execute(
            "INSERT INTO acrel_reading_raw (meter_id, received_at, source, e_forward)"
            " VALUES (%s, %s, 144, %s)",
            [self.meter.id, at, register],
        )

    def _set(self, **values):
        columns = ", ".join(f"{name} = %s" for name in values)
        self.env.cr.execute(
            f"UPDATE acrel_output_live SET {columns}, observed_at = now() AT TIME ZONE 'UTC',"
            " change = nextval('acrel_change_seq') WHERE output_id = %s",
            [*values.values(), self.output.id],
        )
        self.output._on_observed()


class Refusals(TransactionCase):
    """A refusal changes nothing: its sentence is looked at, its traces are rolled back."""

    @contextmanager
    def refused(self, error, sentence=""):
        """Expect an error with a sentence and undo what came before it."""
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaisesRegex(error, sentence),
            self.cr.savepoint(),
        ):
            yield
            self.env.flush_all()


class Port:
    """One berth, one outlet, one ship and one agent of a company."""

    @classmethod
    def set_up_port(cls, company):
        """Make the port; set-up and passes run as the superuser, as the engine does."""
        cls.env = cls.env(
            user=cls.env.ref("base.user_root").id,
            context={
                **cls.env.context,
                "allowed_company_ids": company.ids,
                "tracking_disable": True,
            },
        )
        cls.company = company.with_env(cls.env)
        cls.company.partner_id.tz = "Asia/Shanghai"
        cls.now = fields.Datetime.now()
        cls.operator = cls.user("port_operator", "acrel_shore_power.group_operator")
        cls.viewer = cls.user("port_viewer", "acrel_shore_power.group_viewer")
        cls.manager = cls.user("port_manager", "acrel_shore_power.group_manager")
        cls.agent = cls.env["res.partner"].create({"name": "Test Agency", "is_company": True})
        cls.tariff = cls.make_tariff(cls.company)
        cls.station = cls.make_station(cls.company, "TP", cls.tariff)
        cls.berth = cls.make_berth(cls.station, "B1", responsible_id=cls.manager.id)
        cls.outlet = cls.make_outlet(cls.berth, "A1", 1)
        cls.link = Link(cls.outlet.pile_id.output_id)
        cls.link.online()
        cls.vessel = cls.make_vessel("Test Ship", "413000001", agent_id=cls.agent.id)

    @classmethod
    def user(cls, login, groups, company=None, **kwargs):
        """Make a user of a company."""
        company = company or cls.company
        return new_test_user(
            cls.env,
            login,
            groups=groups,
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
            **kwargs,
        )

    @classmethod
    def make_tariff(cls, company):
        """Make a tariff with two periods: 0.6 + 0.25 by night, 1.0 + 0.25 from 8 to 24 o'clock."""
        tariff = cls.env["acrel.tariff"].create({"name": "Test", "company_id": company.id})
        version = cls.env["acrel.tariff.version"].create(
            {
                "tariff_id": tariff.id,
                "valid_from": cls.now - timedelta(days=400),
                "period_ids": [
                    Command.create(
                        {
                            "kind": kind,
                            "start_minute": start,
                            "end_minute": end,
                            "electricity_price": price,
                            "service_price": 0.25,
                        }
                    )
                    for kind, start, end, price in (
                        ("valley", 0, 480, 0.6),
                        ("peak", 480, 1440, 1.0),
                    )
                ],
            }
        )
        version.action_activate()
        return tariff

    @classmethod
    def make_station(cls, company, code, tariff=None, **values):
        """Make a port station."""
        return cls.env["acrel.station"].create(
            {
                "name": f"Port {code}",
                "code": code,
                "company_id": company.id,
                "responsible_id": False,
                "tz": "Asia/Shanghai",
                "tariff_id": tariff and tariff.id,
                "portal_published": False,
                **values,
            }
        )

    @classmethod
    def make_berth(cls, station, code, **values):
        """Make a berth of an inland port."""
        return cls.env["acrel.berth"].create(
            {
                "name": f"Berth {code}",
                "code": code,
                "station_id": station.id,
                "waters": "inland",
                **values,
            }
        )

    @classmethod
    def make_pile(cls, station, code, number):
        """Make a pile with a meter of its own, installed long ago, CT 20."""
        company = station.company_id
        serial = f"9800000000{number:04d}"
        link = cls.env["acrel.link"].create(
            {"name": code, "serial": serial, "company_id": company.id}
        )
        meter = cls.env["acrel.meter"].create(
            {"name": code, "serial": serial, "link_id": link.id, "company_id": company.id}
        )
        output = cls.env["acrel.output"].create({"meter_id": meter.id, "number": 1})
        installation = cls.env["acrel.installation"].create(
            {
                "meter_id": meter.id,
                "company_id": company.id,
                "date_from": cls.now - timedelta(days=100),
                "ct": 20,
            }
        )
        return cls.env["acrel.pile"].create(
            {
                "code": code,
                "name": f"Pile {code}",
                "station_id": station.id,
                "connector_type": "shore",
                "rated_power_w": 173000,
                "installation_id": installation.id,
                "output_id": output.id,
            }
        )

    @classmethod
    def make_outlet(cls, berth, code, number, **values):
        """Make an outlet of 400 V, 50 Hz, 250 A with a pile of its own."""
        return cls.env["acrel.shore.outlet"].create(
            {
                "name": f"Outlet {code}",
                "pile_id": cls.make_pile(berth.station_id, code, number).id,
                "berth_id": berth.id,
                "voltage": 400,
                "frequency": "50",
                "max_current": 250,
                **values,
            }
        )

    @classmethod
    def make_vessel(cls, name, mmsi, **values):
        """Make an equipped inland ship."""
        return cls.env["acrel.vessel"].create(
            {
                "name": name,
                "mmsi": mmsi,
                "vessel_type": "inland",
                "equipped": True,
                "voltage": 380,
                "frequency": "50",
                "max_power": 120,
                **values,
            }
        )

    @classmethod
    def make_call(cls, hours=20.0, alongside=False, **values):
        """Make a call of some hours, from an hour ago."""
        arrival = cls.now - timedelta(hours=1)
        call = cls.env["acrel.berth.call"].create(
            {
                "vessel_id": cls.vessel.id,
                "berth_id": cls.berth.id,
                "expected_arrival": arrival,
                "expected_departure": arrival + timedelta(hours=hours),
                **values,
            }
        )
        if alongside:
            call.action_declare()
            call.arrived_at = arrival
            call.action_berth()
        return call

    @classmethod
    def make_connection(cls, call, outlet=None, confirm=True, **values):
        """Make a connection with its checklist ticked."""
        connection = cls.env["acrel.shore.connection"].create(
            {
                "call_id": call.id,
                "outlet_id": (outlet or cls.outlet).id,
                "parameters_shore": True,
                "parameters_ship": True,
                "cable_connected": True,
                "interlock_ok": True,
                "ship_responsible": "Chief Li",
                **values,
            }
        )
        if confirm:
            connection.action_confirm()
        return connection

    @classmethod
    def supply(cls, connection, start, end, points):
        """Energise, read and de-energise; ``points`` are (time, register) between."""
        connection.action_energise()
        cls.link.closes(start[1], start[0])
        for at, register in points:
            cls.link.reads(register, at)
        connection.action_deenergise()
        cls.link.opens(end[1], end[0])
        return connection.session_ids.sorted("id")[-1:]


class ShoreCase(Port, Refusals):
    """A port whose books play no part."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.set_up_port(cls.env["res.company"].create({"name": "Test Port Company"}))


class AccountedShoreCase(Port, AccountTestInvoicingCommon, Refusals):
    """A port with the Chinese chart of accounts."""

    @classmethod
    @AccountTestInvoicingCommon.setup_chart_template("cn_large_bis")
    def setUpClass(cls):
        super().setUpClass()
        cls.env.company._acrel_setup_accounting()
        cls.set_up_port(cls.env.company)
