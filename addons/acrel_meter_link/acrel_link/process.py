"""The link process: its parts, its start and its stop."""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator
from functools import partial

from .clock import Clock
from .context import Context
from .database import AWAY, Backoff, Database, check
from .incidents import Incidents, Subject
from .keeper import Keeper
from .keys.desk import KeyDesk
from .keys.ring import KeyRing
from .master import Master
from .polls import Polls
from .server import Server
from .service import ServiceManager
from .settings import Settings
from .spooling import make_spool, open_spool, tell_of_spool
from .store import Writer
from .watched import watched

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
COLLECT_AFTER = 50_000  # more objects than batches under way hold; reference counts free the rest


def build(settings: Settings) -> tuple[Context, Server, Keeper]:
    """Put the parts of one process together."""
    clock = Clock()
    writer = Writer(settings, clock, make_spool(settings))
    control = Database(settings.dsn, "control", clock)
    incidents = Incidents(writer, clock)
    keeping = Database(settings.dsn, "keeping", clock)
    master = Master(control, keeping)
    incidents.serial_of = lambda subject: master.serial_of(subject.link, subject.meter)
    polls = Polls(clock, asyncio.get_running_loop().time)
    keys = KeyRing(settings.root_key_file, keeping, writer, clock)
    desk = KeyDesk(keys, settings.dsn, keeping)
    context = Context(
        settings, clock, writer, control, keeping, incidents, master, polls, keys, desk
    )
    writer.on_refused = lambda reading, reason: incidents.note(
        "reading_refused", Subject(meter=reading.meter_id), f"A reading was refused: {reason}"
    )
    clock.on_step = lambda seconds: incidents.note(
        "clock_stepped", Subject(), f"The database's clock was set by {seconds:+.0f} s."
    )
    tell_of_spool(writer, incidents)
    server = Server(context)
    return context, server, Keeper(context, server)


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; store what was received before ending.

    SIGHUP reads the root key files again.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    context, server, keeper = build(settings)
    service = ServiceManager()

    def reload() -> None:
        service.reloading()
        context.key_desk.reload()
        server.reload()
        service.ready("reloaded")

    loop.add_signal_handler(signal.SIGHUP, reload)
    if not await _ready(settings, stopping):
        return
    async with (
        serving(context, server, keeper) as failed,
        watched(context, server, service),
    ):
        # what was loaded stays: a fifth of the work on readings was looking through it for garbage
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER)
        waiting = asyncio.create_task(stopping.wait())
        await asyncio.wait([waiting, failed], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if failed.done():
            failed.result()


async def _ready(settings: Settings, stopping: asyncio.Event) -> bool:
    """Wait for the database; False when the process is stopped meanwhile."""
    backoff = Backoff()
    while not stopping.is_set():
        if await asyncio.to_thread(check, settings.dsn):
            return True
        wait = backoff.next()
        log.warning("PostgreSQL takes no connection yet; next try in %.1f s.", wait)
        try:
            async with asyncio.timeout(wait):
                await stopping.wait()
        except TimeoutError:
            continue
    return False


@contextlib.asynccontextmanager
async def serving(
    context: Context, server: Server, keeper: Keeper
) -> AsyncIterator[asyncio.Future]:
    """Serve meters inside the block.

    What it yields ends with the exception of a part that failed: the process shall end then, and
    its supervisor start it again.
    """
    failed = asyncio.get_running_loop().create_future()
    spool = context.writer.detour and context.writer.detour.spool
    try:
        if spool is not None:
            open_spool(spool)
        await keeper.load()
        await server.listen()
        await keeper.begin()
        parts = [
            asyncio.create_task(part(), name=part.__qualname__)
            for part in (
                context.writer.run,
                server.watch,
                keeper.listen,
                keeper.wake_ups,
                keeper.claims,
                keeper.sweeps,
                keeper.moments.run,
                context.key_desk.run,
            )
        ]
        for part in parts:
            part.add_done_callback(partial(_ended, failed))
        if server.listeners:
            log.info("Listening: %s.", ", ".join(map(str, server.listeners)))
        else:
            log.warning(
                "No meter can call: ACREL_LINK_LISTEN, ACREL_LINK_LISTEN_TLS and "
                "ACREL_LINK_LISTEN_SEALED name no address."
            )
        try:
            yield failed
        finally:
            log.info("Stopping.")
            await _stop(context, server, keeper, *parts)
    finally:
        server.close()
        if spool is not None:
            spool.close()
        await context.writer.disconnect()
        await context.control.end()
        await context.keeping.end()
        failed.cancel()


def _ended(failed: asyncio.Future, part: asyncio.Task) -> None:
    if not part.cancelled() and not failed.done() and part.exception() is not None:
        failed.set_exception(part.exception())


async def _stop(
    context: Context, server: Server, keeper: Keeper, writing: asyncio.Task, *others: asyncio.Task
) -> None:
    """Take nothing new, store what was received, acknowledge it, close."""
    server.stop_listening()
    pending = set(others)
    while pending:
        # again and again: Python 3.11's wait_for, which psycopg uses, may lose a cancellation
        for part in pending:
            part.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.1)
    context.writer.close()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await writing
            await keeper.stop()
    except (TimeoutError, *AWAY) as error:
        log.error("Not everything could be written at the stop: %s", error or "too slow")
