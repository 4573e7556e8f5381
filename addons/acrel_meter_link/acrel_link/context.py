"""What the parts of one link process share."""

from dataclasses import dataclass, field
from time import monotonic

from .clock import Clock
from .database import Database
from .freezes import Newest
from .incidents import Incidents
from .keys.desk import KeyDesk
from .keys.ring import KeyRing
from .master import Master
from .polls import Polls
from .settings import Settings
from .store import Writer


@dataclass
class Counters:
    """What the worker's row and the log tell."""

    connections: int = 0
    refused: int = 0


@dataclass
class Vitals:
    """Signs of life (monotonic seconds) that the loop leaves for whoever watches it."""

    ticked: float = field(default_factory=monotonic)
    """When the loop last went round."""
    swept: float = field(default_factory=monotonic)
    """When the database last answered a sweep."""

    def stood_still(self, lease: float) -> bool:
        """Tell whether the process did not run for longer than it may own its links unseen.

        Another one may own them by now, so nothing may be sent any more on what is open.
        """
        return monotonic() - self.ticked > lease


@dataclass
class Context:
    """Settings, time, the writer, the other database connections, events, master data."""

    settings: Settings
    clock: Clock
    writer: Writer
    control: Database
    """What a command waits for: wanted states and claims of attempts."""
    keeping: Database
    """What nothing waits for: sweeps, leases, master data."""
    incidents: Incidents
    master: Master
    polls: Polls
    keys: KeyRing
    key_desk: KeyDesk
    counters: Counters = field(default_factory=Counters)
    newest_months: Newest = field(default_factory=Newest)
    vitals: Vitals = field(default_factory=Vitals)
    worker_id: int | None = None
