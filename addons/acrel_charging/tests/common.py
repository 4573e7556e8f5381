"""A pile with its meter, and a link that is played by SQL as the link process writes."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import TransactionCase, new_test_user


class LinkRows:
    """Write what the link process writes; mixed into test cases and used by add-ons above."""

    @classmethod
    def make_pile(cls, code="T001", rated_power_w=22000, register_from=None, **values):
        """Make a pile with station, meter, link, output and installation of its own."""
        company = values.pop("company", cls.env.company)
        station = values.pop("station", None) or cls.env["acrel.station"].create(
            {"name": f"Station {code}", "code": f"S-{code}", "company_id": company.id}
        )
        link = cls.env["acrel.link"].create(
            {"name": code, "serial": f"8800{code:0>10}", "company_id": company.id}
        )
        meter = cls.env["acrel.meter"].create(
            {"name": code, "link_id": link.id, "company_id": company.id}
        )
        cls.env["acrel.output"].create({"meter_id": meter.id, "number": 1})
        installation = cls.env["acrel.installation"].create(
            {
                "meter_id": meter.id,
                "company_id": company.id,
                "date_from": fields.Datetime.now() - timedelta(days=30),
                **({"register_from": register_from} if register_from else {}),
            }
        )
        pile = cls.env["acrel.pile"].create(
            {
                "code": code,
                "name": f"Bay {code}",
                "station_id": station.id,
                "installation_id": installation.id,
                "rated_power_w": rated_power_w,
                **values,
            }
        )
        cls.env.flush_all()
        cls.link_online(pile)
        return pile

    @classmethod
    def hurry(cls):
        """Let every reading be followed: tests do not wait for screens."""
        cls.startClassPatcher(
            patch("odoo.addons.acrel_charging.models.acrel_session_live.PACE", timedelta(0))
        )

    @classmethod
    def set_columns(cls, record, **values):
        """Write columns that nothing writes any more, such as a time in the past."""
        cls.env.flush_all()
        sets = ", ".join(f"{column} = %s" for column in values)
        cls.env.cr.execute(
            f"UPDATE {record._table} SET {sets} WHERE id = %s", [*values.values(), record.id]
        )
        cls.env.invalidate_all()

    @classmethod
    def _write_row(cls, table, key, record_id, values):
        """Upsert one row of a table outside the ORM."""
        columns = ", ".join(values)
        marks = ", ".join(["%s"] * len(values))
        sets = ", ".join(f"{column} = EXCLUDED.{column}" for column in values)
        cls.env.cr.execute(
            f"INSERT INTO {table} ({key}, {columns}) VALUES (%s, {marks})"
            f" ON CONFLICT ({key}) DO UPDATE SET {sets}",
            [record_id, *values.values()],
        )
        cls.env.invalidate_all()

    @classmethod
    def link_online(cls, pile, online=True):
        """Connect or disconnect the pile's link."""
        cls._write_row(
            "acrel_link_live", "link_id", pile.meter_id.link_id.id, {"epoch": 1, "online": online}
        )

    @classmethod
    def observe(cls, pile, **values):
        """Write what the link says of the pile's output."""
        cls.env.cr.execute("SELECT nextval('acrel_change_seq')")
        change = cls.env.cr.fetchone()[0]
        cls._write_row(
            "acrel_output_live", "output_id", pile.output_id.id, {"change": change, **values}
        )

    @classmethod
    def wanted(cls, pile):
        """Return what Odoo wants of the pile's output, or None."""
        cls.env.flush_all()
        return pile.output_id._wanted().get(pile.output_id.id)

    @classmethod
    def link_claims(cls, pile, state="sent", at=None):
        """Claim a sending of the wanted close; it stays *sent* until the link tells its end."""
        row = cls.wanted(pile)
        assert row.wanted == "closed", row
        cls.env.cr.execute(
            "INSERT INTO acrel_command (meter_id, output_id, kind, origin, state, requested_at,"
            " expires_at, sent_at, attempts, message)"
            " VALUES (%s, %s, 'close', 'desired', %s, %s, %s, %s, 1, %s)",
            [
                pile.meter_id.id,
                pile.output_id.id,
                state,
                row.wanted_at,
                row.close_before,
                at or fields.Datetime.now(),
                row.reason,
            ],
        )

    @classmethod
    def link_closes(cls, pile, register, at=None):
        """Carry out the wanted close on a register."""
        row = cls.wanted(pile)
        assert row.wanted == "closed", row
        at = at or fields.Datetime.now()
        cls.observe(
            pile,
            state="closed",
            relay=True,
            feedback=True,
            confirmed_revision=row.revision,
            confirmed_at=at,
            close_revision=row.revision,
            close_register=register,
            close_read_at=at,
            guard_register=None if row.guard_energy is None else register + row.guard_energy,
            guard_tripped=None,
            error=None,
        )

    @classmethod
    def link_opens(cls, pile, register, at=None, tripped=None):
        """Open the contactor, as wanted or because its guard tripped, and read a register."""
        row = cls.wanted(pile)
        assert tripped or row.wanted == "open", row
        at = at or fields.Datetime.now()
        cls.observe(
            pile,
            state="open",
            relay=False,
            feedback=False,
            confirmed_revision=row.revision,
            confirmed_at=at,
            open_revision=row.revision,
            open_register=register,
            open_read_at=at,
            guard_tripped=tripped,
            guard_tripped_at=at if tripped else None,
        )

    @classmethod
    def meter_says(cls, pile, register, at=None, power=7000):
        """Store a reading of the pile's meter: register in counts, power in 0.001 kW."""
        at = at or datetime.now(UTC).replace(tzinfo=None)
        cls.env.cr.execute("SELECT acrel_reading_ensure_partition(%s)", [at.date()])
        cls.env.cr.execute(
            "INSERT INTO acrel_reading_raw (received_at, meter_id, source, p, e_forward)"
            " VALUES (%s, %s, 144, %s, %s) RETURNING id",
            [at, pile.meter_id.id, power, register],
        )
        cls._write_row(
            "acrel_meter_live",
            "meter_id",
            pile.meter_id.id,
            {
                "reading_id": cls.env.cr.fetchone()[0],
                "received_at": at,
                "source": 144,
                "p": power,
                "e_forward": register,
            },
        )

    @classmethod
    def engine_pass(cls):
        """Run one pass of the engine."""
        cls.env.flush_all()
        cls.env["acrel.engine"]._run_pass()
        cls.env.flush_all()
        cls.env.invalidate_all()


class ChargingCase(LinkRows, TransactionCase):
    """One pile, one driver, one operator."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hurry()
        cls.pile = cls.make_pile()
        cls.driver = new_test_user(cls.env, "charging driver", groups="base.group_portal")
        cls.operator = new_test_user(
            cls.env, "charging operator", groups="acrel_meter_link.group_operator"
        )

    def setUp(self):
        super().setUp()
        self.now = fields.Datetime.now()

    def start(self, pile=None, partner=None):
        """Start a session of the driver."""
        return (pile or self.pile)._start(partner or self.driver.partner_id)

    def charge(self, register=1000, pile=None, at=None):
        """Start a session and let the link close on a register."""
        session = self.start(pile)
        pile = pile or self.pile
        self.link_closes(pile, register, at)
        # only what the link said: a start in the past would be silence for a whole pass
        pile.output_id._on_observed()
        self.assertEqual(session.state, "charging")
        return session

    def ago(self, **delta):
        """Return a time before now."""
        return self.now - timedelta(**delta)
