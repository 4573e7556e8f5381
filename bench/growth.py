"""What a reading and a session's curve cost when many readings are stored, against few.

The history is made inside PostgreSQL, day by day as it would have come: every meter each five
minutes. The same measurement runs on the first million rows and on all of them. It is CPU time, of
the link's writer or of Odoo and of the PostgreSQL process that works for it, so that neither other
work on the machine nor its disk weighs in.
"""

import asyncio
import json
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

import psutil
from _network import SERIAL_START, make_piles

from acrel_link.clock import Clock
from acrel_link.reading import DIGEST_SIZE, UPLOAD, Reading
from acrel_link.registers import layout
from acrel_link.settings import read_settings
from acrel_link.store import Writer
from house import paths
from house.errors import Refused
from house.stack import Stack
from house.stage import Stage

METERS, SESSIONS = 1000, 50
FEW, MANY = 1_000_000, 50_000_000
STEPS_A_DAY = 288
ROUNDS, BATCHES, BATCH = 7, 10, 2000
BYTES_A_ROW = 420  # with its index and the log of the transaction
LIMIT = 1.2
WORKERS = 2

# The columns of an upload of NB firmware; meters' stamps lie side by side, as they arrive.
_DAY = """
INSERT INTO acrel_reading_raw (received_at, meter_id, source, ua, ub, uc, uab, ubc, uca, ia, ib, ic,
    pa, pb, pc, p, qa, qb, qc, q, sa, sb, sc, s, pfa, pfb, pfc, pf, frequency,
    e_total, e_forward, e_reverse)
SELECT %(day)s::timestamp + (step + m.place) * interval '300 s', m.id, 145,
       2301, 2299, 2305, 3981, 3985, 3990, 1012, 1011, 1015,
       2300, 2310, 2290, 6900, 10, 12, 9, 31, 2301, 2311, 2291, 6903, 999, 999, 998, 999, 5001,
       1000000 + %(number)s * 288 + step, 1000000 + %(number)s * 288 + step, 0
  FROM generate_series(0, 287) AS step CROSS JOIN (
       SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(count)s::float8 AS place
         FROM unnest(%(meters)s::integer[]) AS id) AS m
 WHERE %(day)s::timestamp + (step + m.place) * interval '300 s' < %(until)s
 ORDER BY 1
"""
_IDENTITIES = """
INSERT INTO acrel_upload_seen (link_id, digest, received_at)
SELECT link_id, decode(md5(link_id::text || step), 'hex'), localtimestamp
  FROM unnest(%s::integer[]) AS link_id, generate_series(1, 288) AS step
"""
_CURVES = """
import json, statistics, time
from datetime import timedelta
import psutil
from odoo import fields
now = fields.Datetime.now()
piles = env["acrel.pile"].search([("code", "like", "BENCH%")], order="code", limit={sessions})
sessions = env["acrel.session"].create([
    {{
        "pile_id": pile.id, "station_id": pile.station_id.id, "company_id": pile.company_id.id,
        "installation_id": pile.installation_id.id, "meter_id": pile.meter_id.id,
        "output_id": pile.output_id.id, "state": "finished", "unit_wh": 10, "has_start": True,
        "start_at": now - timedelta(hours=9), "end_at": now - timedelta(hours=1),
        "start_register": 0, "end_register": 2**40,
    }}
    for pile in piles
])
env.flush_all()
env.cr.execute("SELECT pg_backend_pid()")
backend = psutil.Process(env.cr.fetchone()[0])
def cpu():
    return time.process_time() + sum(backend.cpu_times()[:2])
def curves():
    return [len(session._curve()) for session in sessions for _ in range({times})]
points, costs = curves(), []
for _ in range({rounds}):
    before = cpu()
    curves()
    costs.append((cpu() - before) / len(points) * 1e6)
print("CURVES", json.dumps([statistics.median(costs), min(points)]))
env.cr.rollback()
"""


def run(stage: Stage, seconds: float, rows: int = MANY) -> Iterator[tuple[str, float, str]]:
    """Measure on few rows, grow, measure again; how long it takes depends on the rows only."""
    free = shutil.disk_usage(stage.cluster.place.data).free
    if free < rows * BYTES_A_ROW:
        raise Refused(
            f"{rows} readings take about {rows * BYTES_A_ROW >> 30} GiB and {free >> 30} GiB are "
            "free: name fewer with --rows."
        )
    with stage.stack("bench_growth") as stack:
        try:
            yield from _grown(stage, stack, rows)
        finally:
            stack.stop()
            stage.databases.drop(stack.database)


