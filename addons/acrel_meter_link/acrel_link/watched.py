"""What watches a running link process: the service manager, Prometheus, a balancer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from .context import Context
from .monitor import Monitor
from .server import Server
from .service import ServiceManager
from .settings import SettingsError

SIGN_SECONDS = 5.0


@contextlib.asynccontextmanager
async def watched(
    context: Context, server: Server, service: ServiceManager
) -> AsyncIterator[Monitor]:
    """Answer and tell inside the block, which is entered when peers can connect."""
    monitor = Monitor(context, lambda: len(server.online))
    try:
        monitor.start()
    except OSError as error:
        host, port = context.settings.metrics
        raise SettingsError(
            f"acrel_link: {host}:{port} of ACREL_LINK_METRICS cannot be listened on: "
            f"{error.strerror or error}."
        ) from error
    signs = asyncio.create_task(_give_signs(context, server, service))
    try:
        service.ready(_status(context, server))
        yield monitor
    finally:
        service.stopping()
        signs.cancel()
        await asyncio.to_thread(monitor.stop)


async def _give_signs(context: Context, server: Server, service: ServiceManager) -> None:
    """Prove that the loop goes round."""
    while True:
        await asyncio.sleep(SIGN_SECONDS)
        service.alive()
        service.status(_status(context, server))


def _status(context: Context, server: Server) -> str:
    return (
        f"{len(server.online)} links online, {context.counters.connections} connections, "
        f"{context.writer.stored} readings stored, {context.writer.pending} rows waiting"
    )
