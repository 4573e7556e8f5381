"""Time from the commit of a wanted state to the frame at the meter.

Odoo's own `acrel.output._want` writes it; the moment before the commit is noted, and the simulated
meter notes when the write of its output arrived, by the same clock. A close is preceded by a
reading of the billing registers, as in every session: one round trip more than an open.

Meanwhile 2,000 meters upload every ten seconds, and the engine settles paid sessions that are
stopped one after the other on others of them.
"""

import concurrent.futures
import json
import statistics
from collections.abc import Iterator

from _channel import Way
from _control import Control, until
from _network import SERIAL_START, durable, make_piles, start_sessions

from house.errors import Refused
from house.settings import free_port
from house.stack import Stack
from house.stage import Stage

METERS, SWITCHED, SESSIONS = 2000, 40, 200
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

_STOPS = """
import time
sessions = env["acrel.session"].search([("state", "=", "charging")])
pause = {seconds} / max(len(sessions), 1)
for session in sessions:
    session._stop("staff")
    env.cr.commit()
    time.sleep(pause)
print("STOPPED", len(sessions))
"""


def run(
    stage: Stage, seconds: float, meters: int = METERS, channel: str = "sealed"
) -> Iterator[tuple[str, float, str]]:
    """Switch contactors in turn and compare the two clocks."""
    with durable(stage), stage.stack("bench_command") as stack:
        make_piles(stage, stack, meters, channel)
        way = Way(stack, channel)
        way.issue()
        stack.start_link(env={**way.link, **POLLS})
        port = free_port()
        stack.start_simulator(
            *way.meters,
            f"--count={meters}",
            f"--serial-start={SERIAL_START}",
            "--interval=10",
            "--load=20000",
            f"--control={port}",
        )
        control = Control(port)
        until(lambda: control.do("totals")["registered"] == meters, 120, "All meters registering")
        start_sessions(stage, stack, SESSIONS)
        serials = control.do("serials")[-SWITCHED:]
        with (
            stage.server.connect(stack.database) as database,
            concurrent.futures.ThreadPoolExecutor(1) as beside,
        ):
            until(lambda: _charging(database) == SESSIONS, 60, "Energy in all sessions")
            stopping = beside.submit(_stop_sessions, stage, stack, seconds)
            printed = stage.odoo.script(
                stack.database,
                _COMMANDS.format(serials=serials, seconds=seconds, pause=PAUSE),
                fails="The commands cannot be given",
                log=stage.logs / "bench-commands.log",
            )
            stopping.result()
            until(lambda: _settled(database) == SESSIONS, 60, f"{SESSIONS} sessions being settled")
        sent = json.loads(printed.partition("COMMANDS ")[2].splitlines()[0])
        arrived: dict[str, list] = {}

        def all_arrived() -> bool:
            arrived.update(
                (serial, control.do("state", serial=serial)["relay_writes"]) for serial in serials
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


def _stop_sessions(stage: Stage, stack: Stack, seconds: float) -> None:
    """Stop all sessions, one after the other over the time of the measurement."""
    stage.odoo.script(
        stack.database,
        _STOPS.format(seconds=seconds),
        fails="The bench's sessions cannot be stopped",
        log=stage.logs / "bench-stops.log",
    )


def _charging(database) -> int:
    """Return how many running sessions have taken energy that can be billed."""
    (count,) = database.execute(
        "SELECT count(*) FROM acrel_session s JOIN acrel_pile p ON p.id = s.pile_id"
        " JOIN acrel_installation i ON i.id = p.installation_id"
        " JOIN acrel_meter_live l ON l.meter_id = i.meter_id"
        " WHERE s.state = 'charging' AND l.e_forward > s.start_register"
    ).fetchone()
    return count


def _settled(database) -> int:
    """Return how many finished sessions have a bill."""
    (count,) = database.execute(
        "SELECT count(*) FROM acrel_session s WHERE s.state = 'finished'"
        " AND EXISTS (SELECT FROM acrel_bill_line l WHERE l.session_id = s.id)"
    ).fetchone()
    return count


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
