"""The one writer: readings of all connections, and what must come after them, in few transactions.

A batch is committed whole or not at all. What waits for it is told after the commit, so that an
acknowledgement promises that the reading is stored.
"""

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from .clock import Clock, to_datetime
from .database import AWAY, Backoff
from .detour import Detour
from .reading import Reading
from .settings import Settings
from .spool import Spool
from .spooled import Named, Row
from .store_sql import QUARANTINE
from .transactions import Transactions

log = logging.getLogger(__name__)

ROW_FAULTS = (psycopg.DataError, psycopg.IntegrityError, struct.error)
"""What is a reading's own fault; everything else is tried again until it succeeds."""
STATEMENT_FAULTS = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)
"""What is a statement's own fault, but for `UNREADY`."""
HEARING = 0.05  # s
UNREADY = (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable)
"""What an upgrade of the schema that is under way looks like."""


@dataclass(slots=True)
class Statement:
    """One statement that follows the readings of its batch.

    `done` is told the first value that it returned, or how many rows it changed; 0 when refused.
    One that has a name in `kept` outlives this process in the spool. Of those that wait for the
    same `newest`, the last one counts.
    """

    sql: str
    arguments: Sequence[Any] | dict
    done: Callable[[int], None] | None = None
    kept: str | None = None
    newest: Hashable | None = None


class Batch:
    """What one transaction stores."""

    __slots__ = ("readings", "since", "statements", "waiting")

    def __init__(self):
        self.readings: Sequence[Reading | Row] = []
        self.statements: list[Statement] = []
        self.waiting: list[Callable[[], None]] = []
        self.since = 0


