"""A database with the link's tables, a link process in it, and peers that speak to it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from acrel_link import commands
from acrel_link.frames import Decoder, Frame
from acrel_link.process import build, serving
from acrel_link.settings import Settings, read_settings
from acrel_link.simulator import Fleet, Options

ADDON = Path(__file__).parents[3] / "addons" / "acrel_meter_link"
DEADLINE = 45.0

# The columns of Odoo's tables that docs/architecture.md makes the contract.
ORM_TABLES = """
CREATE TABLE acrel_link (id serial PRIMARY KEY, serial varchar UNIQUE, active boolean,
    channel varchar, address varchar, company_id integer, suites varchar,
    plain_allowed_at timestamp);
CREATE TABLE acrel_meter (id serial PRIMARY KEY, link_id integer REFERENCES acrel_link,
    slave_address integer, profile varchar, active boolean, serial varchar,
    role varchar NOT NULL DEFAULT 'load', poll_seconds integer);
CREATE TABLE acrel_output (id serial PRIMARY KEY, meter_id integer REFERENCES acrel_meter,
    number integer, feedback_input integer, active boolean);
CREATE TABLE acrel_command (id serial PRIMARY KEY, meter_id integer NOT NULL REFERENCES acrel_meter,
    output_id integer REFERENCES acrel_output, kind varchar NOT NULL, origin varchar NOT NULL,
    state varchar NOT NULL, requested_at timestamp, expires_at timestamp, sent_at timestamp,
    done_at timestamp, attempts integer, message text, payload jsonb);
CREATE TABLE acrel_event (id serial PRIMARY KEY, meter_id integer REFERENCES acrel_meter,
    link_id integer REFERENCES acrel_link, output_id integer REFERENCES acrel_output,
    kind varchar NOT NULL, severity varchar NOT NULL, begin_at timestamp NOT NULL, end_at timestamp,
    message text);
CREATE TABLE acrel_link_candidate (id serial PRIMARY KEY, serial varchar NOT NULL UNIQUE,
    iccid varchar, peer varchar, first_seen_at timestamp, last_seen_at timestamp, attempts integer,
    ignored boolean);
