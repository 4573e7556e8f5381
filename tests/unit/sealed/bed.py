"""A server's side and a meter's side of the sealed channel, joined by a line that tests may cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from acrel_link.frames import Frame
from acrel_link.keys.check import check_value
from acrel_link.sealed.device import Device, DeviceSession
from acrel_link.sealed.server import Server, ServerSession
from acrel_link.sealed.store import MemoryStore, Slot
from acrel_link.sealed.suites import SUITES

SERIAL = "12307210720085"
KEY, NEXT_KEY = bytes(range(32)), bytes(range(32, 64))
LINK = 1
START_MS = 1_790_000_000_000


@dataclass
class Key:
    """A device key as the server keeps it."""

    link_id: int
    serial: str
    version: int
    key: bytes = field(repr=False)
    boot_counter: int = 0


@dataclass
class Order:
    """A next key that waits for its answer."""

    version: int
    key: bytes = field(repr=False)
    current: Key


class Ring:
    """The server's keys by the rules of rotation, in memory; the same object is "the database"."""

    def __init__(self, *keys: Key):
        self.keys = {(key.serial, key.version): key for key in keys}
        self.orders: dict[int, Order] = {}
        self.answered: list[int] = []
        self.found = 0

    def find(self, serial: str, version: int) -> Key | None:
        self.found += 1
        return self.keys.get((serial, version))

    def opened(self, key: Key, boot_counter: int, refused: Callable[[], None] | None) -> None:
        key.boot_counter = boot_counter
        for place, other in list(self.keys.items()):
            if other.link_id == key.link_id and other.version < key.version:
                del self.keys[place]  # retired: the meter has shown that it has the newer one
                self.orders.pop(key.link_id, None)

    def rekey_due(self, link_id: int) -> Order | None:
        order = self.orders.get(link_id)
        return None if order is None or order.version in self.answered else order

    def rekeyed(self, link_id: int, version: int, kcv: bytes) -> bool:
        order = self.orders.get(link_id)
        if order is None or order.version != version:
            return False
        if kcv != check_value(order.key, order.current.serial):
            return False
        self.answered.append(version)
        return True

    def order(self, link_id: int, serial: str, version: int, key: bytes) -> None:
        """Store a next key: from now on both versions are accepted."""
        current = next(known for known in self.keys.values() if known.link_id == link_id)
        self.keys[serial, version] = Key(link_id, serial, version, key)
        self.orders[link_id] = Order(version, key, current)

    def revoke(self, serial: str) -> None:
        self.keys = {place: key for place, key in self.keys.items() if key.serial != serial}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Line:
    """A connection whose bytes wait until a test moves them."""

    def __init__(self, server: Server, device: Device, **hooks):
        self.up: list[bytes] = []
        self.down: list[bytes] = []
        self.served: list[Frame] = []
        self.obeyed: list[Frame] = []
        self.server: ServerSession = server.session(self.down.append, **hooks)
        self.device: DeviceSession = device.connect(self.up.append)

    def move_up(self) -> None:
        """Let the server have what waits."""
        waiting, self.up[:] = b"".join(self.up), []
        self.served += self.server.feed(waiting)

    def move_down(self) -> None:
        """Let the meter have what waits."""
        waiting, self.down[:] = b"".join(self.down), []
        self.obeyed += self.device.feed(waiting)

    def settle(self) -> None:
        """Move bytes until none waits."""
        while self.up or self.down:
            self.move_up()
            self.move_down()

    def tell(self, command: int, body: bytes = b"") -> list[Frame]:
        """Send an unguarded frame down, and return what the meter made of it."""
        self.down.append(self.server.frame(command, body))
        before = len(self.obeyed)
        self.move_down()
        return self.obeyed[before:]

    def report(self, command: int, body: bytes = b"") -> list[Frame]:
        """Send a frame up, and return what the server made of it."""
        self.up.append(self.device.frame(command, body))
        before = len(self.served)
        self.move_up()
        return self.served[before:]


class Bed:
    """One meter that the server knows, and what lasts over their connections."""

    def __init__(
        self,
        suites: Sequence[int] = (0x01,),
        offered: Sequence[int] = tuple(SUITES),
        version: int = 7,
        lab: bool = False,
    ):
        self.clock = Clock()
        self.ring = Ring(Key(LINK, SERIAL, version, KEY))
        self.server = Server(
            self.ring,
            lambda link_id: suites,
            lab=lab,
            now_ms=lambda: START_MS + int((self.clock() - 1000) * 1000),
        )
        self.store = MemoryStore(SERIAL, Slot(version, KEY))
        self.offered = offered
        self.device = self.power_up()

    def power_up(self) -> Device:
        """Start the meter anew: it has only what its store kept."""
        self.device = Device(self.store, suites=self.offered, monotonic=self.clock)
        return self.device

    def connect(self, **hooks) -> Line:
        """Return a new connection, whose hello waits."""
        return Line(self.server, self.device, **hooks)

    def open(self) -> Line:
        """Return a connection that both sides have opened."""
        line = self.connect()
        line.settle()
        assert line.server.key is not None
        assert line.device.is_open
        return line
