"""The HTTP server: keep-alive, a thread a connection, loopback only."""

import http.server
import socket
import sys
import threading
import time
import traceback

from . import cashier, control, faults
from .gateway import Gateway
from .messages import Answer, Request

LARGEST_BODY = 4 << 20
IDLE = 75.0
"""Seconds after which a silent connection is closed."""


class Server(http.server.ThreadingHTTPServer):
    """Serve one gateway."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, gateway: Gateway, port: int = 0):
        super().__init__(("127.0.0.1", port), _Handler)
        self.gateway = gateway
        gateway.address = f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        """Serve in threads of its own, and begin to notify."""
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()
        self.gateway.notifier.start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self.gateway.stopping.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: socket.socket, client_address: tuple) -> None:
        """Say what went wrong, unless the other side has merely gone."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            traceback.print_exc()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "gateway-simulator"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE

    def _serve(self) -> None:
        gateway = self.server.gateway
        request = self._read()
        if request is None:
            return
        try:
            answer = self._answer(gateway, request)
        except Exception:
            traceback.print_exc()
            answer = Answer.json({"error": "The simulator failed; see its log."}, 500)
        self._note(request, answer)
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._write(answer)
        if answer.then:
            answer.then()

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def _answer(self, gateway: Gateway, request: Request) -> Answer | None:
        if request.path.startswith(control.PREFIX):
            return control.answer(gateway, request)
        if request.path == cashier.PREFIX or request.path.startswith(cashier.PREFIX + "/"):
            return cashier.answer(gateway, request)
        return faults.answer(gateway, request)

    def _read(self) -> Request | None:
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding"):
            return self._refuse(411)
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            return self._refuse(413)
        return Request(self.command, self.path, self.headers, self.rfile.read(int(length)))

    def _refuse(self, status: int) -> None:
        """Answer without reading the body, so that the connection must end."""
        self.close_connection = True
        self._write(Answer(status, b"", {"Connection": "close"}))

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    def _note(self, request: Request, answer: Answer | None) -> None:
        if request.path.startswith(control.PREFIX):
            return
        status = answer.status if answer else 0
        gateway = self.server.gateway
        place = gateway.place_of(request)
        gateway.requests.append(
            {"method": request.method, "path": place, "status": status, "at": time.time()}
        )
        print(f"{request.method} {place} {status}", file=sys.stderr, flush=True)

    def log_message(self, format: str, *arguments) -> None:
        """Say nothing of one's own: `_note` does, without secrets in queries."""
