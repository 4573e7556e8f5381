"""The listening socket, and who is connected under which serial number."""

import asyncio
import logging
from time import monotonic

from .candidates import Candidates
from .channels.plain import PlainChannel
from .connection import Connection
from .context import Context
from .leases import Leases
from .master import OutputSpec
from .output import Output
from .unit import Unit

log = logging.getLogger(__name__)

BACKLOG = 1024
TICK = 1.0


class Server:
    """Accepts peers within bounds; one connection a serial number."""

    def __init__(self, context: Context):
        self.candidates = Candidates(context)
        self.leases = Leases(context, lambda: self.online)
        self._context = context
        self._peers: set[Connection] = set()
        self._online: dict[int, Connection] = {}  # by link id
        self._outputs: dict[int, Output] = {}
        self._unregistered = 0
        self._listener: asyncio.Server | None = None
        self._claims = asyncio.Event()
        context.master.on_links = self._links_changed
        context.master.on_wanted = self._wanted_changed

    # === Socket === #

    async def listen(self) -> None:
        """Open the socket; raise OSError when it cannot be had."""
        host, port = self._context.settings.listen
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: Connection(self, self._context, PlainChannel()), host, port, backlog=BACKLOG
        )

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the port is the system's choice when 0 was asked for."""
        return self._listener.sockets[0].getsockname()[:2]

    async def watch(self) -> None:
        """End connections that take too long, about once a second."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK)
            now = loop.time()
            self._context.vitals.ticked = monotonic()
            for connection in list(self._peers):
                connection.tick(now)

    @property
    def online(self) -> list[Connection]:
        """The connections that registered."""
        return list(self._online.values())

    def stop_listening(self) -> None:
        """Take no new peers and no more bytes."""
        if self._listener is not None:
            self._listener.close()
        for connection in self._peers:
            connection.hush()

    def close(self) -> None:
        """Close all connections."""
        for connection in list(self._peers):
            connection.cut("the link process stops")

    # === Connections === #

    def welcome(self, connection: Connection, host: str) -> bool:
        """Tell whether a new peer is let in, and count it."""
        settings, counters = self._context.settings, self._context.counters
        full = (
            len(self._peers) >= settings.max_connections
            or self._unregistered >= settings.max_unregistered
        )
        if full or not settings.allows(host):
            counters.refused += 1
            log.debug("%s is refused: %s.", host, "too many" if full else "not an allowed network")
            return False
        self._peers.add(connection)
        self._unregistered += 1
        counters.connections = len(self._peers)
        return True

    def register(self, connection: Connection) -> None:
        """Give a peer the link whose serial number it told, or refuse it."""
        told = connection.registration
        link = self._context.master.links.get(told.serial)
        if link is None or link.channel != "plain":
            self._context.counters.refused += 1
            if link is None:
                self.candidates.add(told.serial, told.iccid, connection.peer)
            connection.cut(f"no link has the serial number {told.serial}")
            return
        present = self._online.get(link.id)
        if present is not None and not present.closed:
            connection.wait_behind(present)
            return
        self._online[link.id] = connection
        self._unregistered -= 1
        connection.accept(link)
        self.leases.register(connection)
        self._claims.set()

    def gone(self, connection: Connection) -> None:
        """Forget a closed connection."""
        if connection not in self._peers:
            return
        self._peers.discard(connection)
        self._context.counters.connections = len(self._peers)
        if connection.link is None:
            self._unregistered -= 1
            return
        self.leases.end(connection)
        if self._online.get(connection.link.id) is connection:
            del self._online[connection.link.id]

    async def claims(self) -> None:
        """Wait until connections are to be claimed."""
        await self._claims.wait()
        self._claims.clear()

    # === Meters and outputs === #

    def output(self, meter_id: int, spec: OutputSpec) -> Output:
        """Return the one object of an output, which outlives connections."""
        output = self._outputs.get(spec.id)
        if output is None or output.meter_id != meter_id:
            output = self._outputs[spec.id] = Output(spec, meter_id, self._context)
        output.spec = spec
        return output

    def unit(self, meter_id: int) -> Unit | None:
        """Return a meter that is online here."""
        for connection in self._online.values():
            for unit in connection.units:
                if unit.spec.id == meter_id:
                    return unit
        return None

    def sweep(self) -> None:
        """Look at every output again, whatever was missed."""
        for output in self._outputs.values():
            output.idle_check()

    def _links_changed(self) -> None:
        """Bind living connections to what their links are now."""
        for connection in self.online:
            link = self._context.master.links.get(connection.link.serial)
            if link is None or link.id != connection.link.id or link.channel != "plain":
                connection.cut("its link is not active any more")
            elif link != connection.link:
                connection.bind(link)

    def _wanted_changed(self, output_ids: list[int]) -> None:
        for output_id in output_ids:
            output = self._outputs.get(output_id)
            if output is not None:
                output.wanted_changed()