"""


async def until(condition: Callable, what: str, seconds: float = DEADLINE):
    """Wait for a condition; return its true value."""
    limit = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < limit, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.01)


class Bed:
    """One database and what a test does with it in Odoo's place."""

    def __init__(self, host: str, port: int, name: str):
        self.name = name
        self._where = {"host": host, "port": port, "dbname": name}
        self.dsn = make_conninfo(**self._where, user="acrel_link")
        self._admin: psycopg.Connection | None = None

    @property
    def admin(self) -> psycopg.Connection:
        """A superuser's connection, opened again after a restart."""
        if self._admin is None or self._admin.closed or self._admin.broken:
            self._admin = psycopg.connect(
                make_conninfo(**self._where, user="postgres"),
                autocommit=True,
                options="-c timezone=UTC",
            )
        return self._admin

    def second(self) -> contextlib.closing["Bed"]:
        """Return another connection to the same database."""
        return contextlib.closing(Bed(self._where["host"], self._where["port"], self.name))

    def close(self) -> None:
        if self._admin is not None:
            self._admin.close()

    def create_tables(self) -> None:
        self.admin.execute(ORM_TABLES)
        self.admin.execute((ADDON / "acrel_link" / "schema.sql").read_text())
        self.admin.execute((ADDON / "grants.sql").read_text())

    # === In Odoo's place === #

    def all(self, query: str, *arguments) -> list[tuple]:
        return self.admin.execute(query, arguments).fetchall()

    def one(self, query: str, *arguments):
        """Return the first column of the only row, or None."""
        rows = self.all(query, *arguments)
        assert len(rows) < 2, rows
        return rows[0][0] if rows else None

    async def elsewhere(self, statement: str) -> None:
        """Change rows that a link in this test writes, as another process does.

        Not on this loop: the link may hold a row's lock in a transaction that this loop must end.
        """
        await asyncio.to_thread(self.admin.execute, statement)

    def row(self, table: str, key: str, value) -> dict:
        """Return one row as a dictionary, empty when there is none."""
        cursor = self.admin.execute(
            sql.SQL("SELECT * FROM {} WHERE {} = %s").format(
                sql.Identifier(table), sql.Identifier(key)
            ),
            [value],
        )
        found = cursor.fetchone()
        return dict(zip([c.name for c in cursor.description], found, strict=True)) if found else {}

    def add_link(
        self,
        serial: str,
        slaves=(1,),
        outputs=(1,),
        feedback: int = 1,
        profile: str = "adw300",
        channel: str = "plain",
        address: str | None = None,
    ) -> tuple:
        """Make a link with meters and outputs; return ids (link, meter, output) of the first."""
        link = self.one(
            "INSERT INTO acrel_link (serial, active, channel, address) VALUES (%s, true, %s, %s)"
            " RETURNING id",
            serial,
            channel,
            address,
        )
        meters, made = [], []
        for slave in slaves:
            meters.append(
                self.one(
                    "INSERT INTO acrel_meter (link_id, slave_address, profile, active, serial)"
                    " VALUES (%s, %s, %s, true, %s) RETURNING id",
                    link,
                    slave,
                    profile,
                    serial,
                )
            )
            made += [
                self.one(
                    "INSERT INTO acrel_output (meter_id, number, feedback_input, active)"
                    " VALUES (%s, %s, %s, true) RETURNING id",
                    meters[-1],
                    number,
                    feedback,
                )
                for number in outputs
            ]
        self.notify()
        return link, meters[0], made[0] if made else None

    def want(self, output: int, wanted: str, **values) -> int:
        """Say what an output shall be, as acrel.output._want does; return the revision."""
        now = datetime.now(UTC).replace(tzinfo=None)
        row = {
            "guard_energy": None,
            "guard_until": None,
            "on_doubt": "open",
            "close_before": now + timedelta(seconds=30) if wanted == "closed" else None,
        } | values
        revision = self.one(
            "INSERT INTO acrel_output_wanted AS w (output_id, wanted, reason, wanted_at,"
            " close_before, guard_energy, guard_until, on_doubt)"
            " VALUES (%s, %s, 'test', %s, %s, %s, %s, %s) ON CONFLICT (output_id) DO UPDATE SET"
            " change = nextval('acrel_change_seq'),"
            " revision = w.revision + (w.wanted <> excluded.wanted)::int,"
            " wanted = excluded.wanted, close_before = excluded.close_before,"
            " wanted_at = excluded.wanted_at, guard_energy = excluded.guard_energy,"
            " guard_until = excluded.guard_until, on_doubt = excluded.on_doubt RETURNING revision",
            output,
            wanted,
            now,
            row["close_before"],
            row["guard_energy"],
            row["guard_until"],
            row["on_doubt"],
        )
        self.notify()
        return revision

    def notify(self) -> None:
        self.admin.execute("NOTIFY acrel_link")

    def live(self, output: int) -> dict:
        return self.row("acrel_output_live", "output_id", output)

    def events(self, kind: str) -> list[dict]:
        cursor = self.admin.execute("SELECT * FROM acrel_event WHERE kind = %s ORDER BY id", [kind])
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def readings(self, meter: int | None = None) -> int:
        return self.one(
            "SELECT count(*) FROM acrel_reading_raw WHERE meter_id = coalesce(%s, meter_id)", meter
        )

    # === The link process, inside the test === #

    def settings(self, **values) -> Settings:
        quick = {
            "listen": "127.0.0.1:0",
            "dsn": self.dsn,
            "poll_closed": 0.2,
            "poll_idle": 0.5,
            "sweep": 0.3,
            "register_timeout": 1,
            "frame_timeout": 1,
            "request_timeout": 0.5,
            "lan_timeout": 0.3,
            "probe_timeout": 1,
            "feedback_time": 0.5,
            "lease": 120,  # a machine that is busy with other tests is no standstill
            "retry_first": 0.1,
            "retry_last": 0.5,
        } | values
        return read_settings(
            [], {f"ACREL_LINK_{name.upper()}": str(value) for name, value in quick.items()}
        )

    @contextlib.asynccontextmanager
    async def link(self, **values) -> AsyncIterator["Link"]:
        """Run a link process on a free port."""
        parts = build(self.settings(**values))
        async with serving(*parts):
            link = Link(*parts)
            try:
                yield link
            finally:
                for peer in link.peers:
                    peer.writer.transport.abort()
                    with contextlib.suppress(ConnectionError):
                        await peer.writer.wait_closed()

    @contextlib.asynccontextmanager
    async def fleet(self, link: "Link", **options) -> AsyncIterator[Fleet]:
        """Run simulated meters; the first one's serial is 99000000000001."""
        told = {"interval": 0.5, "retry": 0.5, "start_register": 12345, "heartbeat": 1} | options
        address = link.server.addresses[options.get("channel", "plain")]
        async with Fleet(Options(connect=address, **told)) as fleet:
            yield fleet


class Link:
    """A running link process."""

    def __init__(self, context, server, keeper):
        self.context, self.server, self.keeper = context, server, keeper
        self.peers: list[Peer] = []

    @property
    def address(self) -> tuple[str, int]:
        return self.server.addresses["plain"]

    async def peer(self) -> "Peer":
        reader, writer = await asyncio.open_connection(*self.address)
        self.peers.append(Peer(reader, writer))
        return self.peers[-1]


class Peer:
    """A raw socket to the link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader, self.writer = reader, writer
        self._decoder = Decoder()
        self._frames: list[Frame] = []

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    def register(self, serial: str, iccid: str = "89860123456789012345") -> None:
        self.send(registration(serial, iccid))

    async def frame(self, command: int | None = None) -> Frame | None:
        """Return the next frame (of a command); None when the link closed the connection."""
        async with asyncio.timeout(DEADLINE):
            while True:
                while self._frames:
                    frame = self._frames.pop(0)
                    if command in (None, frame.command):
                        return frame
                try:
                    data = await self.reader.read(4096)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self._frames += self._decoder.feed(data)

    async def closed(self) -> bool:
        """Wait until the link closes the connection."""
        while await self.frame() is not None:
            pass
        return True

    def close(self) -> None:
        self.writer.close()


def registration(serial: str, iccid: str = "89860123456789012345") -> bytes:
    return commands.build_register(
        commands.Registration(serial, iccid, 26, ("1.0", "1.0", "1.0"), 30)
    )
