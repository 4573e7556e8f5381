"""The one writer: readings of all connections, and what must come after them, in few transactions.

A batch is committed whole or not at all. What waits for it is told after the commit, so that an
acknowledgement promises that the reading is stored.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from .arrays import integers, strings
from .clock import Clock, to_datetime
from .database import AWAY, Backoff, Database
from .live_meters import LiveMeters
from .reading import COPY_HEADER, COPY_TRAILER, DIGEST_SIZE, Reading
from .settings import Settings
from .store_sql import CATCH_UP, COPY, COPY_RAW, IDENTITIES, PARTITIONS, QUARANTINE, STAGING, STORE

log = logging.getLogger(__name__)

ROW_FAULTS = (psycopg.DataError, psycopg.IntegrityError)
"""What is a reading's own fault; everything else is tried again until it succeeds."""


class _Repeated(Exception):
    """An upload of the batch is stored already: the careful way tells which."""


@dataclass(slots=True)
class Statement:
    """One statement that follows the readings of its batch.

    `done` is told the first value that it returned, or how many rows it changed; 0 when refused.
    """

    sql: str
    arguments: Sequence[Any] | dict
    done: Callable[[int], None] | None = None


class Batch:
    """What one transaction stores."""

    __slots__ = ("readings", "since", "statements", "waiting")

    def __init__(self):
        self.readings: list[Reading] = []
        self.statements: list[Statement] = []
        self.waiting: list[Callable[[], None]] = []
        self.since = 0


