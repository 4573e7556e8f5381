"""The buses of LAN meters: which there are, and which of them this process polls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .context import Context
from .lan import LanLine
from .lan_address import LAN_CHANNELS
from .leases import Leases
from .master import LinkSpec

if TYPE_CHECKING:
    from .server import Server


class Buses:
    """Polls every bus that no other living process polls."""

    def __init__(self, server: Server, context: Context):
        self._server, self._context = server, context
        self._lines: dict[int, LanLine] = {}  # by link id
        self._ended = False
        self._taking = asyncio.Lock()

    @property
    def lines(self) -> list[LanLine]:
        """The buses under this process's lease."""
        return [line for line in self._lines.values() if not line.closed]

    def changed(self) -> None:
        """Follow the master data of the buses that are polled."""
        wanted = self._wanted()
        for link_id, line in list(self._lines.items()):
            link = wanted.get(link_id)
            if line.closed or link is None or _way(link) != _way(line.link):
                line.cut("its link is not what it was")
                del self._lines[link_id]
            elif link != line.link:
                line.bind(link)

    async def sweep(self, leases: Leases) -> None:
        """Take the buses that nobody polls."""
        async with self._taking:
            self.changed()
            wanted = self._wanted()
            free = [link for link_id, link in wanted.items() if link_id not in self._lines]
            if self._ended or not free:
                return
            for link_id, epoch in (await leases.acquire(free)).items():
                if not self._ended:
                    self._lines[link_id] = LanLine(
                        self._server, self._context, wanted[link_id], epoch
                    )

    def give_up(self, reason: str) -> None:
        """Let go of all buses; they are taken again when nobody else has them."""
        for line in self._lines.values():
            line.cut(reason)

    def close(self) -> None:
        """Let go of all buses."""
        self._ended = True
        self.give_up("the link process stops")

    def _wanted(self) -> dict[int, LinkSpec]:
        return {
            link.id: link
            for link in self._context.master.links.values()
            if link.channel in LAN_CHANNELS and link.address
        }


def _way(link: LinkSpec) -> tuple[str, str]:
    return link.channel, link.address
