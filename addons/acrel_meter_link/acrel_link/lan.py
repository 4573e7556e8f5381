"""One bus of LAN meters that this process polls: connected, lost and connected again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from . import rtu
from .answers import Answers
from .context import Context
from .database import Backoff
from .errors import WriteRefusedError
from .incidents import Subject
from .lan_address import split_address
from .lan_requests import LanRequests, connect
from .line import owns, units_of
from .master import LinkSpec
from .rota import own_place
from .unit import Unit

if TYPE_CHECKING:
    from .server import Server

log = logging.getLogger(__name__)

MISSED_LIMIT = 3  # requests in a row that nobody on the bus answered end a connection

ONLINE = """
UPDATE acrel_link_live SET online = true, connected_at = %s, seen_at = %s, closed_at = NULL
 WHERE link_id = %s AND epoch = %s
"""
OFFLINE = """
UPDATE acrel_link_live SET online = false, closed_at = %s
 WHERE link_id = %s AND epoch = %s
"""


class LanLine:
    """A bus under this process's lease; its meters are reached while it is connected."""

    entrusted = None  # no meter agent is behind it

    def __init__(self, server: Server, context: Context, link: LinkSpec, epoch: int):
        self.link, self.epoch = link, epoch
        self.closed = False
        self.requests: LanRequests | None = None
        self._server, self._context = server, context
        self._loop = asyncio.get_running_loop()
        self._units: dict[int, Unit] = {}
        self._client = None
        self._answered = False  # on the present connection
        self._answered_at = context.clock.now()
        self._lost = asyncio.Event()
        settings = context.settings
        self.answers = Answers(self._instruct, settings.lan_timeout)
        self._backoff = Backoff(settings.retry_first, settings.retry_last)
        self._task = self._loop.create_task(self._run())

    def __str__(self):
        return f"{self.link.serial} at {self.link.address}"

    @property
    def about(self) -> dict[str, str]:
        """Whose it is, for the log."""
        return {"serial": self.link.serial, "peer": self.link.address}

    @property
    def seen_at(self) -> datetime:
        """When a meter answered last."""
        return self._answered_at

    @property
    def units(self) -> Iterable[Unit]:
        """The meters on it, while it is connected."""
        return self._units.values()

    @property
    def _subject(self) -> Subject:
        return Subject(link=self.link.id)

    # === Its life === #

    async def _run(self) -> None:
        # buses of one site do not all come back in the same moment
        await asyncio.sleep(own_place(self.link.id) * self._context.settings.retry_first)
        while True:
            try:
                problem = await self._serve()
            except Exception:
                # a mistake of ours must not keep its contactors closed: it is tried again
                log.exception("%s", self)
                problem = "The link process made a mistake, see its log."
            self._let_go()
            self._context.incidents.begin(
                "bus_unreachable", self._subject, f"{self.link.address}: {problem}"
            )
            await asyncio.sleep(self._backoff.next())

    async def _serve(self) -> str:
        """Connect and poll the meters; return what ended it."""
        settings = self._context.settings
        self._lost.clear()
        self._answered = False
        host, _ = split_address(self.link.address)
        if not settings.allows_lan(host):
            return "The address is in no network of ACREL_LINK_LAN_NETWORKS."
        self._client = await connect(
            self.link.channel, self.link.address, settings.lan_timeout, self._told
        )
        if self._client is None:
            return "It takes no connection."
        self.requests = LanRequests(self._client, settings.lan_timeout, self._allowed)
        self.requests.on_answer, self.requests.on_miss = self._heard, self._missed
        log.info("%s: connected.", self)
        self.bind(self.link)
        await self._lost.wait()
        return "No meter answers any more, or the connection was cut."

    def _told(self, connected: bool) -> None:
        if not connected:
            self._lost.set()

    def _heard(self) -> None:
        self._answered_at = self._context.clock.now()
        if not self._answered:
            self._answered = True
            self._backoff.reset()
            self._context.incidents.end("bus_unreachable", self._subject)
            now = self._answered_at
            self._show(ONLINE, (now, now))

    def _show(self, sql: str, times: tuple[datetime, ...]) -> None:
        """Write whether the bus is connected; of what waits for PostgreSQL only the last counts."""
        self._context.writer.execute(
            sql,
            (*times, self.link.id, self.epoch),
            urgent=True,
            newest=("bus", self.link.id),
        )

    def _missed(self) -> None:
        """Ask the next meter whether the bus is alive; when no meter is, connect anew."""
        left = [slave for slave in self._units if slave not in self.requests.in_vain]
        if left:
            start, _ = self._units[left[0]].profile.billing[0]
            request = rtu.read_request(left[0], start, 1)
            self.requests.submit(request, lambda data, error: None, urgent=True)
        elif self.requests.missed >= MISSED_LIMIT:
            self._lost.set()

    def _let_go(self) -> None:
        """Let go of the connection and of the meters on it."""
        for unit in self._units.values():
            unit.stop()
        self._units = {}
        if self.requests is not None:
            self.requests.close()
        if self._client is not None:
            self._client.close()
            self._client = None
            log.info("%s: closed.", self)
        if self._answered:
            self._answered = False
            now = self._context.clock.now()
            self._show(OFFLINE, (now,))

    def bind(self, link: LinkSpec) -> None:
        """Take the meters that are on the bus now."""
        for unit in self._units.values():
            unit.stop()
        self.link = link
        self._units = {}
        if self._client is not None:
            self._units = units_of(self, link, self._server, self._context)
            for unit in self._units.values():
                unit.start()

    def _instruct(self, command: int, body: bytes) -> bool:
        """Refuse a command for a wireless module."""
        raise WriteRefusedError(
            "Nothing was sent: a meter of the local network has no wireless module to configure."
        )

    def cut(self, reason: str) -> None:
        """End for good."""
        if not self.closed:
            log.info("%s: ended, %s.", self, reason)
            self.closed = True
            self._task.cancel()
            self._let_go()

    # === Its lease === #

    def _allowed(self) -> bool:
        """Tell whether a request may be sent; after a standstill another may own the bus."""
        return self._server.still_owns() and not self.closed

    def lost_epoch(self) -> None:
        """Another process owns the bus now: this one sends nothing any more."""
        self.cut("another process has taken over its link")

    async def check_epoch(self) -> None:
        """Ask the database whether this process still owns the bus."""
        if not await owns(self, self._context):
            self.lost_epoch()
