"""One simulator for all tests of it, made well again before each."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest

from gateways.alipay.gateway import AlipayGateway
from gateways.server import Server

from .app import App


@pytest.fixture(scope="session")
def server():
    server = Server(AlipayGateway())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def registered(server):
    return App(server.gateway.address, "2021000000000001", seller_id="2088000000000011")


@pytest.fixture
def app(registered):
    yield registered
    registered.control("POST", "clock", offset_seconds=0)
    registered.control("POST", "refunds/policy", automatic=True)
    registered.control("POST", "notifications/mode", mode="automatic", speed=1.0, delay=0, repeat=1)
    registered.http("DELETE", "/_control/faults")


class Shop(ThreadingHTTPServer):
    """A merchant's server that is notified; it answers what `answers` says, then success."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/notify"
        self.answers: list[bytes] = []
        self.forms: list[dict[str, str]] = []
        self.came = threading.Condition()

    def wait(self, count: int) -> list[dict[str, str]]:
        """Wait until so many notifications came."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.forms) >= count, 10), self.forms
            return list(self.forms)


class _Handler(BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self):
        charset = self.headers.get_content_charset()
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with self.server.came:
            self.server.forms.append(dict(parse_qsl(body, encoding=charset)))
            answer = self.server.answers.pop(0) if self.server.answers else b"success"
            self.server.came.notify_all()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def shop():
    shop = Shop()
    thread = threading.Thread(target=shop.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield shop
    shop.shutdown()
    shop.server_close()
