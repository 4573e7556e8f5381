"""A gateway that runs in the test's process, a hand on its control API, and a merchant's shop."""

import contextlib
import http.client
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from gateways.gateway import Gateway
from gateways.server import Server

PATIENCE = 10.0


@dataclass
class Heard:
    """A request that the shop received."""

    path: str
    headers: Message
    body: bytes


@dataclass
class Answered:
    """An answer to a request of the test."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.body)


def send(
    address: str, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Answered:
    """Send one request on a connection of its own."""
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=PATIENCE)
    try:
        connection.request(method, target, body or None, headers or {})
        answer = connection.getresponse()
        return Answered(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


class Control:
    """The control API of a running gateway."""

    def __init__(self, address: str):
        self.address = address

    def __call__(self, method: str, path: str, expect: int = 200, /, **values: Any) -> Any:
        """Ask for something and return what is told, of which the status is checked."""
        body = json.dumps(values).encode() if values else b""
        answer = send(self.address, method, f"/_control/{path}", body)
        assert answer.status == expect, answer.body.decode()
        return answer.json


@contextlib.contextmanager
def serving(gateway: Gateway) -> Iterator[Control]:
    """Serve a gateway while the test runs."""
    server = Server(gateway)
    server.start()
    try:
        yield Control(gateway.address)
    finally:
        server.stop()


def eventually(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Wait until a condition holds, and return what it gave."""
    end = time.monotonic() + patience
    while not (result := condition()):
        assert time.monotonic() < end, "what the test waits for did not come"
        time.sleep(0.005)
    return result


@dataclass
class Shop:
    """A merchant's server: it hears notifications and answers as it is told."""

    address: str = ""
    heard: list[Heard] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """What to answer, one after the other; 200 after that."""
    answer: bytes = b""


@contextlib.contextmanager
def shop() -> Iterator[Shop]:
    """Open a shop while the test runs."""
    opened = Shop()

    class Counter(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = opened.statuses.pop(0) if opened.statuses else 200
            opened.heard.append(Heard(self.path, self.headers, body))
            self.send_response(status)
            self.send_header("Content-Length", str(len(opened.answer)))
            self.end_headers()
            self.wfile.write(opened.answer)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counter)
    server.daemon_threads = True
    opened.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield opened
    finally:
        server.shutdown()
        server.server_close()
