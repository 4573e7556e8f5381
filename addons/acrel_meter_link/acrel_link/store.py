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

from .clock import Clock, to_datetime
from .database import AWAY, Backoff, Database
from .reading import COPY_COLUMNS, COPY_HEADER, COPY_TRAILER, MEASURED, Reading
from .settings import Settings

log = logging.getLogger(__name__)

ROW_FAULTS = (psycopg.DataError, psycopg.IntegrityError)
"""What is a reading's own fault; everything else is tried again until it succeeds."""

_ROW = ", ".join(("received_at", "meter_id", "source", "meter_clock", *MEASURED))
_STAY = ("pt", "ct", "temperature_n", *(name for name in MEASURED if name.startswith("e")))
"""Columns that a reading which lacks them leaves as they were in the live row."""

STAGING = f"""
CREATE TEMPORARY TABLE IF NOT EXISTS staging ON COMMIT DELETE ROWS AS
SELECT {_ROW}, NULL::integer AS link_id, NULL::bytea AS digest
  FROM acrel_reading_raw WHERE false
"""

COPY = f"COPY staging ({', '.join(COPY_COLUMNS)}) FROM STDIN (FORMAT BINARY)"

# The live row only goes forward, in time and in e_forward: a register that fell is no newest truth.
# An upload is stored when its identity is new; a polled reading has none. After a broken
# connection the batch may have been committed already, and {again} looks for its rows.
_STORE = """
WITH news AS (
    INSERT INTO acrel_upload_seen (link_id, digest, received_at)
    SELECT DISTINCT ON (link_id, digest) link_id, digest, received_at
      FROM staging WHERE digest IS NOT NULL ORDER BY link_id, digest, received_at
    ON CONFLICT DO NOTHING
    RETURNING link_id, digest, received_at
), stored AS (
    INSERT INTO acrel_reading_raw ({row})
    SELECT {staged} FROM staging s
      LEFT JOIN news n ON n.link_id = s.link_id AND n.digest = s.digest
                      AND n.received_at = s.received_at
     WHERE (s.digest IS NULL OR n.digest IS NOT NULL) {again}
     ORDER BY s.received_at
    RETURNING id, {row}
), moved AS (
    INSERT INTO acrel_meter_live AS l (reading_id, {row})
    SELECT DISTINCT ON (stored.meter_id) stored.id, {stored}
      FROM stored LEFT JOIN acrel_meter_live k ON k.meter_id = stored.meter_id
     WHERE stored.e_forward IS NULL OR k.e_forward IS NULL OR stored.e_forward >= k.e_forward
     ORDER BY stored.meter_id, stored.e_forward DESC NULLS LAST, stored.received_at DESC
    ON CONFLICT (meter_id) DO UPDATE SET reading_id = excluded.reading_id, {update}
     WHERE l.received_at < excluded.received_at
    RETURNING 1
)
SELECT (SELECT count(*) FROM stored), pg_notify('acrel_engine', '')
"""


def _store(again: str) -> str:
    names = _ROW.split(", ")
    return _STORE.format(
        row=_ROW,
        staged=", ".join(f"s.{name}" for name in names),
        stored=", ".join(f"stored.{name}" for name in names),
        update=", ".join(
            f"{name} = coalesce(excluded.{name}, l.{name})"
            if name in _STAY
            else f"{name} = excluded.{name}"
            for name in names
            if name != "meter_id"
        ),
        again=again,
    )


STORE = _store("")
STORE_AGAIN = _store(
    "AND NOT EXISTS (SELECT 1 FROM acrel_reading_raw r"
    " WHERE r.meter_id = s.meter_id AND r.received_at = s.received_at)"
)

PARTITIONS = """
SELECT acrel_reading_ensure_partition(%s::date + day) FROM generate_series(-1, 3) AS day
"""

# The same statement again, after a commit whose answer was lost, adds nothing.
QUARANTINE = """
INSERT INTO acrel_reading_quarantine (received_at, link_id, meter_id, reason, frame)
SELECT n.* FROM (VALUES (%s::timestamp, %s::integer, %s::integer, %s::text, %s::bytea))
       AS n (received_at, link_id, meter_id, reason, frame)
 WHERE NOT EXISTS (
       SELECT 1 FROM acrel_reading_quarantine q
        WHERE q.received_at = n.received_at AND q.link_id IS NOT DISTINCT FROM n.link_id
          AND q.frame IS NOT DISTINCT FROM n.frame)
"""


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
        connection = await self._database.connect()
        ready = (self._database.generation, self._clock.now().date())
        if self._ready != ready:
            await connection.execute(STAGING)
            await connection.execute(PARTITIONS, [ready[1]])
            self._ready = ready
        counts, stored = [], 0
        async with connection.transaction(), connection.cursor() as cursor:
            if readings:
                async with cursor.copy(COPY) as copy:
                    await copy.write(
                        b"".join((COPY_HEADER, *(row.encode() for row in readings), COPY_TRAILER))
                    )
                await cursor.execute(STORE_AGAIN if again else STORE)
                stored = (await cursor.fetchone())[0]
            for statement in statements:
                await cursor.execute(statement.sql, statement.arguments)
                told = await cursor.fetchone() if cursor.description else None
                counts.append(told[0] if told else cursor.rowcount)
        self.stored += stored
        return counts

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

    def close(self) -> None:
        """Let `run` store what waits and end."""
        self._closing = True
        self._wake.set()
        self._urgent.set()

    async def disconnect(self) -> None:
        """Close the connection to the database."""
        await self._database.close()


def _text(error: Exception) -> str:
    return " ".join(str(error).split())
