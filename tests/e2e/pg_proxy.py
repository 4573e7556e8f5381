"""A PostgreSQL server in whose answers no notification ever arrives."""

import contextlib
import socket
import socketserver
import struct
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

NOTIFICATION = b"A"
ENCRYPTION_REQUESTS = {80877103, 80877104}  # SSLRequest, GSSENCRequest


class _Connection(socketserver.BaseRequestHandler):
    """One client: its bytes go through as they are, the server's message by message."""

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self.server.behind)
            first = self._first_message()
            server.sendall(first)
            up = threading.Thread(target=self._copy, args=(self.request, server), daemon=True)
            up.start()
            with contextlib.suppress(OSError):
                self._filter(server)
            for end in (server, self.request):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            up.join()

    def _first_message(self) -> bytes:
        """Refuse encryption, as a server without it does, and return the start-up message."""
        while True:
            (length,) = struct.unpack("!I", head := _exactly(self.request, 4))
            message = head + _exactly(self.request, length - 4)
            if struct.unpack("!I", message[4:8])[0] not in ENCRYPTION_REQUESTS:
                return message
            self.request.sendall(b"N")

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _filter(self, server: socket.socket) -> None:
        """Pass on messages (type, length, body) except notifications."""
        buffer = bytearray()
        while data := server.recv(65536):
            buffer += data
            passed = bytearray()
            while len(buffer) >= 5:
                size = 1 + struct.unpack_from("!I", buffer, 1)[0]
                if len(buffer) < size:
                    break
                if buffer[:1] == NOTIFICATION:
                    self.server.dropped += 1
                else:
                    passed += buffer[:size]
                del buffer[:size]
            if passed:
                self.request.sendall(passed)


class PgProxy(socketserver.ThreadingUnixStreamServer):
    """Listens in a folder that libpq takes as a host; counts what it `dropped`."""

    daemon_threads = True

    def __init__(self, folder: Path, behind: Path):
        self.behind = str(behind)
        self.dropped = 0
        super().__init__(str(folder / behind.name), _Connection)


@contextlib.contextmanager
def deaf_server(host: str, port: int) -> Iterator[tuple[str, PgProxy]]:
    """Give a host through which the server of a socket folder is reached without notifications."""
    # Its path must stay below 108 bytes, so it is not in the test's own folder.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        proxy = PgProxy(Path(folder), Path(host) / f".s.PGSQL.{port}")
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield folder, proxy
        finally:
            proxy.shutdown()
            proxy.server_close()
            thread.join()


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = source.recv(size - len(data))
        if not part:
            raise ConnectionError("the client is gone")
        data += part
    return data
