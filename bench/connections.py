"""Memory of a connection, and how long a restarted link takes to have all meters back.

Ten thousand meters hold a connection to one link process, over which hardly anything is sent. The
link's own memory is measured with none and with all of them; then it is restarted, and every meter
has to find it again, prove its key and register.
"""

import time
from collections.abc import Iterator

import psutil
from _channel import Way
from _control import Control, until
from _network import SERIAL_START, make_links

from house.children import Child
from house.errors import Refused
from house.settings import free_port
from house.stack import Stack
from house.stage import Stage

METERS, GENERATORS = 10_000, 4
MOST_SECONDS = 600


def run(
    stage: Stage, seconds: float, meters: int = METERS, channel: str = "sealed"
) -> Iterator[tuple[str, float, str]]:
    """Connect all, restart the link, count; `seconds` is how long all stay connected before."""
    with stage.stack("bench_connections") as stack:
        make_links(stage, stack, meters, channel)
        way = Way(stack, channel)
        way.issue()
        link = stack.start_link(env=way.link)
        process = _link_process(link)
        empty = process.memory_info().rss
        controls = _start_meters(stack, way, meters)
        begin = time.monotonic()
        until(lambda: _registered(controls) == meters, MOST_SECONDS, "All meters registering")
        yield "connect_seconds", round(time.monotonic() - begin, 1), "s"
        time.sleep(seconds)
        full = process.memory_info().rss
        yield "connections", _registered(controls), "1"
        yield "kib_per_connection", round((full - empty) / 1024 / meters, 1), "KiB"
        link.stop()
        until(lambda: _registered(controls) == 0, 60, "All meters noticing that the link is gone")
        begin = time.monotonic()
        stack.start_link(env=way.link)
        until(lambda: _registered(controls) == meters, MOST_SECONDS, "All meters coming back")
        yield "reconnect_seconds", round(time.monotonic() - begin, 1), "s"
        _check(stage, stack, meters)
        for control in controls:
            control.close()
    stage.databases.drop(stack.database)


def _link_process(supervisor: Child) -> psutil.Process:
    for process in psutil.Process(supervisor.pid).children(recursive=True):
        if "acrel_link" in process.cmdline():
            return process
    raise Refused("The supervisor has no link process.")


def _start_meters(stack: Stack, way: Way, meters: int) -> list[Control]:
    share, rest = divmod(meters, GENERATORS)
    first, ports = SERIAL_START, []
    for number in range(GENERATORS):
        count = share + (number < rest)
        if not count:
            continue
        port = free_port()
        stack.start_simulator(
            *way.meters,
            f"--count={count}",
            f"--serial-start={first}",
            "--interval=3600",
            "--heartbeat=120",
            "--retry=30",
            f"--control={port}",
        )
        first += count
        ports.append(port)
    return [Control(port, 120) for port in ports]


def _registered(controls: list[Control]) -> int:
    return sum(control.do("totals")["registered"] for control in controls)


def _check(stage: Stage, stack: Stack, meters: int) -> None:
    """Compare what the database says of links with what the meters say."""
    with stage.server.connect(stack.database) as database:

        def online() -> int:
            (count,) = database.execute(
                "SELECT count(*) FROM acrel_link_live WHERE online"
            ).fetchone()
            return count

        until(lambda: online() == meters, 60, f"{meters} links being online in the database")
