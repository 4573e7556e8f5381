"""Who stands at a listener before having proven anything: bounded by address, so that one address
that floods costs the others nothing.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from .settings import Limits, Settings

if TYPE_CHECKING:
    from .connection import Connection

ADDRESSES = 20_000  # remembered
YOUNG = 3.0  # s that an unfinished connection is spared; an honest one needs less


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
        self._entered: dict[Connection, tuple[_Address, float]] = {}  # the oldest first

    def enter(self, connection: Connection, host: str, now: float) -> bool:
        """Let a new connection in, if its address may have one more."""
        name = _subnet(host)
        address = self._addresses.get(name)
        if address is None:
            address = self._remember(name, host, now)
        if not address.may_begin(now):
            return False
        full = len(self._entered) >= self._settings.max_unregistered
        if full and not self._make_room(address, now):
            return False
        address.unfinished[connection] = None
        self._entered[connection] = (address, now)
        return True

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has proven itself or is gone; any other is passed over."""
        if connection in self._entered:
            address, _ = self._entered.pop(connection)
            del address.unfinished[connection]

    def _remember(self, subnet: str, host: str, now: float) -> _Address:
        if len(self._addresses) >= ADDRESSES:
            idle = [name for name, known in self._addresses.items() if not known.unfinished]
            for name in idle[: len(idle) // 2 + 1]:
                del self._addresses[name]
        shared = self._settings.shares(host)
        limits = self._settings.limits_shared if shared else self._limits
        address = self._addresses[subnet] = _Address(limits, now)
        return address

    def _make_room(self, newcomer: _Address, now: float) -> bool:
        """Cut the oldest of the address that has most, or the oldest of all that is not young."""
        most = max(self._addresses.values(), key=lambda known: len(known.unfinished))
        if len(most.unfinished) > len(newcomer.unfinished) + 1:
            oldest = next(iter(most.unfinished))
        else:
            oldest = next(iter(self._entered))
            if now - self._entered[oldest][1] < YOUNG:
                return False
        self.leave(oldest)
        oldest.cut("it has not proven itself and others wait at the door")
        return True


def _subnet(host: str) -> str:
    """Return what counts as one address: of IPv6 the half that a peer cannot choose."""
    if ":" not in host:
        return host
    address = IPv6Address(host.partition("%")[0])
    return str(address.ipv4_mapped or address.packed[:8].hex())
