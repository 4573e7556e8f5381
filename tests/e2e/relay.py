"""A TCP relay: a line that can be cut, or a balancer before several listeners."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator

from house.settings import LOOPBACK

Address = tuple[str, int]


class _Pair(socketserver.BaseRequestHandler):
    """One connection and its continuation; when either end goes, both go."""

    def handle(self) -> None:
        behind = self.server.reach()
        if behind is None:
            return
        with behind:
            ends = self.request, behind
            self.server.pairs.add(ends)
            if self.server.away:  # cut meanwhile
                _end(ends)
            up = threading.Thread(target=_copy, args=ends, daemon=True)
            up.start()
            _copy(behind, self.request)
            _end(ends)
            up.join()
            self.server.pairs.discard(ends)


class Relay(socketserver.ThreadingTCPServer):
    """Hands each connection to the next of its targets that takes it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *targets: Address):
        self.targets = list(targets)
        self.pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.away = False
        self._turn = 0
        super().__init__((LOOPBACK, 0), _Pair)

    def cut(self) -> None:
        """End every connection, and take none until `mend`."""
        self.away = True
        for ends in list(self.pairs):
            _end(ends)

    def mend(self) -> None:
        """Take connections again."""
        self.away = False

    def reach(self) -> socket.socket | None:
        """Connect to the next target that answers; None when the line is away or none does."""
        if self.away:
            return None
        self._turn += 1
        for number in range(len(self.targets)):
            target = self.targets[(self._turn + number) % len(self.targets)]
            with contextlib.suppress(OSError):
                return socket.create_connection(target, 5)
        return None


@contextlib.contextmanager
def relay(*targets: Address) -> Iterator[Relay]:
    """Run a relay before these targets; its `server_address` is where to connect to."""
    server = Relay(*targets)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.cut()
        server.shutdown()
        server.server_close()
        thread.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        source.settimeout(None)
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _end(ends: tuple[socket.socket, socket.socket]) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