def _grown(stage: Stage, stack: Stack, rows: int) -> Iterator[tuple[str, float, str]]:
    make_piles(stage, stack, METERS)
    with stage.server.connect(stack.database) as database:
        database.execute((paths.ADDONS / "acrel_meter_link" / "grants.sql").read_text())
        meters = database.execute(
            "SELECT m.id, m.link_id FROM acrel_meter m JOIN acrel_link l ON l.id = m.link_id"
            " WHERE l.serial BETWEEN %s AND %s ORDER BY 1",
            [str(SERIAL_START), str(SERIAL_START + METERS - 1)],
        ).fetchall()
        (until,) = database.execute("SELECT localtimestamp").fetchone()
        database.execute(_IDENTITIES, [[link for _, link in meters]])
    found: dict[str, list[float]] = {"ingest": [], "curve": []}
    days = 0
    for name, wanted in (("few", FEW), ("many", rows)):
        begin = time.monotonic()
        target = -(-wanted // (METERS * STEPS_A_DAY))
        _make_history(stage, stack.database, [meter for meter, _ in meters], until, days, target)
        days = target + 1
        with stage.server.connect(stack.database) as database:
            database.execute("ANALYZE acrel_reading_raw")
            (stored,) = database.execute("SELECT count(*) FROM acrel_reading_raw").fetchone()
            (size,) = database.execute("SELECT pg_database_size(current_database())").fetchone()
        if stored < wanted - METERS * STEPS_A_DAY:
            raise Refused(f"Only {stored} of {wanted} readings could be made.")
        yield f"rows_{name}", stored, "1"
        yield f"database_{name}", round(size / 2**30, 2), "GiB"
        yield f"made_in_{name}", round(time.monotonic() - begin), "s"
        found["ingest"].append(_ingest_cost(stage, stack, meters))
        yield f"ingest_us_{name}", round(found["ingest"][-1], 1), "us"
        found["curve"].append(_curve_cost(stage, stack))
        yield f"curve_us_{name}", round(found["curve"][-1], 1), "us"
    ratios = {name: many / few for name, (few, many) in found.items()}
    for name, ratio in ratios.items():
        yield f"{name}_ratio", round(ratio, 3), "x"
    if max(ratios.values()) > LIMIT:
        raise Refused(f"What is stored makes new readings dearer: {ratios}, {LIMIT} at most.")


def _make_history(
    stage: Stage, database: str, meters: list[int], until: datetime, done: int, target: int
) -> None:
    """Make the days before today that are not made yet, several at a time."""
    today: date = until.date()

    def make(number: int) -> None:
        day = today - timedelta(days=number)
        with stage.server.connect(database) as connection:
            connection.execute("SET synchronous_commit = off")
            connection.execute("SELECT acrel_reading_ensure_partition(%s)", [day])
            connection.execute(
                _DAY,
                {
                    "day": day,
                    "number": 10_000 - number,
                    "meters": meters,
                    "count": len(meters),
                    "until": until,
                },
            )

    with ThreadPoolExecutor(WORKERS) as workers:
        for _ in workers.map(make, range(done, target + 1)):
            pass


def _ingest_cost(stage: Stage, stack: Stack, meters: list[tuple[int, int]]) -> float:
    """Return the CPU microseconds of writer and PostgreSQL that one upload costs."""
    environment = {"ACREL_LINK_DSN": stage.server.link_dsn(stack.database)}
    clock = Clock()
    writer = Writer(read_settings([], environment), clock)
    with stage.server.connect(stack.database) as database:
        (before,) = database.execute("SELECT count(*) FROM acrel_upload_seen").fetchone()
        cost = asyncio.run(_write(writer, clock, database, meters))
        (after,) = database.execute("SELECT count(*) FROM acrel_upload_seen").fetchone()
    if after - before != (ROUNDS + 1) * BATCHES * BATCH:
        raise Refused(f"{after - before} uploads were stored, not what was given.")
    return cost


async def _write(writer: Writer, clock: Clock, database, meters: list[tuple[int, int]]) -> float:
    loop = asyncio.get_running_loop()
    plan = layout((0x0014, 38), (0x003C, 6))
    data = bytes(range(88))
    task = loop.create_task(writer.run())

    async def batches() -> None:
        for _ in range(BATCHES):
            stored = loop.create_future()
            readings = [
                Reading(
                    *meters[number % len(meters)],
                    clock.stamp(),
                    UPLOAD,
                    plan.shape,
                    plan.unpack(data),
                    digest=os.urandom(DIGEST_SIZE),
                )
                for number in range(BATCH)
            ]
            writer.add(readings, lambda stored=stored: stored.set_result(None))
            await stored

    await batches()
    (pid,) = database.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'acrel_link writer'"
    ).fetchone()
    backend, costs = psutil.Process(pid), []
    for _ in range(ROUNDS):
        before = time.process_time() + sum(backend.cpu_times()[:2])
        await batches()
        after = time.process_time() + sum(backend.cpu_times()[:2])
        costs.append((after - before) / (BATCHES * BATCH) * 1e6)
    writer.close()
    await task
    await writer.disconnect()
    return statistics.median(costs)


def _curve_cost(stage: Stage, stack: Stack) -> float:
    """Return the CPU microseconds of Odoo and PostgreSQL that one session's curve costs."""
    printed = stage.odoo.script(
        stack.database,
        _CURVES.format(sessions=SESSIONS, times=5, rounds=ROUNDS),
        fails="The sessions' curves cannot be read",
        log=stage.logs / "bench-growth.log",
    )
    cost, points = json.loads(printed.partition("CURVES ")[2].splitlines()[0])
    if points < 90:
        raise Refused(f"A curve of eight hours has only {points} points.")
    return cost
