"""The way past PostgreSQL while it is away: onto the disk, and from there in order when it is back.

While the detour is taken, whatever the writer is given goes to the spool and is acknowledged from
there; only when all of it is stored does the writer go straight again. So the order holds, and what
an output's row names is stored before it.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from .clock import to_datetime
from .database import AWAY, Backoff
from .reading import Reading
from .spool import Segment, Spool
from .spooled import Named, Row, keep_reading, keep_statement, restore

if TYPE_CHECKING:
    from .store import Batch, Writer

log = logging.getLogger(__name__)

AT_ONCE = 10_000  # records written and fsynced together at most
FULL_PAUSE = 1.0  # s until a spool that took nothing is tried again


class Detour:
    """Keeps the writer's batches on disk and stores them later."""

    def __init__(self, writer: "Writer", spool: Spool):
        self.spool = spool
        self.oldest: datetime | None = None
        """When the oldest reading that waits on the disk arrived."""
        self.on_way: Callable[[bool], None] = lambda taken: None
        """Told when the detour is taken and when it ends."""
        self.on_full: Callable[[str | None], None] = lambda reason: None
        """Told why nothing can be kept, and None when it can be again."""
        self.on_damage: Callable[[str], None] = lambda text: None
        self._writer = writer
        self._lock = asyncio.Lock()  # held while records are written, and at the end of the way
        self._full = False

    @property
    def waits(self) -> bool:
        """Whether anything waits on the disk."""
        return bool(self.spool)

    async def run(self, attempt: asyncio.Task | None = None) -> None:
        """Keep what comes until all that was kept is stored, or the writer closes.

        :param attempt: a storing under way that does not answer
        """
        self.on_way(True)
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(self._keep())
            try:
                await self._store_all(attempt)
            finally:
                keeping.cancel()
        if not self.waits:
            self._room()
            self.on_way(False)

    # === Onto the disk === #

    async def _keep(self) -> None:
        while True:
            async with self._lock:
                kept = await self._keep_given()
            if kept:
                await self._writer.given()
            else:
                await asyncio.sleep(FULL_PAUSE)

    async def _keep_given(self) -> bool:
        """Write what waits in memory and acknowledge it; False when the disk does not take it."""
        while batches := self._writer.peek(AT_ONCE):
            records = [record for batch in batches for record in _records(batch)]
            try:
                if records:
                    await asyncio.to_thread(self.spool.append, records)
            except OSError as error:
                if not self._full:
                    self._full = True
                    self.on_full(str(error))
                return False
            if self.oldest is None:
                self.oldest = next(
                    (to_datetime(row.stamp) for batch in batches for row in batch.readings), None
                )
            self._writer.kept(batches)
            self._room()
        return True

    def _room(self) -> None:
        """Tell that things can be kept again."""
        if self._full:
            self._full = False
            self.on_full(None)

    # === From the disk === #

    async def _store_all(self, attempt: asyncio.Task | None) -> None:
        if attempt is not None:
            await self._outlive(attempt)
        backoff = Backoff()
        while not self._writer.closing:
            try:
                if await self._store_oldest():
                    backoff.reset()
                    continue
                async with self._lock:
                    # what was written until now; nothing more comes meanwhile
                    if not await self._store_oldest():
                        return
            except AWAY as error:
                await self._writer.gave_up(error)
                wait = backoff.next()
                log.warning(
                    "%d records wait in %s (%s); next try in %.1f s.",
                    self.spool.records,
                    self.spool.folder,
                    " ".join(str(error).split()),
                    wait,
                )
                await self._writer.ending(wait)
        async with self._lock:
            await self._keep_given()

    async def _outlive(self, attempt: asyncio.Task) -> None:
        """Wait for a storing that hangs; its batch is kept and comes again, whatever it does."""
        while not attempt.done():
            if self._writer.closing:
                attempt.cancel()
            await asyncio.wait([attempt], timeout=0.1 if self._writer.closing else 1.0)
        if not attempt.cancelled() and attempt.exception() is not None:
            log.warning("Nothing could be stored (%s).", " ".join(str(attempt.exception()).split()))

    async def _store_oldest(self) -> bool:
        """Store one segment and drop it; False when there is none."""
        segment = await asyncio.to_thread(self.spool.oldest)
        if segment is None:
            self.oldest = None
            return False
        found, unreadable = await asyncio.to_thread(restore, segment.head, segment.records)
        self.oldest = next((to_datetime(one.stamp) for one in found if isinstance(one, Row)), None)
        if segment.damaged or unreadable:
            segment = self._tell_damage(segment, unreadable)
        most, at = self._writer.most, 0
        while at < len(found):
            await self._writer.store_kept(*divide(found[at : at + most]))
            at += most
        await asyncio.to_thread(self.spool.drop, segment)
        return True

    def _tell_damage(self, segment: Segment, unreadable: list[bytes]) -> Segment:
        """Tell of what is lost, and let the file be kept for a person."""
        damaged = segment.damaged + sum(map(len, unreadable))
        self.on_damage(
            f"{damaged} bytes of {segment.path} are no records: the disk damaged them. What could "
            f"be read is stored; the file is kept as {segment.path.stem}.damaged."
        )
        return Segment(segment.path, segment.head, segment.records, damaged)


def _records(batch: "Batch") -> list[bytes]:
    records = [keep_reading(reading) for reading in batch.readings]
    records += [keep_statement(one.kept, one.arguments) for one in batch.statements if one.kept]
    return records


def divide(found: list[Row | Named]) -> tuple[list[Reading | Row], list[Named]]:
    """Return the readings among what was kept, and the statements."""
    readings = [one for one in found if isinstance(one, Row)]
    return readings, [one for one in found if isinstance(one, Named)]
