"""The listening sockets of the link process, each with its channel and its bounds."""

import asyncio

from ..connection import Connection
from ..context import Context
from ..door import Door
from ..failures import Failures
from ..incidents import Subject
from ..keys.ring import DeviceKey, KeyRing
from ..master import LinkSpec, Master
from ..policy import Policy
from ..sealed.server import Server as SealedServer
from ..sealed.suites import DEFAULT_PREFERENCE
from ..settings import Limits, SettingsError
from .base import Channel, ChannelError, Proof
from .plain import PlainChannel
from .sealed import SealedChannel
from .tls import TlsChannel
from .tls_files import TlsFiles

BACKLOG = 4096  # what Linux allows by itself, net.core.somaxconn
FAILURES_TOLD = 5  # so many failed handshakes in one link's name, and again, are an event


class Listener:
    """One socket: takes peers within its bounds and gives each its channel."""

    def __init__(
        self, name: str, address: tuple[str, int], limits: Limits, context: Context, server
    ):
        self.name = name
        self.door = Door(context.settings, limits)
        self._address, self._context, self._server = address, context, server
        self._socket: asyncio.Server | None = None

    def __str__(self):
        host, port = self.address
        return f"{self.name} {host}:{port}"

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the port is the system's choice when 0 was asked for."""
        return self._socket.sockets[0].getsockname()[:2]

    def allows(self, host: str) -> bool:
        """Tell whether peers at this address may come here at all."""
        return True

    def channel(self, line: Connection) -> Channel:
        """Return the channel of a new connection."""
        raise NotImplementedError

    def unproven(self, line: Connection) -> None:
        """Take notice of a connection that ended before it had proven itself."""

    def proven(self, line: Connection) -> None:
        """Take notice of a connection that has proven its link."""

    def prepare(self) -> None:
        """Read what it is served with.

        :raise SettingsError: when that cannot be used
        """

    def refresh(self, always: bool = False) -> None:
        """Read again what it is served with, where that has changed."""

    async def open(self) -> None:
        """Listen.

        :raise SettingsError: when the address cannot be had
        """
        host, port = self._address
        try:
            self._socket = await asyncio.get_running_loop().create_server(
                lambda: Connection(self._server, self._context, self), host, port, backlog=BACKLOG
            )
        except OSError as error:
            suffix = "" if self.name == "plain" else f"_{self.name.upper()}"
            raise SettingsError(
                f"acrel_link: {host}:{port} of ACREL_LINK_LISTEN{suffix} cannot be listened on: "
                f"{error.strerror or error}."
            ) from error

    def close(self) -> None:
        """Take no new peers."""
        if self._socket is not None:
            self._socket.close()


class PlainListener(Listener):
    """For loopback and listed networks."""

    def allows(self, host: str) -> bool:
        """Tell whether this address is in a network that may use plain frames."""
        return self._context.settings.allows(host)

    def channel(self, line: Connection) -> Channel:
        """Return a plain channel."""
        return PlainChannel()


class TlsListener(Listener):
    """For whoever has a certificate of the operator's authority."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._files = TlsFiles(self._context.settings)

    def prepare(self) -> None:
        """Read certificate, key and authorities."""
        self._files.load()

    def refresh(self, always: bool = False) -> None:
        """Serve new connections with what the files hold now."""
        self._files.refresh(always)

    def channel(self, line: Connection) -> Channel:
        """Return the channel of a new TLS connection."""
        return TlsChannel(self._files.context, line.write, self._prove)

    def _prove(self, fingerprint: bytes, names: frozenset[str]) -> Proof:
        """Return whose certificate this is."""
        master = self._context.master
        link = master.by_id.get(self._context.keys.certificate(fingerprint))
        told = ", ".join(sorted(names)) or "no name"
        if link is None:
            claimed = next((master.links[name] for name in names if name in master.links), None)
            raise ChannelError(
                f"its certificate ({told}) stands in no link's record or was revoked",
                "certificate_refused",
                link_id=claimed and claimed.id,
            )
        if link.serial not in names:
            raise ChannelError(
                f"its certificate bears {told} and not {link.serial}, the link whose it is",
                "certificate_refused",
                link_id=link.id,
            )
        return Proof(link.id, "certificate", fingerprint=fingerprint)


_STRANGER = LinkSpec(0, "", "sealed")


class _Keys:
    """The keys of the links that may use the channel; those of others count as unknown."""

    def __init__(self, ring: KeyRing, master: Master, policy: Policy):
        self._ring, self._master, self._policy = ring, master, policy
        self.opened = ring.opened
        self.rekey_due, self.rekeyed = ring.rekey_due, ring.rekeyed

    def find(self, serial: str, version: int) -> DeviceKey | None:
        """Return a key that may be used here."""
        key = self._ring.find(serial, version)
        # a stranger is judged too, so that it takes as long
        link = self._master.by_id.get(0 if key is None else key.link_id, _STRANGER)
        refusal = self._policy.refusal(link, "sealed")
        return None if link is _STRANGER or refusal is not None else key


class SealedListener(Listener):
    """For whoever has a link's device key."""

    def __init__(self, name: str, address, limits: Limits, context: Context, server):
        super().__init__(name, address, limits, context, server)
        self.failures = Failures()
        self._sealed = SealedServer(
            _Keys(context.keys, context.master, server.policy),
            self._suites,
            lab=context.settings.lab,
            now_ms=context.clock.unix_ms,
        )

    def _suites(self, link_id: int | None) -> tuple[int, ...]:
        link = self._context.master.by_id.get(link_id)
        return (link and link.suites) or DEFAULT_PREFERENCE

    def channel(self, line: Connection) -> Channel:
        """Return the channel of a new sealed connection."""
        return SealedChannel(self._sealed, line.write, line.hold, line.key_reused)

    def prepare(self) -> None:
        """Look whether there is a root key."""
        self._context.keys.require(self.name)

    def unproven(self, line: Connection) -> None:
        """Count a handshake that failed; an event when there are many in one link's name."""
        serial = line.channel.serial
        if serial is None:
            return
        count = self.failures.failed(line.host, serial.encode())
        link = self._context.master.links.get(serial)
        if link is None:
            self._server.candidates.add(serial, "", line.peer)
        elif count % FAILURES_TOLD == 0:
            why = (
                "someone without its key may be trying, or the meter holds another key than the "
                "record: hand over a key at the bench."
            )
            if link.channel != self.name:
                why = f"the link's channel is {link.channel}."
            self._context.incidents.note(
                "handshake_failed",
                Subject(link=link.id),
                f"{count} handshakes in its name failed, the last from {line.peer}: {why}",
            )

    def proven(self, line: Connection) -> None:
        """Clear what stood against this address and serial number."""
        self.failures.proven(line.host, line.proven.serial.encode())


LISTENERS: dict[str, tuple[str, type[Listener]]] = {
    # channel: (its settings' suffix, what listens)
    "plain": ("", PlainListener),
    "tls": ("_tls", TlsListener),
    "sealed": ("_sealed", SealedListener),
}


def listeners(context: Context, server) -> list[Listener]:
    """Return the listeners that the settings name."""
    made: list[Listener] = []
    for name, (suffix, kind) in LISTENERS.items():
        address = getattr(context.settings, f"listen{suffix}")
        if address is not None:
            limits = getattr(context.settings, f"limits{suffix}")
            made.append(kind(name, address, limits, context, server))
    return made
