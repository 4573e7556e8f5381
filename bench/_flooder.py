"""A stranger at another address: hellos in unknown names, and garbage, so many a second.

_flooder.py HOST PORT PER_SECOND SECONDS    prints how many connections it tried
"""

import asyncio
import contextlib
import os
import random
import sys

import uvloop

from acrel_link.sealed import wire
from acrel_link.serials import build_serial

ADDRESS = "127.0.0.2"
AT_ONCE = 1000  # connections that it leaves open, waiting for an answer
STEP = 0.01


class Stranger(asyncio.Protocol):
    """One connection: says its piece and waits until it is cut, or gives up."""

    def __init__(self, said: bytes, waiting: set):
        self._said, self._waiting = said, waiting

    def connection_made(self, transport) -> None:
        """Say it."""
        self._transport = transport
        self._waiting.add(self)
        transport.write(self._said)

    def connection_lost(self, error) -> None:
        """Be forgotten."""
        self._waiting.discard(self)

    def give_up(self) -> None:
        """Close."""
        self._transport.abort()


def _piece(number: int) -> bytes:
    if number % 2:
        return os.urandom(200)
    hello = wire.build_hello(
        build_serial(f"97{random.randrange(10**12):012}"),
        1,
        0b1,
        number + 1,
        os.urandom(8),
        wire.NO_SHARE,
    )
    return wire.enclose(hello)


async def flood(host: str, port: int, per_second: float, seconds: float) -> int:
    """Connect so often; return how many connections were tried."""
    loop = asyncio.get_running_loop()
    waiting: set[Stranger] = set()
    trying: set[asyncio.Task] = set()
    tried, begin = 0, loop.time()

    async def call(said: bytes) -> None:
        with contextlib.suppress(OSError):
            await loop.create_connection(
                lambda: Stranger(said, waiting), host, port, local_addr=(ADDRESS, 0)
            )

    while (passed := loop.time() - begin) < seconds:
        while tried < passed * per_second:
            task = loop.create_task(call(_piece(tried)))
            trying.add(task)
            task.add_done_callback(trying.discard)
            tried += 1
        while len(waiting) > AT_ONCE:
            next(iter(waiting)).give_up()
            await asyncio.sleep(0)
        await asyncio.sleep(STEP)
    for task in list(trying):
        task.cancel()
    return tried


if __name__ == "__main__":
    host, port, per_second, seconds = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(flood(host, int(port), float(per_second), float(seconds))))
