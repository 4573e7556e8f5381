"""Who stands at a listener before having proven anything: bounded by address, so that one address
that floods costs the others nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .settings import Limits, Settings

if TYPE_CHECKING:
    from .connection import Connection

ADDRESSES = 20_000  # remembered


class _Address:
    """One address: its unfinished connections, oldest first, and what it may still begin."""

    __slots__ = ("at", "limits", "tokens", "unfinished")

    def __init__(self, limits: Limits, now: float):
        self.limits = limits
        self.unfinished: dict[Connection, None] = {}
        self.tokens = float(limits.rate)
        self.at = now

    def may_begin(self, now: float) -> bool:
        """Take one of the connections that it may begin a second."""
        rate = self.limits.rate
        self.tokens = min(rate, self.tokens + (now - self.at) * rate)
        self.at = now
        if self.tokens < 1 or len(self.unfinished) >= self.limits.unfinished:
            return False
        self.tokens -= 1
        return True


class Door:
    """The unfinished connections of one listener."""

    def __init__(self, settings: Settings, limits: Limits):
        self._settings, self._limits = settings, limits
        self._addresses: dict[str, _Address] = {}
        self._count = 0

    def enter(self, connection: Connection, host: str, now: float) -> bool:
        """Let a new connection in, if its address may have one more."""
        address = self._addresses.get(host)
        if address is None:
            address = self._remember(host, now)
        if not address.may_begin(now):
            return False
        if self._count >= self._settings.max_unregistered and not self._make_room(address):
            return False
        address.unfinished[connection] = None
        self._count += 1
        return True

    def leave(self, connection: Connection, host: str) -> None:
        """Forget a connection that has proven itself or is gone; any other is passed over."""
        address = self._addresses.get(host)
        if address is not None and connection in address.unfinished:
            del address.unfinished[connection]
            self._count -= 1

    def _remember(self, host: str, now: float) -> _Address:
        if len(self._addresses) >= ADDRESSES:
            idle = [name for name, known in self._addresses.items() if not known.unfinished]
            for name in idle[: len(idle) // 2 + 1]:
                del self._addresses[name]
        shared = self._settings.shares(host)
        limits = self._settings.limits_shared if shared else self._limits
        address = self._addresses[host] = _Address(limits, now)
        return address

    def _make_room(self, newcomer: _Address) -> bool:
        """Cut the oldest of the address that has most, if that is not the newcomer's own."""
        most = max(self._addresses.values(), key=lambda known: len(known.unfinished))
        if len(most.unfinished) <= len(newcomer.unfinished) + 1:
            return False
        oldest = next(iter(most.unfinished))
        del most.unfinished[oldest]
        self._count -= 1
        oldest.cut("others wait at the door and its address has more unfinished than any")
        return True
