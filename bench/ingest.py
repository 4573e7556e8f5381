"""Readings a second through the shipped commands over real sockets, with sessions going on.

Simulated meters send NB uploads, each the next as soon as the one before is acknowledged, and
answer polls, while the engine runs sessions on some of them. A reading counts when it is committed:
an upload when its acknowledgement has arrived at the meter, a polled one when its row is there. The
same run measures what bounds it: a bare binary COPY of the same rows, and `create` of the ORM.
"""

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import _peer
import psutil
from _channel import Way
from _control import Control, until
from _network import SERIAL_START, durable, make_piles, start_sessions

from acrel_link.clock import Clock
from acrel_link.reading import COPY_COLUMNS, COPY_HEADER, COPY_TRAILER, Reading
from acrel_link.registers import BILLING_BLOCK, layout
from house.errors import Refused
from house.settings import free_port
from house.stack import Stack
from house.stage import Stage

METERS, SESSIONS = 2000, 200
WARM_UP = 5.0
POLL, UPLOAD = 144, 145
COPY_ROWS = 2000

_ORM = """
import time
columns = [{columns}]
model = env["ir.model"].create(
    {{
        "name": "Bench reading",
        "model": "x_bench_reading",
        "field_id": [
            fields.Command.create(
                {{"name": f"x_{{name}}", "field_description": name, "ttype": "integer"}}
            )
            for name in columns
        ],
    }}
)
env.cr.commit()
rows = [{{f"x_{{name}}": 1000 for name in columns}} for _ in range(500)]
done, begin = 0, time.monotonic()
while time.monotonic() - begin < {seconds}:
    env["x_bench_reading"].create(rows)
    env.cr.commit()
    done += len(rows)
print("ORM_ROWS_PER_SECOND", done / (time.monotonic() - begin))
"""


@dataclass
class _Sample:
    """Counters at one moment."""

    at: float
    acknowledged: int
    cpu: dict[str, float]
    database_time: object


class _Others(NamedTuple):
    """Process ids of what the machine also runs."""

    postgresql: int
    simulator: int


def run(
    stage: Stage,
    seconds: float,
    meters: int = METERS,
    channel: str = "sealed",
    peer: bool = False,
) -> Iterator[tuple[str, float, str]]:
    """Measure, then count what is stored against what was acknowledged."""
    with durable(stage), stage.stack("bench_ingest") as stack:
        make_piles(stage, stack, meters, channel)
        way = Way(stack, channel)
        way.issue()
        link = stack.start_link(env=way.link)
        port = free_port()
        simulator = stack.start_simulator(
            *way.meters,
            f"--count={meters}",
            f"--serial-start={SERIAL_START}",
            "--interval=0",
            "--paused",
            "--load=7000",
            f"--control={port}",
        )
        control = Control(port)
        until(lambda: control.do("totals")["registered"] == meters, 120, "All meters registering")
        start_sessions(stage, stack, SESSIONS)
        with stage.server.connect(stack.database) as database:
            others = _Others(stage.cluster.child.pid, simulator.pid)
            yield from _measured(control, database, psutil.Process(link.pid), others, seconds)
            control.close()
            stack.stop()
            yield "copy_rows_per_second", _copy_rate(database, seconds / 3), "1/s"
        yield "orm_rows_per_second", _orm_rate(stage, stack, seconds / 3), "1/s"
    if peer:
        yield from _peer.run(seconds / 3)
    stage.databases.drop(stack.database)


def _measured(control: Control, database, link: psutil.Process, others: _Others, seconds: float):
    def charging() -> int:
        return database.execute(
            "SELECT count(*) FROM acrel_session WHERE state = 'charging'"
        ).fetchone()[0]

    until(lambda: charging() == SESSIONS, 60, f"{SESSIONS} sessions charging")
    control.do("pause", serial="*", paused=False)
    time.sleep(WARM_UP)
    before = _sample(control, database, link, others)
    time.sleep(seconds / 2)
    half = _sample(control, database, link, others)
    time.sleep(seconds / 2)
    after = _sample(control, database, link, others)
    control.do("pause", serial="*")
    until(lambda: _is_quiet(control), 60, "The last acknowledgement")
    polled = database.execute(
        "SELECT count(*) FROM acrel_reading_raw"
        " WHERE source = %s AND received_at BETWEEN %s AND %s",
        (POLL, before.database_time, after.database_time),
    ).fetchone()[0]
    _check(control, database)
    if charging() != SESSIONS:
        raise Refused(f"Only {charging()} of {SESSIONS} sessions still charge.")
    readings = after.acknowledged - before.acknowledged + polled
    cpu = {name: (after.cpu[name] - before.cpu[name]) / readings * 1e6 for name in after.cpu}
    yield "readings_per_second", round(readings / (after.at - before.at)), "1/s"
    yield "worker_us_per_reading", round(cpu["link"] + cpu["engine"], 1), "us"
    for name, value in cpu.items():
        yield f"{name}_us_per_reading", round(value, 1), "us"
    yield "second_half_ratio", round(_rate(half, after) / _rate(before, half), 3), "x"
    yield "polled_readings", polled, "1"
    yield "engine_behind_ms", round(_engine_catches_up(database) * 1000), "ms"


