"""What a flood of strangers costs the meters that are connected.

200 meters upload once a second over the channel sealed. In every other window another address
sends ten times as many hellos in unknown names and as much garbage as it can, each over a
connection of its own. Compared is the 99th percentile of the time from an upload to its
acknowledgement; the median of five pairs of windows counts.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from _channel import Way
from _control import Control, until
from _network import SERIAL_START, durable, make_links

from house import paths
from house.errors import Refused
from house.settings import free_port
from house.stack import Stack
from house.stage import Stage

METERS, PAIRS, TIMES = 200, 5, 10
WARM_UP = 5.0
LEAST = 0.8  # of the flood that was meant, or the generator was too slow to flood anything
FLOODER = Path(__file__).with_name("_flooder.py")


def run(stage: Stage, seconds: float) -> Iterator[tuple[str, float, str]]:
    """Measure with and without the flood in turns."""
    with durable(stage), stage.stack("bench_flood") as stack:
        make_links(stage, stack, METERS, "sealed")
        way = Way(stack, "sealed")
        way.issue()
        # the flood's own address has the limits of any address; the meters' has those of a gateway
        stack.start_link(env={**way.link, "ACREL_LINK_SHARED": "127.0.0.1/32"})
        port = free_port()
        stack.start_simulator(
            *way.meters,
            f"--count={METERS}",
            f"--serial-start={SERIAL_START}",
            "--interval=1",
            f"--control={port}",
        )
        control = Control(port)
        until(lambda: control.do("totals")["registered"] == METERS, 120, "All meters registering")
        time.sleep(WARM_UP)
        window = seconds / (2 * PAIRS)
        quiet, flooded, attempts = [], [], 0
        for _ in range(PAIRS):
            quiet.append(_p99(control, window))
            flooder = _flood(stack, window + 1)
            flooded.append(_p99(control, window))
            attempts += int(flooder.communicate(timeout=60)[0])
        totals = control.do("totals")
        control.close()
        if totals["registered"] != METERS or totals["connections"] != METERS:
            raise Refused(
                f"{METERS} meters connected {totals['connections']} times and "
                f"{totals['registered']} are registered: the flood shut meters out."
            )
        with stage.server.connect(stack.database) as database:
            _check(database, totals)
    stage.databases.drop(stack.database)
    rate = attempts / (PAIRS * (window + 1))
    if rate < LEAST * TIMES * METERS:
        raise Refused(f"The flood was of {rate:.0f} a second only, {TIMES * METERS} were meant.")
    yield "quiet_p99_ms", round(statistics.median(quiet) * 1000, 1), "ms"
    yield "flooded_p99_ms", round(statistics.median(flooded) * 1000, 1), "ms"
    yield "flood_per_second", round(rate), "1/s"
    ratios = [after / before for before, after in zip(quiet, flooded, strict=True)]
    yield "p99_ratio", round(statistics.median(ratios), 2), "x"


def _p99(control: Control, seconds: float) -> float:
    """Return the 99th percentile of the acknowledgement times of a window."""
    control.do("acknowledgement_times")
    time.sleep(seconds)
    times = control.do("acknowledgement_times")
    if len(times) < METERS:
        raise Refused(f"Only {len(times)} uploads of {METERS} meters were acknowledged.")
    return statistics.quantiles(times, n=100)[98]


def _flood(stack: Stack, seconds: float) -> subprocess.Popen:
    return subprocess.Popen(
        [
            sys.executable,
            FLOODER,
            *stack.link_address.split(":"),
            str(TIMES * METERS),
            str(seconds),
        ],
        env={"PYTHONPATH": str(paths.ADDONS / "acrel_meter_link")},
        stdout=subprocess.PIPE,
        text=True,
    )


def _check(database, totals: dict[str, int]) -> None:
    (rows,) = database.execute(
        "SELECT count(*) FROM acrel_reading_raw WHERE source = 145"
    ).fetchone()
    if not totals["uploads_acknowledged"] <= rows <= totals["uploads_sent"]:
        raise Refused(
            f"{totals['uploads_acknowledged']} of {totals['uploads_sent']} uploads were "
            f"acknowledged, {rows} are stored."
        )
