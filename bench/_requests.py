"""Requests prepared as bytes and fired at one HTTP worker, a connection each."""

import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

CONNECTIONS = 2  # so that the worker never waits for us


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


def prepare(url: str, body: str | bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Give the bytes of a request: POST with a body, else GET."""
    parts = urlsplit(url)
    data = body.encode() if isinstance(body, str) else body
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    own = {"host": parts.netloc, "connection": "close", "content-length": str(len(data))}
    kept = {name: value for name, value in (headers or {}).items() if name.lower() not in own}
    lines = [f"{name}: {value}" for name, value in {**own, **kept}.items()]
    head = "\r\n".join([f"{'POST' if data else 'GET'} {path} HTTP/1.1", *lines, "", ""])
    return head.encode() + data


def fire(port: int, requests: Sequence[bytes]) -> tuple[float, list[Answer]]:
    """Send all, some at a time; return the seconds that took and the answers."""
    answers: list[Answer | None] = [None] * len(requests)
    todo = iter(enumerate(requests))
    turn = threading.Lock()

    def work() -> None:
        while True:
            with turn:
                number, request = next(todo, (None, None))
            if request is None:
                return
            answers[number] = _ask(port, request)

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin, [answer or Answer(0, b"") for answer in answers]


def _ask(port: int, request: bytes) -> Answer:
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    return Answer(int(head.split(b" ", 2)[1]), body)
