"""A meter as the link process leaves it, for tests of this add-on and of those above."""

from datetime import timedelta

from odoo import fields
from odoo.tests import TransactionCase
from odoo.tools import SQL


class LinkCase(TransactionCase):
    """Master data of one meter, and rows written as the link process writes them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.now = fields.Datetime.now()
        cls.company = cls.env.company
        cls.link, cls.meter, cls.output, cls.installation = cls.make_meter("T0000000000001")

    @classmethod
    def make_meter(cls, serial, company=None, pt=1, ct=1):
        company = company or cls.company
        link = cls.env["acrel.link"].create(
            {"name": serial, "serial": serial, "company_id": company.id}
        )
        meter = cls.env["acrel.meter"].create(
            {"name": serial, "serial": serial, "link_id": link.id, "company_id": company.id}
        )
        output = cls.env["acrel.output"].create({"meter_id": meter.id, "number": 1})
        installation = cls.env["acrel.installation"].create(
            {"meter_id": meter.id, "pt": pt, "ct": ct, "date_from": cls.now - timedelta(days=30)}
        )
        return link, meter, output, installation

    def hear(self, meter, received_at=None, **raw):
        """Store a reading as the link process does; return its id."""
        received_at = received_at or self.now
        row = {"meter_id": meter.id, "received_at": received_at, "source": 144, **raw}
        columns = SQL(", ").join(map(SQL.identifier, row))
        self.env.cr.execute("SELECT acrel_reading_ensure_partition(%s)", [received_at.date()])
        self.env.cr.execute(
            SQL(
                "INSERT INTO acrel_reading_raw (%s) VALUES %s RETURNING id",
                columns,
                tuple(row.values()),
            )
        )
        reading_id = self.env.cr.fetchone()[0]
        row["reading_id"] = reading_id
        self.env.cr.execute(
            SQL(
                """INSERT INTO acrel_meter_live (%(columns)s) VALUES %(values)s
              ON CONFLICT (meter_id) DO UPDATE SET (%(columns)s) = ROW %(values)s""",
                columns=SQL(", ").join(map(SQL.identifier, row)),
                values=tuple(row.values()),
            )
        )
        meter.invalidate_recordset()
        return reading_id

    def plan_poll(self, meter, **row):
        """Write how a meter is polled and heard, as the link process does."""
        row = {"meter_id": meter.id, **row}
        self.env.cr.execute(
            SQL(
                """INSERT INTO acrel_meter_poll (%(columns)s) VALUES %(values)s
              ON CONFLICT (meter_id) DO UPDATE SET (%(columns)s) = ROW %(values)s""",
                columns=SQL(", ").join(map(SQL.identifier, row)),
                values=tuple(row.values()),
            )
        )
        meter.invalidate_recordset()

    def observe(self, output, **row):
        """Write an output's live row as the link process does."""
        row = {"output_id": output.id, **row}
        self.env.cr.execute(
            SQL(
                """INSERT INTO acrel_output_live (change, %(columns)s)
                   VALUES (nextval('acrel_change_seq'), %(values)s)
              ON CONFLICT (output_id) DO UPDATE SET (change, %(columns)s)
                   = ROW (nextval('acrel_change_seq'), %(values)s)""",
                columns=SQL(", ").join(map(SQL.identifier, row)),
                values=SQL(", ").join(SQL("%s", value) for value in row.values()),
            )
        )
        output.invalidate_recordset()

    def connect_link(self, link, **row):
        """Write a link's live row as a living link process does."""
        self.env.cr.execute(
            """INSERT INTO acrel_link_worker (name, host, pid, listen, started_at, seen_at)
               VALUES ('test', 'localhost', 1, '127.0.0.1:0', now() AT TIME ZONE 'UTC',
                       now() AT TIME ZONE 'UTC') RETURNING id"""
        )
        worker_id = self.env.cr.fetchone()[0]
        row = {
            "link_id": link.id,
            "epoch": 1,
            "worker_id": worker_id,
            "online": True,
            "seen_at": self.now,
            **row,
        }
        self.env.cr.execute(
            SQL(
                "INSERT INTO acrel_link_live (%s) VALUES %s",
                SQL(", ").join(map(SQL.identifier, row)),
                tuple(row.values()),
            )
        )
        link.invalidate_recordset()
        return worker_id

    def events(self, kind, **domain):
        """Return the events of a kind."""
        return self.env["acrel.event"].search(
            [("kind", "=", kind), *((name, "=", value) for name, value in domain.items())]
        )
