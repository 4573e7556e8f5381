"""What the link knows of links, meters, outputs and their wanted states, kept from the database.

Everything is held in memory, so that meters register, are polled and are guarded while PostgreSQL
is away.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from .database import Database
from .errors import ProfileError
from .profiles import Profile, profile

log = logging.getLogger(__name__)

CLOSE_LIMIT = timedelta(seconds=30)
WAKE_BACK, SWEEP_BACK = 2.0, 60.0


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """A contactor on a digital output of a meter."""

    id: int
    number: int
    feedback_input: int


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """A meter behind a link."""

    id: int
    slave: int
    profile: Profile
    outputs: tuple[OutputSpec, ...] = ()
    role: str = "load"
    poll_seconds: int = 0
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A communication identity and the meters that speak through it."""

    id: int
    serial: str
    channel: str
    meters: tuple[MeterSpec, ...] = ()
    suites: tuple[int, ...] = ()
    """The suites of the channel sealed that it prefers, first one first; empty: the usual ones"""
    plain_allowed_at: datetime | None = None
    """When an operator last allowed the plain channel in its name"""
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an output shall be: a row of acrel_output_wanted."""

    output_id: int
    change: int
    revision: int
    wanted: str
    reason: str
    wanted_at: datetime
    close_before: datetime | None
    guard_energy: int | None
    guard_until: datetime | None
    on_doubt: str

    @property
    def closed(self) -> bool:
        """Whether the output shall be closed."""
        return self.wanted == "closed"

    @property
    def close_limit(self) -> datetime:
        """After this moment the close is never sent."""
        return self.close_before or self.wanted_at + CLOSE_LIMIT


@dataclass(slots=True)
class Live:
    """What an output is: the columns of acrel_output_live that the link writes."""

    state: str = "unknown"
    relay: bool | None = None
    feedback: bool | None = None
    observed_at: datetime | None = None
    confirmed_revision: int | None = None
    confirmed_at: datetime | None = None
    close_revision: int | None = None
    close_register: int | None = None
    close_read_at: datetime | None = None
    open_revision: int | None = None
    open_register: int | None = None
    open_read_at: datetime | None = None
    guard_register: int | None = None
    guard_tripped: str | None = None
    guard_tripped_at: datetime | None = None
    error: str | None = None
    error_at: datetime | None = None


WANTED_COLUMNS = ", ".join(Wanted.__slots__)
LIVE_COLUMNS = tuple(Live.__slots__)

FINGERPRINT = """
SELECT (SELECT coalesce(sum(hashtextextended(
                   concat_ws('|', id, serial, active, channel, suites, plain_allowed_at,
                             address), 0)), 0)
          FROM acrel_link)
     , (SELECT coalesce(sum(hashtextextended(
                   concat_ws('|', id, link_id, slave_address, profile, active, role,
                             poll_seconds, serial), 0)), 0)
          FROM acrel_meter)
     , (SELECT coalesce(sum(hashtextextended(
                   concat_ws('|', id, meter_id, number, feedback_input, active), 0)), 0)
          FROM acrel_output)
"""
LINKS = """
SELECT id, serial, channel, coalesce(suites, ''), plain_allowed_at, address
  FROM acrel_link WHERE active AND serial IS NOT NULL
"""
SECURED = "SELECT link_id, secured_at FROM acrel_link_live WHERE secured_at IS NOT NULL"
METERS = """
SELECT id, link_id, slave_address, profile, role, coalesce(poll_seconds, 0), serial
  FROM acrel_meter WHERE active AND link_id IS NOT NULL ORDER BY id