def _sample(control: Control, database, link: psutil.Process, others: _Others) -> _Sample:
    """Look at everything at once, the quickest last."""
    (now,) = database.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'").fetchone()
    cpu = {"link": 0.0, "engine": 0.0, "postgresql": 0.0, "simulator": 0.0}
    for process in (link, *link.children(recursive=True)):
        cpu["link" if "acrel_link" in process.cmdline() else "engine"] += _cpu(process)
    for process in psutil.Process(others.postgresql).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a session that ended meanwhile
            cpu["postgresql"] += _cpu(process)
    cpu["simulator"] = _cpu(psutil.Process(others.simulator))
    return _Sample(time.monotonic(), control.do("totals")["uploads_acknowledged"], cpu, now)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _rate(begin: _Sample, end: _Sample) -> float:
    return (end.acknowledged - begin.acknowledged) / (end.at - begin.at)


def _is_quiet(control: Control) -> bool:
    totals = control.do("totals")
    return totals["uploads_sent"] == totals["uploads_acknowledged"]


def _check(control: Control, database) -> None:
    """Compare the rows that are there with what meters were told is stored."""
    totals = control.do("totals")
    rows = database.execute(
        "SELECT count(*), count(*) FILTER (WHERE num_nonnulls("
        "ua, ub, uc, ia, ib, ic, pa, pb, pc, p, q, s, pf, e_forward) >= 12)"
        " FROM acrel_reading_raw WHERE source = %s",
        (UPLOAD,),
    ).fetchone()
    if rows != (totals["uploads_acknowledged"],) * 2:
        raise Refused(
            f"{totals['uploads_acknowledged']} uploads were acknowledged, {rows[0]} rows are there,"
            f" {rows[1]} of them with 12 measured columns."
        )
    until(lambda: not _behind(database), 10, "All live rows holding their newest reading")


def _behind(database) -> int:
    """Return how many live rows are not the newest reading of their meter."""
    (count,) = database.execute(
        "SELECT count(*) FROM acrel_meter_live l JOIN LATERAL (SELECT max(id) AS newest"
        " FROM acrel_reading_raw r WHERE r.meter_id = l.meter_id) n ON l.reading_id <> n.newest"
    ).fetchone()
    return count


def _engine_catches_up(database) -> float:
    """Return how long the engine takes until it has handled all that is stored now."""
    begin = time.monotonic()
    stored = database.execute("SELECT meter_id, reading_id FROM acrel_meter_live").fetchall()

    def handled() -> bool:
        marks = dict(
            database.execute("SELECT meter_id, reading_id FROM acrel_engine_meter_mark").fetchall()
        )
        return all(marks.get(meter, 0) >= reading for meter, reading in stored)

    until(handled, 60, "The engine catching up")
    return time.monotonic() - begin


def _copy_rate(database, seconds: float) -> int:
    """Return how many of the link's own rows a second a bare binary COPY stores."""
    plan, clock = layout(BILLING_BLOCK), Clock()
    data = bytes(range(112))
    database.execute(
        "CREATE TABLE bench_copy (LIKE acrel_reading_raw INCLUDING DEFAULTS);"
        "ALTER TABLE bench_copy ADD link_id integer, ADD digest bytea"
    )
    rows = [
        Reading(number, 1, clock.stamp(), POLL, plan.shape, plan.unpack(data)).encode()
        for number in range(COPY_ROWS)
    ]
    block = b"".join((COPY_HEADER, *rows, COPY_TRAILER))
    statement = f"COPY bench_copy ({', '.join(COPY_COLUMNS)}) FROM STDIN (FORMAT BINARY)"
    done, begin = 0, time.monotonic()
    while time.monotonic() - begin < seconds:
        with database.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(block)
        done += COPY_ROWS
    return round(done / (time.monotonic() - begin))


def _orm_rate(stage: Stage, stack: Stack, seconds: float) -> int:
    """Return how many records of the same columns a second the ORM creates."""
    columns = ", ".join(repr(name) for name in layout(BILLING_BLOCK).columns)
    printed = stage.odoo.script(
        stack.database,
        "from odoo import fields\n" + _ORM.format(columns=columns, seconds=seconds),
        fails="The ORM's rows cannot be created",
        log=stage.logs / "bench-orm.log",
    )
    return round(float(re.search(r"ORM_ROWS_PER_SECOND (\S+)", printed)[1]))