class Writer:
    """Batches readings and statements, stores them in order, survives the server's absence."""

    def __init__(self, settings: Settings, clock: Clock):
        self._settings, self._clock = settings, clock
        self._database = Database(settings.dsn, "writer", clock)
        self._queue: deque[Batch] = deque()
        self._open: Batch | None = None
        self._readings = self._statements = 0
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._ready: tuple | None = None
        self._live = LiveMeters(self._wake_up)
        self._closing = False
        self.stored = 0
        self.lost = 0
        self.lag_ms = 0
        self.on_refused: Callable[[Reading, str], None] | None = None

    @property
    def pending(self) -> int:
        """Readings and statements that are not committed yet."""
        return self._readings + self._statements

    def add(self, readings: Sequence[Reading], stored: Callable[[], None] | None = None) -> bool:
        """Store these readings together, then call `stored`.

        :return: False when too many wait already; nothing is kept then and `stored` never called
        """
        if self._readings + len(readings) > self._settings.max_pending:
            self.lost += len(readings)
            return False
        batch = self._batch()
        batch.readings.extend(readings)
        if stored is not None:
            batch.waiting.append(stored)
        self._readings += len(readings)
        self._wake.set()
        return True

    def execute(
        self,
        sql: str,
        arguments: Sequence[Any] | dict = (),
        done: Callable[[int], None] | None = None,
        waiting: Callable[[], None] | None = None,
        urgent: bool = False,
    ) -> None:
        """Run a statement after the readings added so far."""
        batch = self._batch()
        batch.statements.append(Statement(sql, arguments, done))
        if waiting is not None:
            batch.waiting.append(waiting)
        self._statements += 1
        self._wake.set()
        if urgent:
            self._urgent.set()

    def after(self, tell: Callable[[], None]) -> None:
        """Call `tell` after all that was added so far is committed."""
        self._batch().waiting.append(tell)
        self._wake.set()

    def quarantine(
        self,
        reason: str,
        frame: bytes,
        link_id: int | None,
        meter_id: int | None = None,
        waiting: Callable[[], None] | None = None,
    ) -> None:
        """Keep a frame that is no reading, with the reason."""
        self.execute(
            QUARANTINE,
            (to_datetime(self._clock.stamp()), link_id, meter_id, reason, frame),
            waiting=waiting,
        )

    def _batch(self) -> Batch:
        batch = self._open
        most = self._settings.flush_rows
        if batch is None or len(batch.readings) >= most or len(batch.statements) >= most:
            batch = self._open = Batch()
            batch.since = self._clock.stamp()
            self._queue.append(batch)
        return batch

    async def run(self) -> None:
        """Store batch after batch until `close` was called and nothing waits."""
        backoff = Backoff()
        while True:
            if not self._queue:
                if self._closing:
                    return
                await self._wake.wait()
            self._wake.clear()
            if not self._queue:
                continue
            await self._gather()
            batch = self._queue[0]
            if batch is self._open:
                self._open = None
            self._urgent.clear()
            again = False
            while True:
                try:
                    await self._store(batch, again)
                    break
                except (*AWAY, psycopg.Error) as error:
                    if self._closing:
                        log.error(
                            "Nothing can be stored at the stop: %d rows are not stored and not "
                            "acknowledged; their meters send them again.",
                            self.pending,
                        )
                        return
                    again = True
                    wait = backoff.next()
                    log.warning(
                        "Nothing can be stored (%s); next try in %.1f s.", _text(error), wait
                    )
                    await asyncio.sleep(wait)
            backoff.reset()
            self._queue.popleft()
            self._done(batch)

    async def _gather(self) -> None:
        """Give the readings of other connections a moment to join the batch."""
        waited = max(0, self._clock.stamp() - self._queue[0].since) / 1e6
        left = self._settings.flush_time - waited
        if left <= 0 or len(self._queue) > 1 or self._closing or self._urgent.is_set():
            return
        try:
            async with asyncio.timeout(left):
                await self._urgent.wait()
        except TimeoutError:
            return

    def _done(self, batch: Batch) -> None:
        self._readings -= len(batch.readings)
        self._statements -= len(batch.statements)
        self.lag_ms = max(self.lag_ms, (self._clock.stamp() - batch.since) // 1000)
        for tell in batch.waiting:
            tell()

    async def _store(self, batch: Batch, again: bool) -> None:
        try:
            counts = await self._commit(batch.readings, batch.statements, again)
        except AWAY:
            raise
        except psycopg.Error:
            # One bad row or statement must not cost the batch: it is found by halving.
            await self._halve(batch.readings, again)
            for statement in batch.statements:
                await self._single(statement)
        else:
            for statement, count in zip(batch.statements, counts, strict=True):
                if statement.done is not None:
                    statement.done(count)

    async def _commit(
        self, readings: Sequence[Reading], statements: Sequence[Statement], again: bool
    ) -> list[int]:
        """Store in one transaction, the quick way, or `again` after one that may have succeeded."""
        connection = await self._prepared()
        if not again:
            try:
                return await self._commit_quickly(connection, readings, statements)
            except _Repeated:
                log.debug("An upload was repeated: its batch is stored the careful way.")
        async with connection.transaction(), connection.cursor() as cursor:
            stored = 0
            if readings:
                await _copy(cursor, COPY, [reading.encode() for reading in readings])
                stamps = [reading.stamp for reading in readings]
                bounds = to_datetime(min(stamps)), to_datetime(max(stamps))
                await cursor.execute(STORE, bounds)
                stored = (await cursor.fetchone())[0]
            counts = await _run(cursor, statements)
        self.stored += stored
        return counts

    async def _commit_quickly(
        self,
        connection: psycopg.AsyncConnection,
        readings: Sequence[Reading],
        statements: Sequence[Statement],
    ) -> list[int]:
        async with connection.transaction(), connection.cursor() as cursor:
            if readings:
                uploads = [reading for reading in readings if reading.digest is not None]
                if uploads:
                    links = integers([reading.link_id for reading in uploads])
                    digests = strings([reading.digest for reading in uploads], DIGEST_SIZE)
                    await cursor.execute(IDENTITIES, (links, digests))
                    if cursor.rowcount != len(uploads):
                        raise _Repeated
                await _copy(cursor, COPY_RAW, [reading.row() for reading in readings])
                self._live.heard(readings)
            moving = self._live.due(hurry=bool(statements) or self._closing)
            if moving:
                await self._live.move(cursor)
            counts = await _run(cursor, statements)
        if moving:
            self._live.moved()
        self.stored += len(readings)
        return counts

    async def _prepared(self) -> psycopg.AsyncConnection:
        """Return the connection, with today's partitions and what its session needs."""
        connection = await self._database.connect()
        ready = (self._database.generation, self._clock.now().date())
        if self._ready != ready:
            await connection.execute(STAGING)
            await connection.execute(PARTITIONS, [ready[1]])
            await connection.execute(CATCH_UP)
            self._ready = ready
        return connection

    async def _halve(self, readings: Sequence[Reading], again: bool) -> None:
        if not readings:
            return
        try:
            await self._commit(readings, (), again)
        except ROW_FAULTS as error:
            if len(readings) > 1:
                middle = len(readings) // 2
                await self._halve(readings[:middle], again)
                await self._halve(readings[middle:], again)
                return
            reading, reason = readings[0], _text(error)
            log.error("A reading of meter %s is refused: %s", reading.meter_id, reason)
            await self._single(
                Statement(
                    QUARANTINE,
                    (
                        to_datetime(reading.stamp),
                        reading.link_id,
                        reading.meter_id,
                        reason,
                        reading.frame,
                    ),
                )
            )
            if self.on_refused is not None:
                self.on_refused(reading, reason)

    async def _single(self, statement: Statement) -> None:
        try:
            counts = await self._commit((), (statement,), False)
        except AWAY:
            raise
        except psycopg.Error as error:
            log.error("A statement is refused: %s", _text(error))
            counts = [0]
        if statement.done is not None:
            statement.done(counts[0])

    def _wake_up(self) -> None:
        """Ask for a transaction although nothing waits to be stored."""
        self._batch()
        self._wake.set()

    def close(self) -> None:
        """Let `run` store what waits and end."""
        self._closing = True
        if self._live.behind:
            self._wake_up()
        self._wake.set()
        self._urgent.set()

    async def disconnect(self) -> None:
        """Close the connection to the database."""
        await self._database.close()


async def _copy(cursor: psycopg.AsyncCursor, sql: str, rows: Sequence[bytes]) -> None:
    async with cursor.copy(sql) as copy:
        await copy.write(b"".join((COPY_HEADER, *rows, COPY_TRAILER)))


async def _run(cursor: psycopg.AsyncCursor, statements: Sequence[Statement]) -> list[int]:
    counts = []
    for statement in statements:
        await cursor.execute(statement.sql, statement.arguments)
        told = await cursor.fetchone() if cursor.description else None
        counts.append(told[0] if told else cursor.rowcount)
    return counts


def _text(error: Exception) -> str:
    return " ".join(str(error).split())
