"""The control socket of a simulator in another process."""

import json
import socket
import time
from collections.abc import Callable

from house.errors import Refused
from house.settings import LOOPBACK


class Control:
    """Asks a simulator what its meters do, and tells them what to do."""

    def __init__(self, port: int, seconds: float = 30):
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._socket = socket.create_connection((LOOPBACK, port), 10)
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self._file = self._socket.makefile("rwb")

    def do(self, what: str, **arguments):
        """Send one command and return its result."""
        self._file.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
        self._file.flush()
        answer = json.loads(self._file.readline())
        if not answer["ok"]:
            raise Refused(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something; the bench fails when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Refused(f"{what} did not happen in {seconds:.0f} s.")
        time.sleep(0.05)
