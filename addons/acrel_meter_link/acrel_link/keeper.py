"""What the link process does beside its sockets: master data, leases, its own row, sweeps."""

import asyncio
import logging
import os
import socket
from time import monotonic

import psycopg

from .context import Context
from .database import AWAY, CONNECT, SCHEMA_VERSION, VERSION, Backoff, SchemaChangedError
from .events import LINK_KINDS
from .incidents import Subject
from .leases import ALIVE_SECONDS
from .moments import Moments
from .orders import Orders
from .reads import Reads
from .server import Server

log = logging.getLogger(__name__)

CHANNEL = "acrel_link"
WHOLE_EVERY = 12  # sweeps between looks at all wanted states
LINKS_PAUSE = 1.0  # s between looks at master data for wake-ups

BEGIN = """
INSERT INTO acrel_link_worker (name, host, pid, listen, started_at, seen_at)
VALUES (%s, %s, %s, %s, clock_timestamp(), clock_timestamp()) RETURNING id
"""
SEEN = """
UPDATE acrel_link_worker SET seen_at = clock_timestamp(), stopped_at = NULL, connections = %s,
       readings = %s, refused = %s, lag_ms = %s,
       spool_bytes = %s, spool_records = %s, spool_oldest_at = %s WHERE id = %s
"""
STOP = """
UPDATE acrel_link_worker SET seen_at = clock_timestamp(), stopped_at = clock_timestamp(),
       connections = 0, readings = %s, refused = %s WHERE id = %s
"""
ELSEWHERE = """
SELECT id, pid FROM acrel_link_worker WHERE host = %s AND stopped_at IS NULL
"""
# its leases need not run out before others take them
ENDED = "UPDATE acrel_link_worker SET stopped_at = seen_at WHERE id = ANY(%s)"
DEAD = """
UPDATE acrel_link_live l SET online = false, closed_at = w.seen_at
  FROM acrel_link_worker w
 WHERE l.online AND w.id = l.worker_id AND w.id <> %s
   AND (w.stopped_at IS NOT NULL OR w.seen_at < clock_timestamp() - %s * interval '1 s')
"""
LASTING = """
SELECT kind, link_id, meter_id, output_id FROM acrel_event
 WHERE end_at IS NULL AND kind = ANY(%s)
"""