class Writer:
    """Batches readings and statements, stores them in order, survives the server's absence."""

    def __init__(self, settings: Settings, clock: Clock, spool: Spool | None = None):
        self._settings, self._clock = settings, clock
        self.detour = None if spool is None else Detour(self, spool)
        self.most = settings.flush_rows
        """How much one transaction stores at most."""
        self._kept: dict[str, str] = {}  # the statements that the spool knows
        self._held: dict[Hashable, Statement] = {}  # those it does not, while it is used
        self._transactions = Transactions(settings.dsn, clock, self._wake_up)
        self._queue: deque[Batch] = deque()
        self._open: Batch | None = None
        self._readings = self._statements = 0
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self.closing = False
        self._ending = asyncio.Event()
        self.lost = 0
        self.lag_ms = 0
        self.on_refused: Callable[[Reading | Row, str], None] | None = None
        self.keep("quarantine", QUARANTINE)

    @property
    def stored(self) -> int:
        """Readings stored since the start."""
        return self._transactions.stored

    @property
    def pending(self) -> int:
        """Readings and statements that are not committed yet."""
        return self._readings + self._statements

    @property
    def spooled(self) -> tuple[int, int, datetime | None]:
        """Bytes and records that wait on the disk, and when the oldest of them arrived."""
        if self.detour is None:
            return 0, 0, None
        return self.detour.spool.bytes, self.detour.spool.records, self.detour.oldest

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
        kept: str | None = None,
        newest: Hashable | None = None,
    ) -> None:
        """Run a statement after the readings added so far; see `Statement`."""
        batch = self._batch()
        batch.statements.append(Statement(sql, arguments, done, kept, newest))
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
            kept="quarantine",
        )

    def keep(self, name: str, sql: str) -> None:
        """Let statements be kept in the spool under this name."""
        self._kept[name] = sql

    def _batch(self) -> Batch:
        batch = self._open
        most = self.most
        if batch is None or len(batch.readings) >= most or len(batch.statements) >= most:
            batch = self._open = Batch()
            batch.since = self._clock.stamp()
            self._queue.append(batch)
        return batch

    async def run(self) -> None:
        """Store batch after batch until `close` was called and nothing waits."""
        if self.detour is not None and self.detour.waits:
            await self._take_detour(None)  # an earlier process left something
        while True:
            if not self._queue:
                if self.closing:
                    return
                await self.given()
                continue
            await self._gather()
            batch = self._queue[0]
            if batch is self._open:
                self._open = None
            self._urgent.clear()
            attempt = await self._try(batch)
            if attempt is None:
                self._queue.popleft()
                self._done(batch)
            elif self.detour is not None:
                await self._take_detour(attempt)
            else:
                log.error(
                    "Nothing can be stored at the stop: %d rows are not stored and not "
                    "acknowledged; their meters send them again.",
                    self.pending,
                )
                return

    async def _try(self, batch: Batch) -> asyncio.Task | None:
        """Store a batch, again and again.

        :return: None when it is stored, else the last try, which may still be under way
        """
        backoff, again, loop = Backoff(), False, asyncio.get_running_loop()
        limit = None if self.detour is None else loop.time() + self._settings.spool_after
        while True:
            attempt = loop.create_task(self._store(batch, again))
            try:
                await self._wait(attempt, limit)
            except asyncio.CancelledError:
                attempt.cancel()
                raise
            if not attempt.done():
                return attempt
            error = attempt.exception()
            if error is None:
                return None
            if not isinstance(error, (*AWAY, psycopg.Error)):
                raise error
            again = True
            await self.gave_up(error)
            wait = backoff.next()
            if self.closing or (limit is not None and loop.time() + wait >= limit):
                return attempt
            log.warning("Nothing can be stored (%s); next try in %.1f s.", _text(error), wait)
            await self.ending(wait)

    async def _wait(self, attempt: asyncio.Task, limit: float | None) -> None:
        """Wait for a try until the limit, and longer while the server goes on answering.

        Thousands of meters that come at once are much to store, which is no reason to leave it.
        """
        loop, heard_out = asyncio.get_running_loop(), False
        while not attempt.done():
            if limit is None:
                left = None
            else:
                advanced_at = self._transactions.advanced_at
                left = max(limit, advanced_at + self._settings.spool_after) - loop.time()
                if left <= 0 and heard_out:
                    return
                # a loop that was busy itself has yet to hear what the server answered
                heard_out = left <= 0
                left = max(left, HEARING)
            await asyncio.wait([attempt], timeout=left)

    async def gave_up(self, error: BaseException) -> None:
        """Leave a server that only reads: another one may write by now."""
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            await self._transactions.database.close()

    # === The detour over the disk === #

    async def _take_detour(self, attempt: asyncio.Task | None) -> None:
        await self.detour.run(attempt)
        if self._held:
            batch = Batch()
            batch.since = self._clock.stamp()
            batch.statements, self._held = [*self._held.values()], {}
            self._queue.appendleft(batch)

    async def given(self) -> None:
        """Wait until something is to be stored, or the writer closes."""
        await self._wake.wait()
        self._wake.clear()

    async def ending(self, seconds: float) -> None:
        """Wait so long, or until the writer closes."""
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            return

    def peek(self, most: int) -> list[Batch]:
        """Return the first batches that wait, of so many rows together; none grows any more."""
        batches, rows = [], 0
        for batch in self._queue:
            rows += len(batch.readings) + len(batch.statements)
            if batches and rows > most:
                break
            batches.append(batch)
            if batch is self._open:
                self._open = None
        return batches

    def kept(self, batches: Sequence[Batch]) -> None:
        """Acknowledge the first batches, which are on the disk; hold what is not kept there."""
        for batch in batches:
            self._queue.popleft()
            before = len(self._held)
            for statement in batch.statements:
                if statement.kept is None:
                    key = object() if statement.newest is None else statement.newest
                    self._held.pop(key, None)
                    self._held[key] = statement
            self._readings -= len(batch.readings)
            self._statements += len(self._held) - before - len(batch.statements)
            for tell in batch.waiting:
                tell()

    async def store_kept(self, readings: Sequence[Row], statements: Sequence[Named]) -> None:
        """Store what comes from the spool, perhaps not for the first time."""
        batch = Batch()
        batch.readings = readings
        for name, arguments in statements:
            if sql := self._kept.get(name):
                batch.statements.append(Statement(sql, arguments))
            else:
                log.error("The spool holds a statement %s, which is not known any more.", name)
        await self._store(batch, True)

    async def _gather(self) -> None:
        """Give the readings of other connections a moment to join the batch."""
        waited = max(0, self._clock.stamp() - self._queue[0].since) / 1e6
        left = self._settings.flush_time - waited
        if left <= 0 or len(self._queue) > 1 or self.closing or self._urgent.is_set():
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
        except (psycopg.Error, struct.error):
            # One bad row or statement must not cost the batch: it is found by halving.
            await self._halve(batch.readings, again)
            for statement in batch.statements:
                await self._single(statement)
        else:
            for statement, count in zip(batch.statements, counts, strict=True):
                if statement.done is not None:
                    statement.done(count)

    async def _commit(
        self, readings: Sequence[Reading | Row], statements: Sequence[Statement], again: bool
    ) -> list[int]:
        return await self._transactions.commit(
            readings, statements, again, hurry=bool(statements) or self.closing
        )

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
        except UNREADY:
            raise
        except STATEMENT_FAULTS as error:
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
        self.closing = True
        self._ending.set()
        if self._transactions.live.behind:
            self._wake_up()
        self._wake.set()
        self._urgent.set()

    async def disconnect(self) -> None:
        """Close the connection to the database for good."""
        await self._transactions.database.end()


def _text(error: Exception) -> str:
    return " ".join(str(error).split())
