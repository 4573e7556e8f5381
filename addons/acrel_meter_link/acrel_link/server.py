"""Who is connected under which link: let in, proven or registered, displaced, closed."""

import asyncio
import logging
from time import monotonic

from .candidates import Candidates
from .channels.listeners import Listener, listeners
from .connection import Connection
from .context import Context
from .incidents import Subject
from .lan_buses import Buses
from .leases import Leases
from .master import LinkSpec, OutputSpec
from .output import Output
from .policy import Policy, Refusal
from .unit import Unit

log = logging.getLogger(__name__)

TICK = 1.0
REKEY_EVERY = 30  # s between sendings of a key that a meter has not answered


class Server:
    """The peers of one process; one connection a link."""

    def __init__(self, context: Context):
        self.candidates = Candidates(context)
        self.buses = Buses(self, context)
        self.leases = Leases(context, lambda: [*self.online, *self.buses.lines])
        self.policy = Policy(context.master)
        self.listeners: list[Listener] = listeners(context, self)
        self._context = context
        self._peers: set[Connection] = set()
        self._proven: dict[int, Connection] = {}  # by link id, on secured channels
        self._online: dict[int, Connection] = {}  # by link id
        self._outputs: dict[int, Output] = {}
        self._claims = asyncio.Event()
        context.master.on_links = self._links_changed
        context.master.on_wanted = self._wanted_changed
        context.keys.on_revoked = self.revoked
        context.keys.on_rekey = self.rekey

    # === Sockets === #

    async def listen(self) -> None:
        """Open the sockets.

        :raise SettingsError: when one cannot be had, or lacks what it is served with
        """
        for listener in self.listeners:
            listener.prepare()
        self._context.vitals.ticked = monotonic()  # however long the database was waited for
        for listener in self.listeners:
            await listener.open()

    @property
    def addresses(self) -> dict[str, tuple[str, int]]:
        """Where each channel listens."""
        return {listener.name: listener.address for listener in self.listeners}

    async def watch(self) -> None:
        """End connections that take too long, about once a second."""
        loop = asyncio.get_running_loop()
        ticks = 0
        while True:
            await asyncio.sleep(TICK)
            now = loop.time()
            self.still_owns()
            self._context.vitals.ticked = monotonic()
            for connection in list(self._peers):
                connection.tick(now)
            for listener in self.listeners:
                listener.refresh()
            ticks += 1
            if ticks % REKEY_EVERY == 0:
                self.rekey(self._proven)

    def still_owns(self) -> bool:
        """Give up every connection after this process stood still for longer than its lease.

        What was frozen, or starved, does not know whose its links are: they register anew.
        """
        if not self._context.vitals.stood_still(self._context.settings.lease):
            return True
        log.error(
            "This process stood still for more than %g s: its connections are closed, since "
            "another one may own their links.",
            self._context.settings.lease,
        )
        reason = "this process stood still for longer than its lease"
        for connection in list(self._peers):
            connection.cut(reason)
        self.buses.give_up(reason)
        return False

    @property
    def online(self) -> list[Connection]:
        """The connections that registered."""
        return list(self._online.values())

    def stop_listening(self) -> None:
        """Take no new peers and no more bytes."""
        for listener in self.listeners:
            listener.close()
        for connection in self._peers:
            connection.hush()

    def close(self) -> None:
        """Close all connections."""
        self.buses.close()
        for connection in list(self._peers):
            connection.cut("the link process stops")

    # === Connections === #

    def welcome(self, connection: Connection) -> bool:
        """Tell whether a new peer is let in, and count it."""
        settings, counters = self._context.settings, self._context.counters
        listener, host = connection.listener, connection.host
        if not listener.allows(host):
            reason = "it is in no network that may come here"
        elif len(self._peers) >= settings.max_connections:
            reason = "there are too many connections"
        elif not listener.door.enter(connection, host, asyncio.get_running_loop().time()):
            reason = "too many of its address have not proven themselves"
        else:
            self._peers.add(connection)
            counters.connections = len(self._peers)
            return True
        counters.refused += 1
        log.debug("%s is refused at %s: %s.", host, listener.name, reason)
        return False

    def proven(self, connection: Connection) -> bool:
        """Give a peer the link that it has proven to be; its earlier connection makes room."""
        listener, proof = connection.listener, connection.channel.proof
        link = self._context.master.by_id.get(proof.link_id)
        if link is None:
            self._context.counters.refused += 1
            connection.cut("its link is not active any more")
            return False
        if (refusal := self.policy.refusal(link, listener.name)) is not None:
            self._refuse(connection, link, refusal)
            return False
        listener.door.leave(connection)
        self._context.master.secured[link.id] = self._context.clock.now()
        for earlier in (self._proven.get(link.id), self._online.get(link.id)):
            if earlier is not None and not earlier.closed:
                earlier.cut(f"a newer connection from {connection.peer} has proven to be the link")
        self._proven[link.id] = connection
        connection.proven = link
        listener.proven(connection)
        return True

    def register(self, connection: Connection) -> None:
        """Give a peer its link, by what it has proven or else by the serial number it told."""
        told = connection.registration
        if connection.proven is not None:
            link = connection.proven
        else:
            link = self._context.master.links.get(told.serial)
            if link is None:
                self._context.counters.refused += 1
                self.candidates.add(told.serial, told.iccid, connection.peer)
                connection.cut(f"no link has the serial number {told.serial}")
                return
            if (refusal := self.policy.refusal(link, connection.channel.name)) is not None:
                self._refuse(connection, link, refusal)
                return
            present = self._online.get(link.id)
            if present is not None and not present.closed:
                connection.wait_behind(present)
                return
        self._online[link.id] = connection
        connection.listener.door.leave(connection)
        connection.accept(link)
        self.leases.register(connection)
        self._claims.set()

    def _refuse(self, connection: Connection, link: LinkSpec, refusal: Refusal) -> None:
        self._context.counters.refused += 1
        self._context.incidents.note(
            refusal.kind, Subject(link=link.id), f"{connection.peer}: {refusal.message}"
        )
        connection.cut(f"its link {link.serial} may not use this channel")

    def gone(self, connection: Connection) -> None:
        """Forget a closed connection."""
        if connection not in self._peers:
            return
        self._peers.discard(connection)
        self._context.counters.connections = len(self._peers)
        connection.listener.door.leave(connection)
        proven, link = connection.proven, connection.link
        if proven is not None and self._proven.get(proven.id) is connection:
            del self._proven[proven.id]
        if link is not None:
            self.leases.end(connection)
            if self._online.get(link.id) is connection:
                del self._online[link.id]

    async def claims(self) -> None:
        """Wait until connections are to be claimed."""
        await self._claims.wait()
        self._claims.clear()

    # === Credentials === #

    def revoked(self, link_ids: set[int]) -> None:
        """Close the connections whose key or certificate may have been revoked.

        What is still valid proves itself again at once.
        """
        for link_id in link_ids:
            connection = self._proven.get(link_id)
            if connection is not None:
                connection.cut("a credential of its link was revoked")

    def rekey(self, link_ids) -> None:
        """Send the next key to each of these links that has not answered it."""
        for link_id in list(link_ids):
            connection = self._proven.get(link_id)
            if connection is not None and not connection.closed:
                connection.channel.rekey()

    def reload(self) -> None:
        """Read again what the listeners are served with, whether or not it looks changed."""
        for listener in self.listeners:
            listener.refresh(always=True)

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
        return self._context.polls.units.get(meter_id)

    def sweep(self) -> None:
        """Look at every output again, whatever was missed."""
        for output in self._outputs.values():
            output.idle_check()

    def _links_changed(self) -> None:
        """Bind living connections to what their links are now."""
        for connection in [*self.online, *self._proven.values()]:
            known = connection.proven or connection.link
            link = self._context.master.by_id.get(known.id)
            if link is None or link.serial != known.serial:
                connection.cut("its link is not active any more")
            elif self.policy.refusal(link, connection.channel.name) is not None:
                connection.cut("its link may not use this channel any more")
            elif link != known:
                connection.rebind(link)
        self.buses.changed()

    def _wanted_changed(self, output_ids: list[int]) -> None:
        for output_id in output_ids:
            output = self._outputs.get(output_id)
            if output is not None:
                output.wanted_changed()