"""
OUTPUTS = """
SELECT id, meter_id, number, coalesce(feedback_input, 0) FROM acrel_output WHERE active
ORDER BY meter_id, number
"""


@dataclass
class Master:
    """The cache; `on_links` and `on_wanted` are told what changed."""

    control: Database
    keeping: Database
    links: dict[str, LinkSpec] = field(default_factory=dict)
    """By serial number"""
    by_id: dict[int, LinkSpec] = field(default_factory=dict)
    secured: dict[int, datetime] = field(default_factory=dict)
    """When each link last completed a secured channel"""
    wanted: dict[int, Wanted] = field(default_factory=dict)
    live: dict[int, Live] = field(default_factory=dict)
    changes: dict[int, int] = field(default_factory=dict)
    """The change number that each output's live row had when it was loaded."""
    registers: dict[int, int] = field(default_factory=dict)
    """The highest billing register seen of each meter."""
    on_links: Callable[[], None] = field(default=lambda: None)
    on_wanted: Callable[[list[int]], None] = field(default=lambda changed: None)
    _serials: dict[int, str] = field(default_factory=dict)
    _fingerprint: tuple | None = None
    _marks: deque = field(default_factory=deque)

    async def load(self) -> None:
        """Read everything, at the start of the process."""
        await self._load_live()
        await self.refresh_links()
        await self.refresh_wanted(whole=True)

    async def _load_live(self) -> None:
        """Read once what this process itself writes from now on."""
        rows = await self.keeping.fetch(
            f"SELECT output_id, change, {', '.join(LIVE_COLUMNS)} FROM acrel_output_live"
        )
        self.live = {row[0]: Live(*row[2:]) for row in rows}
        self.changes = {row[0]: row[1] for row in rows}
        rows = await self.keeping.fetch(
            "SELECT meter_id, e_forward FROM acrel_meter_live WHERE e_forward IS NOT NULL"
        )
        self.registers = dict(rows)

    async def refresh_links(self) -> None:
        """Read links, meters and outputs again when any of them changed."""
        fingerprint = (await self.keeping.fetch(FINGERPRINT))[0]
        if fingerprint == self._fingerprint:
            return
        links = await self.keeping.fetch(LINKS)
        meters = await self.keeping.fetch(METERS)
        outputs = await self.keeping.fetch(OUTPUTS)
        models = {meter_id: _model(meter_id, name) for meter_id, _, _, name, *_ in meters}
        of_meter: dict[int, list[OutputSpec]] = {}
        for output_id, meter_id, number, feedback_input in outputs:
            model = models.get(meter_id)
            if model is not None and int(number) in model.outputs:
                feedback = int(feedback_input) if model.inputs else 0
                spec = OutputSpec(output_id, int(number), feedback)
                of_meter.setdefault(meter_id, []).append(spec)
        of_link: dict[int, list[MeterSpec]] = {}
        for meter_id, link_id, slave, _, role, poll_seconds, serial in meters:
            if (model := models[meter_id]) is not None:
                contactors = tuple(of_meter.get(meter_id, ()))
                spec = MeterSpec(meter_id, slave, model, contactors, role, poll_seconds, serial)
                of_link.setdefault(link_id, []).append(spec)
        self.links = {
            serial: LinkSpec(
                link_id,
                serial,
                channel,
                tuple(of_link.get(link_id, ())),
                _suites(suites),
                allowed,
                address,
            )
            for link_id, serial, channel, suites, allowed, address in links
        }
        self.by_id = {link.id: link for link in self.links.values()}
        self._serials = {
            meter.id: meter.serial or link.serial
            for link in self.links.values()
            for meter in link.meters
        }
        for link_id, secured_at in await self.keeping.fetch(SECURED):
            self.secured[link_id] = max(secured_at, self.secured.get(link_id, secured_at))
        self._fingerprint = fingerprint
        log.info("%d links, %d meters, %d outputs are known.", *map(len, (links, meters, outputs)))
        self.on_links()

    async def refresh_wanted(self, sweep: bool = False, whole: bool = False) -> None:
        """Read the wanted states that changed.

        Change numbers are drawn before their transactions commit, so a smaller one may appear
        after a greater one: rows are read from where the marks stood two seconds ago, and the
        sweep, which reads from an older mark, and now and then all, catches what took longer.
        """
        rows = await self.control.fetch(
            f"SELECT {WANTED_COLUMNS} FROM acrel_output_wanted WHERE change > %s",
            [-1 if whole else self._since(SWEEP_BACK if sweep else WAKE_BACK)],
        )
        changed = []
        for row in rows:
            wanted = Wanted(*row)
            if self.wanted.get(wanted.output_id) != wanted:
                self.wanted[wanted.output_id] = wanted
                changed.append(wanted.output_id)
        self._marks.append((monotonic(), max((row[1] for row in rows), default=-1)))
        while len(self._marks) > 1 and self._marks[1][0] < monotonic() - 2 * SWEEP_BACK:
            self._marks.popleft()
        if changed:
            self.on_wanted(changed)

    def _since(self, seconds: float) -> int:
        """Return the greatest change number seen that long ago."""
        limit = monotonic() - seconds
        return max((mark for at, mark in self._marks if at <= limit), default=-1)

    def serial_of(self, link_id: int | None, meter_id: int | None) -> str:
        """Return the serial number of a meter, else of a link; empty where neither is known."""
        link = self.by_id.get(link_id)
        return self._serials.get(meter_id) or (link.serial if link else "")

    def live_of(self, output_id: int) -> Live:
        """Return the record of an output's observed state."""
        return self.live.setdefault(output_id, Live())


def _model(meter_id: int, name: str) -> Profile | None:
    """Return a meter's profile; None where the link process does not know it."""
    try:
        return profile(name)
    except ProfileError as error:
        log.error("Meter %d is neither read nor switched: %s", meter_id, error)
        return None


def _suites(text: str) -> tuple[int, ...]:
    """Return the suites in a preference such as '11,01', in its order."""
    return tuple(int(part, 16) for part in text.replace(",", " ").split())