class Keeper:
    """Keeps memory and database in step; everything it does may be repeated."""

    def __init__(self, context: Context, server: Server):
        self._context, self._server = context, server
        self.moments = Moments(context.clock, context.polls)
        self._reads = Reads(context, server.unit)
        self._orders = Orders(context, server.unit)
        self._wake = asyncio.Event()
        self._sweeps = 0
        self._lost = 0

    async def load(self) -> None:
        """Read what must be known before the first meter may register."""
        await self._context.master.load()
        await self._context.polls.load(self._context.keeping)
        await self._context.newest_months.load(self._context.keeping)
        await self._context.key_desk.load()
        for kind, link, meter, output in await self._context.keeping.fetch(
            LASTING, (list(LINK_KINDS),)
        ):
            self._context.incidents.found(kind, Subject(link, meter, output))

    async def begin(self) -> None:
        """Write the row of this process, and that those of this host which are no more ended."""
        host_name = socket.gethostname()
        earlier = await self._context.keeping.fetch(ELSEWHERE, (host_name,))
        ended = [worker_id for worker_id, pid in earlier if not _runs(pid)]
        await self._context.keeping.fetch(ENDED, (ended,))
        listening = ", ".join(map(str, self._server.listeners)) or "nowhere"
        rows = await self._context.keeping.fetch(
            BEGIN,
            (f"link {os.getpid()}", host_name, os.getpid(), listening),
        )
        self._context.worker_id = self._context.key_desk.worker_id = rows[0][0]
        await self._server.buses.sweep(self._server.leases)

    async def listen(self) -> None:
        """Wait for the wake-ups of the database."""
        backoff = Backoff()
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    self._context.settings.dsn, application_name="acrel_link listen", **CONNECT
                )
                try:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    backoff.reset()
                    self._woken()  # what was told before this moment was not heard
                    while True:
                        async for _ in connection.notifies(
                            timeout=self._context.settings.sweep, stop_after=1
                        ):
                            self._woken()
                        # a connection that the network dropped silently is found out here
                        await connection.execute("SELECT 1")
                finally:
                    # its own context manager rolls back first, and a stop cancels again and again
                    await connection.close()
            except AWAY as error:
                await _pause("Wake-ups are not heard", error, backoff.next())

    def _woken(self) -> None:
        self._wake.set()
        self._context.key_desk.wake()

    async def wake_ups(self) -> None:
        """Act on each wake-up at once; master data, which changes rarely, is left to the sweep
        when it was looked at just before.
        """
        looked = -LINKS_PAUSE
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._context.master.refresh_wanted()
                await self._reads.sweep()
                await self._orders.sweep()
                if monotonic() - looked >= LINKS_PAUSE:
                    looked = monotonic()
                    await self._context.master.refresh_links()
                    await self._server.buses.sweep(self._server.leases)
            except AWAY as error:
                await _pause("A wake-up waits", error, self._context.settings.sweep)

    async def claims(self) -> None:
        """Claim registered connections, many at once."""
        backoff = Backoff()
        while True:
            await self._server.claims()
            while True:
                try:
                    await self._server.leases.claim()
                    backoff.reset()
                    break
                except AWAY as error:
                    await _pause("Links are not claimed", error, backoff.next())

    async def sweeps(self) -> None:
        """Look at everything every few seconds, whether or not a wake-up came."""
        while True:
            await asyncio.sleep(self._context.settings.sweep)
            self._server.sweep()
            self._context.key_desk.wake()
            try:
                await self._sweep()
            except AWAY as error:
                await _pause("The sweep waits", error, 0)

    async def _sweep(self) -> None:
        context, counters = self._context, self._context.counters
        self._sweeps += 1
        whole = self._sweeps % WHOLE_EVERY == 0
        await context.keeping.follow_clock()
        await self._check_version()
        await context.master.refresh_links()
        await context.master.refresh_wanted(sweep=True, whole=whole)
        await self._reads.sweep()
        await self._orders.sweep()
        await self._server.leases.sweep()
        await self._server.buses.sweep(self._server.leases)
        await self._server.candidates.write()
        await context.polls.write(context.keeping)
        if context.writer.lost > self._lost:
            log.error(
                "%d readings were not kept, because too many wait for PostgreSQL; uploads among "
                "them are not acknowledged and come again.",
                context.writer.lost - self._lost,
            )
            self._lost = context.writer.lost
        lag, context.writer.lag_ms = context.writer.lag_ms, 0
        await context.keeping.fetch(
            SEEN,
            (
                counters.connections,
                context.writer.stored,
                counters.refused,
                lag,
                *context.writer.spooled,
                context.worker_id,
            ),
        )
        context.vitals.swept = monotonic()
        if self._sweeps % WHOLE_EVERY == 1:
            await self.moments.refresh(context.keeping)
            await context.keeping.fetch(DEAD, (context.worker_id, ALIVE_SECONDS))

    async def _check_version(self) -> None:
        ((version,),) = await self._context.keeping.fetch(VERSION)
        if version != SCHEMA_VERSION:
            raise SchemaChangedError(
                f"The tables have version {version} now, and this process works on version "
                f"{SCHEMA_VERSION}: it makes room for a new one."
            )

    async def stop(self) -> None:
        """Write that this process and its connections ended."""
        await self._server.leases.close()
        await self._server.candidates.write()
        await self._context.keeping.fetch(
            STOP,
            (
                self._context.writer.stored,
                self._context.counters.refused,
                self._context.worker_id,
            ),
        )


def _runs(pid: int) -> bool:
    """Tell whether a process of this host runs; its own number was another's before."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


async def _pause(what: str, error: Exception, seconds: float) -> None:
    """Wait before the next try; a task that is being cancelled ends instead.

    psycopg answers a cancellation in the middle of a statement with the error of that statement.
    """
    if asyncio.current_task().cancelling():
        raise asyncio.CancelledError from error
    log.warning("%s: %s", what, " ".join(str(error).split()))
    await asyncio.sleep(seconds)
