"""One transaction: readings, their live rows, and the statements that follow them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import psycopg

from .arrays import integers
from .clock import EPOCH, Clock, to_datetime
from .database import Database
from .live_meters import LiveMeters
from .reading import COPY_HEADER, COPY_TRAILER, Reading
from .spooled import Row
from .store_sql import CATCH_UP, COPY, COPY_RAW, IDENTITIES, LATE, PARTITIONS, STAGING, STORE

if TYPE_CHECKING:
    from .store import Statement

log = logging.getLogger(__name__)

DAY, QUARTER = 86_400_000_000, 900_000_000  # in microseconds, as stamps
AHEAD = range(-1, 4)  # days around today whose partitions are there before a reading comes
NEWEST, OLDEST = timedelta(days=-7), timedelta(days=400)
"""What lies beyond was stamped while a clock was wrong: no partition is made for it."""
TOGETHER = 25  # statements sent at once: each waits for its turn on a loop that may be busy
LATE_AFTER = 30_000_000  # well within the time after which the engine rolls a quarter hour up


class _Repeated(Exception):
    """An upload of the batch is stored already: the careful way tells which."""


class Transactions:
    """Stores on one connection, with the partitions that it needs."""

    def __init__(self, dsn: str, clock: Clock, wake: Callable[[], None]):
        self.database = Database(dsn, "writer", clock)
        self.live = LiveMeters(wake)
        self.stored = 0
        self.advanced_at = 0.0
        """When, by the loop's clock, the server had last answered a part of a transaction."""
        self._clock = clock
        self._ready: int | None = None  # the connection that has what it needs
        self._days: set[date] = set()  # that have a partition

    async def commit(
        self,
        readings: Sequence[Reading | Row],
        statements: Sequence[Statement],
        again: bool,
        hurry: bool,
    ) -> list[int]:
        """Store in one transaction, the quick way, or `again` after one that may have succeeded.

        :param hurry: whether live rows shall not be behind afterwards
        :return: what each statement told first, or how many rows it changed
        """
        connection = await self._prepared(readings)
        if not again:
            try:
                return await self._commit_quickly(connection, readings, statements, hurry)
            except _Repeated:
                log.debug("An upload was repeated: its batch is stored the careful way.")
        async with connection.transaction(), connection.cursor() as cursor:
            stored = 0
            if readings:
                await _copy(cursor, COPY, [reading.encode() for reading in readings])
                self._advance()
                stamps = [reading.stamp for reading in readings]
                bounds = to_datetime(min(stamps)), to_datetime(max(stamps))
                await cursor.execute(STORE, bounds)
                stored = (await cursor.fetchone())[0]
                self._advance()
                await self._mark_late(cursor, readings)
            counts = await self._run(connection, statements)
        self.stored += stored
        return counts

    async def _commit_quickly(
        self,
        connection: psycopg.AsyncConnection,
        readings: Sequence[Reading],
        statements: Sequence[Statement],
        hurry: bool,
    ) -> list[int]:
        async with connection.transaction(), connection.cursor() as cursor:
            if readings:
                await self._identify(cursor, readings)
                await _copy(cursor, COPY_RAW, [reading.row() for reading in readings])
                self._advance()
                self.live.heard(readings)
                await self._mark_late(cursor, readings)
            moving = self.live.due(hurry)
            if moving:
                await self.live.move(cursor)
                self._advance()
            counts = await self._run(connection, statements)
        if moving:
            self.live.moved()
        self.stored += len(readings)
        return counts

    async def _identify(self, cursor: psycopg.AsyncCursor, readings: Sequence[Reading]) -> None:
        """Note the identities of the uploads.

        :raise _Repeated: when one of them was noted before
        """
        now = self._clock.stamp()
        rows = [reading.identity(now) for reading in readings if reading.digest is not None]
        if rows:
            try:
                await _copy(cursor, IDENTITIES, rows)
            except psycopg.errors.UniqueViolation as error:
                raise _Repeated from error
            self._advance()

    async def _prepared(self, readings: Sequence[Reading | Row]) -> psycopg.AsyncConnection:
        """Return the connection, with the partitions and what its session needs."""
        connection = await self.database.connect()
        if self._ready != self.database.generation:
            await connection.execute(STAGING)
            await connection.execute(CATCH_UP)
            self._ready = self.database.generation
            self._days = set()
        today = self._clock.now().date()
        if today not in self._days:
            await self._ensure(connection, {today + timedelta(days) for days in AHEAD})
        if readings:
            days = {reading.stamp // DAY for reading in readings}
            dates = {EPOCH.date() + timedelta(days=day) for day in days} - self._days
            await self._ensure(
                connection, {day for day in dates if NEWEST <= today - day <= OLDEST}
            )
        return connection

    async def _ensure(self, connection: psycopg.AsyncConnection, days: set[date]) -> None:
        """Make partitions; a reading of a day that has none goes to quarantine."""
        if days:
            await connection.execute(PARTITIONS, [sorted(days)])
            self._days |= days

    async def _mark_late(
        self, cursor: psycopg.AsyncCursor, readings: Sequence[Reading | Row]
    ) -> None:
        limit = self._clock.stamp() - LATE_AFTER
        late = {(row.meter_id, row.stamp // QUARTER) for row in readings if row.stamp < limit}
        if late:
            meters = integers([meter for meter, _ in late])
            quarters = [to_datetime(quarter * QUARTER) for _, quarter in late]
            await cursor.execute(LATE, (meters, quarters))

    def _advance(self) -> None:
        self.advanced_at = asyncio.get_running_loop().time()

    async def _run(
        self, connection: psycopg.AsyncConnection, statements: Sequence[Statement]
    ) -> list[int]:
        """Run statements in order, many of them sent before the first is answered."""
        counts = []
        for first in range(0, len(statements), TOGETHER):
            async with connection.pipeline():
                cursors = [
                    await connection.execute(each.sql, each.arguments)
                    for each in statements[first : first + TOGETHER]
                ]
            self._advance()
            for cursor in cursors:
                told = await cursor.fetchone() if cursor.description else None
                counts.append(told[0] if told else cursor.rowcount)
        return counts


async def _copy(cursor: psycopg.AsyncCursor, sql: str, rows: Sequence[bytes]) -> None:
    async with cursor.copy(sql) as copy:
        await copy.write(b"".join((COPY_HEADER, *rows, COPY_TRAILER)))
