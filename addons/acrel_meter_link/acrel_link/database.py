"""Connections to PostgreSQL that come back by themselves."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import pq

from .clock import Clock
from .settings import SettingsError

log = logging.getLogger(__name__)

CONNECT = {
    "autocommit": True,
    "connect_timeout": 5,
    "options": "-c timezone=UTC -c lock_timeout=10s",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, OSError)
"""What is raised while the server cannot be reached or takes nothing (its disk is full, it is
read-only); the work is tried again."""

# How a server refuses now whom it takes later (53300, 57P03); libpq tells no code of a connection
# that failed, and these texts are the server's.
_FOR_NOW = (
    "too many clients",
    "too many connections",
    "connection slots",
    "is starting up",
    "is shutting down",
    "recovery mode",
    "not yet accepting connections",
)

SCHEMA_VERSION = 2
"""The form of the tables in schema.sql that this code works on; both change together."""

VERSION = "SELECT version FROM acrel_schema_version"

NEEDED = (
    "acrel_schema_version",
    "acrel_reading_raw",
    "acrel_output_wanted",
    "acrel_output_live",
    "acrel_link",
    "acrel_link_key",
)


class SchemaChangedError(Exception):
    """The tables were upgraded under a running process; its successor has the code for them."""


class Backoff:
    """Growing waits between tries."""

    def __init__(self, first: float = 0.1, last: float = 5.0):
        self._first, self._last, self._next = first, last, first

    def reset(self) -> None:
        """Begin again with the first wait."""
        self._next = self._first

    def next(self) -> float:
        """Return the seconds to wait before the next try."""
        wait, self._next = self._next, min(self._next * 2, self._last)
        return wait


class Database:
    """One connection used by one task at a time, opened again after it broke."""

    def __init__(self, dsn: str, name: str, clock: Clock):
        self._dsn, self._name, self._clock = dsn, name, clock
        self._connection: psycopg.AsyncConnection | None = None
        self._lock = asyncio.Lock()
        self._ended = False
        self.generation = 0

    async def connect(self) -> psycopg.AsyncConnection:
        """Return the living connection, or open one."""
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._check_goes_on()
        connection = await psycopg.AsyncConnection.connect(
            self._dsn, application_name=f"acrel_link {self._name}", **CONNECT
        )
        try:
            await self._follow_clock(connection)
            self._check_goes_on()
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self.generation += 1
        return connection

    async def fetch(self, sql: str, arguments: Sequence[Any] | dict = ()) -> list[tuple]:
        """Run one statement in its own transaction and return its rows."""
        async with self._lock:
            connection = await self.connect()
            cursor = await connection.execute(sql, arguments)
            return await cursor.fetchall() if cursor.description else []

    async def follow_clock(self) -> None:
        """Measure the database's time again."""
        async with self._lock:
            await self._follow_clock(await self.connect())

    async def _follow_clock(self, connection: psycopg.AsyncConnection) -> None:
        before = time.monotonic_ns() // 1000
        cursor = await connection.execute(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        )
        now = (await cursor.fetchone())[0]
        # the answer is half a round trip old
        self._clock.follow(now + (time.monotonic_ns() // 1000 - before) // 2)

    def _check_goes_on(self) -> None:
        if self._ended:
            raise psycopg.InterfaceError("The link process stops.")

    async def close(self) -> None:
        """Close the connection; a broken one is closed already."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def end(self) -> None:
        """Close the connection and open none any more, whoever is about to."""
        self._ended = True
        await self.close()


def check(dsn: str) -> bool:
    """Look whether the database can be used with these settings.

    :return: False while the server takes no connection or is read-only, which time may heal
    :raise SettingsError: when it answers and the settings are wrong
    """
    try:
        return _check_tables(dsn)
    except psycopg.OperationalError as error:
        if not answers(dsn) or refused_for_now(error):
            return False
        return _check_again(dsn)
    except psycopg.ProgrammingError as error:
        raise SettingsError(
            "acrel_link: ACREL_LINK_DSN is no libpq connection string; write for example "
            "'host=127.0.0.1 dbname=acrel user=acrel_link'."
        ) from error


def _check_again(dsn: str) -> bool:
    """Check a server that answers by now: it may have come up since the first try failed."""
    try:
        return _check_tables(dsn)
    except psycopg.OperationalError as error:
        if not answers(dsn) or refused_for_now(error):
            return False
        reason = " ".join(str(error).split())
        raise SettingsError(
            f"acrel_link: PostgreSQL refuses the connection of ACREL_LINK_DSN: {reason}"
        ) from error


def _check_tables(dsn: str) -> bool:
    """Check what is there; False while nothing can be written."""
    with psycopg.connect(dsn, **CONNECT, application_name="acrel_link check") as connection:
        missing = [
            name
            for name in NEEDED
            if connection.execute("SELECT to_regclass(%s)", [name]).fetchone()[0] is None
        ]
        if missing:
            raise SettingsError(
                f"acrel_link: the database {connection.info.dbname} has no table "
                f"{', '.join(missing)}: run odoo -d {connection.info.dbname} "
                "-u acrel_meter_link."
            )
        refused = [
            name
            for name in NEEDED
            if not connection.execute(
                "SELECT has_any_column_privilege(%s, 'SELECT')", [name]
            ).fetchone()[0]
        ]
        if refused:
            raise SettingsError(
                f"acrel_link: the role {connection.info.user} may not read "
                f"{', '.join(refused)}: start it with odoo meter_link, which grants its "
                "rights to the role acrel_link."
            )
        check_version(connection.execute(VERSION).fetchone()[0], connection.info.dbname)
        return connection.execute("SHOW transaction_read_only").fetchone()[0] == "off"


def check_version(version: int, database: str) -> None:
    """Refuse tables of another form than this code's.

    :raise SettingsError: with what to do
    """
    if version != SCHEMA_VERSION:
        todo = (
            f"run odoo -d {database} -u acrel_meter_link"
            if version < SCHEMA_VERSION
            else "start the version of acrel_meter_link that made it"
        )
        raise SettingsError(
            f"acrel_link: the tables of database {database} have version {version}, and this "
            f"program works on version {SCHEMA_VERSION}: {todo}."
        )


def answers(dsn: str) -> bool:
    """Tell whether a server takes connections there, whosever they are."""
    return pq.PGconn.ping(dsn.encode()) == pq.Ping.OK


def refused_for_now(error: Exception) -> bool:
    """Tell whether a server refused a connection that it may take a moment later."""
    return any(text in str(error) for text in _FOR_NOW)
