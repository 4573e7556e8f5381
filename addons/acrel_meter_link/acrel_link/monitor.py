"""/metrics for Prometheus and /healthz for a balancer, on an address of their own.

They are answered by a thread, which only reads numbers, so that a hanging loop can be told.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from socketserver import ThreadingMixIn
from time import monotonic
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .context import Context
from .database import SCHEMA_VERSION

log = logging.getLogger(__name__)

LOOP_HANGS = 10.0  # s without a tick of the loop
DATABASE_AWAY = 4  # sweeps without an answer of the database
REQUEST_SECONDS = 10.0  # that a client has for its request


@dataclass
class Health:
    """What /healthz says; unhealthy means that meters should be sent elsewhere."""

    healthy: bool
    loop: bool
    database: bool
    connections: int
    pending: int
    stored: int


def loop_goes(context: Context) -> bool:
    """Tell whether the loop goes round."""
    return monotonic() - context.vitals.ticked < LOOP_HANGS


def database_answers(context: Context) -> bool:
    """Tell whether the database answered the last sweeps."""
    return monotonic() - context.vitals.swept < DATABASE_AWAY * context.settings.sweep


class Numbers(Collector):
    """The link's own numbers; names end in their unit, as Prometheus asks."""

    def __init__(self, context: Context, online: Callable[[], int]):
        self._context, self._online = context, online

    def collect(self) -> Iterator[Metric]:
        """Read everything now."""
        context, writer = self._context, self._context.writer
        counters = context.counters
        spool_bytes, spool_records, oldest = writer.spooled
        age = (context.clock.now() - oldest).total_seconds() if oldest else 0
        for name, text, value in (
            ("connections", "Open connections.", counters.connections),
            ("links_online", "Links whose identity is proven.", self._online()),
            ("pending_rows", "Readings and statements not committed yet.", writer.pending),
            ("commit_lag_seconds", "Longest wait for a commit lately.", writer.lag_ms / 1000),
            ("database_up", "1 while PostgreSQL answers.", int(database_answers(context))),
            ("spool_bytes", "Bytes on disk that wait for PostgreSQL.", spool_bytes),
            ("spool_records", "Readings and events that wait there.", spool_records),
            ("spool_oldest_seconds", "Age of the oldest of them.", age),
            ("schema_version", "Form of the tables this process works on.", SCHEMA_VERSION),
        ):
            yield GaugeMetricFamily(f"acrel_link_{name}", text, value=value)
        for name, text, value in (
            ("readings_stored", "Readings committed.", writer.stored),
            ("readings_lost", "Readings not kept and not acknowledged.", writer.lost),
            ("connections_refused", "Peers not let in.", counters.refused),
        ):
            yield CounterMetricFamily(f"acrel_link_{name}", text, value=value)
        events = CounterMetricFamily("acrel_link_events", "Events written.", labels=["kind"])
        for kind, count in context.incidents.counts.copy().items():
            events.add_metric([kind], count)
        yield events


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, form: str, *values: object) -> None:
        log.debug(form, *values)


class Monitor:
    """The thread that answers."""

    def __init__(self, context: Context, online: Callable[[], int]):
        self._context = context
        registry = CollectorRegistry()
        registry.register(Numbers(context, online))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._metrics = make_wsgi_app(registry)
        self._server: WSGIServer | None = None

    def start(self) -> None:
        """Listen where the settings say, or nowhere; raise OSError when that cannot be had."""
        address = self._context.settings.metrics
        if address is None:
            return
        self._server = make_server(*address, self._answer, _Server, _Handler)
        threading.Thread(target=self._server.serve_forever, name="monitor", daemon=True).start()
        log.info("Metrics and health on %s port %d.", *self.address)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self._server.server_address[:2]

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def health(self) -> Health:
        """Judge this process now."""
        context = self._context
        loop, database = loop_goes(context), database_answers(context)
        room = context.writer.pending < context.settings.max_pending
        return Health(
            healthy=loop and (database or room),
            loop=loop,
            database=database,
            connections=context.counters.connections,
            pending=context.writer.pending,
            stored=context.writer.stored,
        )

    def _answer(self, environ: dict, start_response: Callable) -> list[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return self._metrics(environ, start_response)
        if path == "/healthz":
            health = self.health()
            status = HTTPStatus.OK if health.healthy else HTTPStatus.SERVICE_UNAVAILABLE
            kind, body = "application/json", json.dumps(asdict(health)).encode()
        else:
            status = HTTPStatus.NOT_FOUND
            kind, body = "text/plain; charset=utf-8", b"There is /metrics and /healthz.\n"
        headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]
