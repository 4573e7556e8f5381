"""Time from the commit of a wanted state to the frame at the meter.

Odoo's own `acrel.output._want` writes it; the moment before the commit is noted, and the simulated
meter notes when the write of its output arrived, by the same clock. A close is preceded by a
reading of the billing registers, as in every session: one round trip more than an open.
"""

import json
import statistics
from collections.abc import Iterator

from _control import Control, until
from _network import SERIAL_START, durable, make_piles

from house.errors import Refused
from house.settings import free_port
from house.stage import Stage

METERS = 40
POLLS = {"ACREL_LINK_POLL_IDLE": "10"}

_COMMANDS = """
import json, time
outputs = env["acrel.output"].search([("meter_id.link_id.serial", "in", {serials!r})], order="id")
sent = []
ends_at = time.monotonic() + {seconds}
closed = False
while time.monotonic() < ends_at or not closed:
    closed = not closed
    for output in outputs:
        output._want("closed" if closed else "open", "bench")
        before = time.time_ns()
        env.cr.commit()
        sent.append((output.meter_id.link_id.serial, before, closed))
        time.sleep({pause})
print("COMMANDS", json.dumps(sent))
"""
PAUSE = 0.05  # s between commands, so that none waits for another


def run(stage: Stage, seconds: float) -> Iterator[tuple[str, float, str]]:
    """Switch contactors in turn and compare the two clocks."""
    with durable(stage), stage.stack("bench_command") as stack:
        make_piles(stage, stack, METERS)
        stack.start_link(env=POLLS)
        port = free_port()
        stack.start_simulator(
            f"--connect={stack.link_address}",
            f"--count={METERS}",
            f"--serial-start={SERIAL_START}",
            f"--control={port}",
        )
        control = Control(port)
        until(lambda: control.do("totals")["registered"] == METERS, 120, "All meters registering")
        printed = stage.odoo.script(
            stack.database,
            _COMMANDS.format(serials=control.do("serials"), seconds=seconds, pause=PAUSE),
            fails="The commands cannot be given",
            log=stage.logs / "bench-commands.log",
        )
        sent = json.loads(printed.partition("COMMANDS ")[2].splitlines()[0])
        arrived: dict[str, list] = {}

        def all_arrived() -> bool:
            arrived.update(
                (state["serial"], state["relay_writes"])
                for state in control.do("state", serial="*")
            )
            return sum(map(len, arrived.values())) >= len(sent)

        until(all_arrived, 30, f"The arrival of {len(sent)} commands")
        control.close()
    stage.databases.drop(stack.database)
    times = _match(sent, arrived)
    for name, chosen in (
        ("", times),
        ("open_", [each for each in times if not each[0]]),
        ("close_", [each for each in times if each[0]]),
    ):
        cuts = statistics.quantiles([elapsed for _, elapsed in chosen], n=100)
        yield f"{name}p50_ms", round(cuts[49], 2), "ms"
        yield f"{name}p99_ms", round(cuts[98], 2), "ms"
    yield "commands", len(times), "1"


def _match(sent: list, arrived: dict[str, list]) -> list[tuple[bool, float]]:
    """Pair each command with its frame; the bench fails when one came twice, never or wrong."""
    times = []
    for serial, writes in arrived.items():
        mine = [(before, closed) for each, before, closed in sent if each == serial]
        if [closed for _, closed in mine] != [closed for _, closed in writes]:
            raise Refused(f"Meter {serial} was switched {writes}, but {mine} was wanted.")
        times += [
            (closed, (at - before) / 1e6)
            for (before, closed), (at, _) in zip(mine, writes, strict=True)
        ]
    return times
