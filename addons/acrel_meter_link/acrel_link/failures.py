"""Handshakes that failed before their peer proved itself.

They are counted by address and serial number and only slow down what comes next from that pair:
five at once, then one a minute is answered at once and the others wait for `HOLD` seconds. So
nobody is shut out, neither by failures elsewhere nor by those at the same address.
"""

import time
from collections.abc import Callable

AT_ONCE = 5
MINUTE = 60.0
HOLD = 10.0  # s; a meter waits longer for its answer
MOST = 20_000  # pairs remembered, and serial numbers


class Failures:
    """Counts; a valid proof clears what stands against its pair. Serials are as on the wire."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        # by address and serial: how many are answered at once, and when that was reckoned
        self._pairs: dict[tuple[str, bytes], tuple[float, float]] = {}
        self._serials: dict[bytes, int] = {}

    def hold(self, host: str, serial: bytes) -> float:
        """Return for how many seconds the answer to a hello is held back."""
        return 0.0 if self._left((host, serial)) >= 1 else HOLD

    def failed(self, host: str, serial: bytes) -> int:
        """Count one; return how many there were in the serial's name since it last succeeded."""
        pair = (host, serial)
        left = max(self._left(pair) - 1, 0.0)
        self._pairs.pop(pair, None)  # so that the order is that of the last failure
        self._pairs[pair] = (left, self._clock())
        _trim(self._pairs)
        count = self._serials.pop(serial, 0) + 1
        self._serials[serial] = count
        _trim(self._serials)
        return count

    def proven(self, host: str, serial: bytes) -> None:
        """Clear what stands against a pair that has proven itself."""
        self._pairs.pop((host, serial), None)
        self._serials.pop(serial, None)

    def _left(self, pair: tuple[str, bytes]) -> float:
        if pair not in self._pairs:
            return float(AT_ONCE)
        left, at = self._pairs[pair]
        return min(left + (self._clock() - at) / MINUTE, AT_ONCE)


def _trim(table: dict) -> None:
    if len(table) > MOST:
        del table[next(iter(table))]
