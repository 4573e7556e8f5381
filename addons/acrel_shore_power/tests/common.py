"""A port with two outlets, and what the link process would write of them."""

from contextlib import contextmanager
from datetime import timedelta

from odoo import Command, fields
from odoo.tests import TransactionCase, new_test_user
from odoo.tools import mute_logger

from odoo.addons.account.tests.common import AccountTestInvoicingCommon
from odoo.addons.acrel_charging.tests.common import LinkRows


class Link:
    """Plays the link of one pile and lets the engine see each thing that it writes."""

    def __init__(self, case, pile):
        self.case = case
        self.pile = pile

    def closes(self, register, at):
        """Carry out the wanted close."""
        self.case.link_closes(self.pile, register, at)
        self.pile.output_id._on_observed()

    def reads(self, register, at):
        """Hear the meter."""
        self.case.meter_says(self.pile, register, at)
        self.pile.meter_id._on_readings()

    def opens(self, register, at):
        """Carry out the wanted open."""
        self.case.link_opens(self.pile, register, at)
        self.pile.output_id._on_observed()

    def says(self, **values):
        """Write anything else of the output, such as a guard that tripped and opened nothing."""
        self.case.observe(self.pile, **values)
        self.pile.output_id._on_observed()


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


class Port(LinkRows):
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
        cls.company.partner_id.write({"tz": "Asia/Shanghai", "lang": "en_US"})
        cls.now = fields.Datetime.now()
        cls.hurry()
        cls.operator = cls.make_user("port_operator", "acrel_shore_power.group_operator")
        cls.viewer = cls.make_user("port_viewer", "acrel_shore_power.group_viewer")
        cls.manager = cls.make_user("port_manager", "acrel_shore_power.group_manager")
        cls.agent = cls.env["res.partner"].create({"name": "Test Agency", "is_company": True})
        cls.tariff = cls.make_tariff(cls.company)
        cls.station = cls.make_station(cls.company, "TP", cls.tariff)
        cls.berth = cls.make_berth(cls.station, "B1", responsible_id=cls.manager.id)
        cls.outlet = cls.make_outlet(cls.berth, "A1")
        cls.link = Link(cls, cls.outlet.pile_id)
        cls.vessel = cls.make_vessel("Test Ship", "413000001", agent_id=cls.agent.id)

    @classmethod
    def make_user(cls, login, groups, company=None, **kwargs):
        """Make a user of a company."""
        company = company or cls.company
        return new_test_user(
            cls.env,
            login,
            groups=groups,
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
            lang="en_US",
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
    def make_outlet(cls, berth, code, **values):
        """Make an outlet of 400 V, 50 Hz, 250 A with a pile of its own behind CT 100/5 A."""
        pile = cls.make_pile(code, 173000, station=berth.station_id, company=berth.company_id)
        pile.installation_id.ct = 20
        return cls.env["acrel.shore.outlet"].create(
            {
                "name": f"Outlet {code}",
                "pile_id": pile.id,
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
    def asked(cls):
        """Return what is wanted of the outlet's contactor."""
        return cls.wanted(cls.outlet.pile_id)

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
