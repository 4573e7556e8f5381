"""The writer: every column arrives, one bad row costs itself only, nothing twice."""

import asyncio
import contextlib
from datetime import datetime, timedelta

import psycopg
import pytest

from acrel_link.attempts import OPENED
from acrel_link.clock import Clock, to_datetime, to_stamp
from acrel_link.database import Database
from acrel_link.reading import MEASURED, POLL, UPLOAD, Reading, shape
from acrel_link.store import Writer
from acrel_link.transactions import Transactions

from .bed import until

COLUMNS = tuple(MEASURED)
VALUES = tuple(range(101, 101 + len(COLUMNS)))


@pytest.fixture
def clock():
    return Clock()


@contextlib.asynccontextmanager
async def writing(bed, clock, **settings):
    writer = Writer(bed.settings(**settings), clock)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        writer.close()
        await asyncio.wait_for(task, 20)
        await writer.disconnect()


async def stored(writer, *readings) -> None:
    done = asyncio.get_running_loop().create_future()
    assert writer.add(readings, lambda: done.set_result(None))
    await asyncio.wait_for(done, 20)


def reading(clock, energy=1000, meter=1, **values) -> Reading:
    told = {"source": POLL, "columns": ("e_forward",), "values": (energy,)} | values
    return Reading(meter, 1, clock.stamp(), shape=shape(told.pop("columns")), **told)


async def test_every_column_arrives(bed, clock):
    moment = datetime(2026, 2, 3, 4, 5, 6)
    row = reading(clock, columns=COLUMNS, values=VALUES, source=UPLOAD)
    row.clock = moment
    async with writing(bed, clock) as writer:
        await stored(writer, row)
    expected = dict(zip(COLUMNS, VALUES, strict=True)) | {
        "received_at": to_datetime(row.stamp),
        "meter_id": 1,
        "source": UPLOAD,
        "meter_clock": moment,
    }
    for table in ("acrel_reading_raw", "acrel_meter_live"):
        found = bed.row(table, "meter_id", 1)
        assert {name: found[name] for name in expected} == expected


async def test_columns_that_were_not_read_are_null_and_stay_in_the_live_row(bed, clock):
    async with writing(bed, clock) as writer:
        await stored(writer, reading(clock, columns=("pt", "ua", "e_forward"), values=(5, 7, 9)))
        await stored(writer, reading(clock, columns=("ub",), values=(8,)))
    live = bed.row("acrel_meter_live", "meter_id", 1)
    assert (live["pt"], live["e_forward"]) == (5, 9), "what a reading lacks stays"
    assert (live["ua"], live["ub"]) == (None, 8), "measured values are of one moment"


@pytest.mark.parametrize("value", [-(2**31), -1, 2**31 - 1])
async def test_signed_values_arrive(bed, clock, value):
    async with writing(bed, clock) as writer:
        await stored(writer, reading(clock, columns=("p",), values=(value,)))
    assert bed.one("SELECT p FROM acrel_reading_raw") == value


async def test_the_live_row_only_goes_forward(bed, clock):
    older, newer = reading(clock, 1000), reading(clock, 1010)
    async with writing(bed, clock) as writer:
        await stored(writer, newer)
        await stored(writer, older)
        await stored(writer, reading(clock, 1005), reading(clock, 1011), reading(clock, 1007))
    assert bed.row("acrel_meter_live", "meter_id", 1)["e_forward"] == 1011
    assert bed.readings() == 5


async def test_one_bad_row_does_not_cost_the_batch(bed, clock):
    refused = []
    rows = [reading(clock, 1000 + number, meter=number + 1) for number in range(50)]
    rows[17].stamp = to_stamp(datetime(1999, 1, 1))  # there is no partition for it
    rows[17].frame = b"frame"
    async with writing(bed, clock) as writer:
        writer.on_refused = lambda row, reason: refused.append((row.meter_id, reason))
        await stored(writer, *rows)
    assert bed.readings() == 49
    row = bed.row("acrel_reading_quarantine", "meter_id", 18)
    assert row["frame"] == b"frame" and "partition" in row["reason"]
    assert [meter for meter, _ in refused] == [18]


async def test_one_bad_statement_does_not_cost_the_batch(bed, clock):
    told = []
    async with writing(bed, clock) as writer:
        writer.execute("SELECT nonsense", done=told.append)
        await stored(writer, reading(clock))
    assert told == [0]
    assert bed.readings() == 1


async def test_a_batch_whose_answer_was_lost_is_not_stored_twice(bed, clock, monkeypatch):
    """The commit succeeds and the connection dies before the writer hears of it."""
    _, meter, output = bed.add_link("4711")
    opened = {"meter": meter, "output": output, "since": clock.now(), "now": clock.now()}
    opened |= {"attempts": 1, "reason": "test"}
    commit, calls = Transactions.commit, []

    async def committed_and_lost(self, *arguments, **options):
        counts = await commit(self, *arguments, **options)
        calls.append(arguments)
        if len(calls) == 1:
            raise psycopg.OperationalError("the connection is lost")
        return counts

    monkeypatch.setattr(Transactions, "commit", committed_and_lost)
    async with writing(bed, clock) as writer:
        writer.quarantine("no reading", b"frame", 1)
        writer.execute(OPENED, opened)
        await stored(
            writer,
            reading(clock, 1000),
            reading(clock, 1001, source=UPLOAD, digest=b"1" * 16),
        )
    assert len(calls) == 2
    assert bed.readings() == 2
    assert bed.one("SELECT count(*) FROM acrel_reading_quarantine") == 1
    assert bed.one("SELECT count(*) FROM acrel_command") == 1


async def test_memory_is_bounded_while_nothing_can_be_stored(cluster, bed, clock):
    bed.close()
    cluster.stop()
    told = []
    try:
        async with writing(bed, clock, max_pending=10) as writer:
            for number in range(30):
                writer.add([reading(clock, 1000 + number)], lambda: told.append(1))
            assert (writer.pending, writer.lost) == (10, 20)
            cluster.start()
            await until(lambda: len(told) == 10, "what was kept is stored")
    finally:
        if not cluster.alive():
            cluster.start()
    assert bed.readings() == 10


async def test_statements_do_not_take_the_place_of_readings(bed, clock):
    writer = Writer(bed.settings(max_pending=10), clock)
    for _ in range(20):
        writer.execute("SELECT 1")
    assert writer.add([reading(clock)])
    assert (writer.pending, writer.lost) == (21, 0)


async def test_a_transaction_has_so_many_statements_at_most(bed, clock):
    transactions = []
    async with writing(bed, clock, flush_rows=10) as writer:
        for _ in range(35):
            writer.execute("SELECT pg_current_xact_id()::text", done=transactions.append)
    assert [transactions.count(one) for one in dict.fromkeys(transactions)] == [10, 10, 10, 5]


async def test_identities_are_kept_by_link(bed, clock):
    rows = [reading(clock, 1000, source=UPLOAD, digest=b"1" * 16) for _ in range(2)]
    rows[1].link_id = 2
    async with writing(bed, clock) as writer:
        await stored(writer, *rows)
    assert bed.readings() == 2


async def test_the_engine_is_woken_once_a_commit(bed, clock):
    with psycopg.connect(bed.dsn, autocommit=True) as listener:
        listener.execute("LISTEN acrel_engine")
        async with writing(bed, clock) as writer:
            await stored(writer, *(reading(clock, 1000 + number) for number in range(10)))
        assert len(list(listener.notifies(timeout=1, stop_after=2))) == 1


def test_stamps_only_grow():
    clock = Clock()
    stamps = [clock.stamp() for _ in range(1000)]
    assert stamps == sorted(set(stamps))
    clock.follow(0)  # the database's clock was wrong by decades
    assert to_datetime(clock.stamp()) - datetime(1970, 1, 1) < timedelta(minutes=1)


async def test_a_late_reading_finds_its_day_and_marks_its_quarter_hour(bed, clock):
    late, ordinary = reading(clock, 1000, meter=7), reading(clock, 1001, meter=8)
    late.stamp -= 5 * 86_400_000_000
    async with writing(bed, clock) as writer:
        await stored(writer, late, ordinary)
    assert bed.readings(7) == bed.readings(8) == 1
    [(meter, quarter)] = bed.all("SELECT meter_id, quarter FROM acrel_quarter_due")
    passed = to_datetime(late.stamp) - quarter
    assert meter == 7 and timedelta() <= passed < timedelta(minutes=15)
    assert quarter.minute % 15 == quarter.second == quarter.microsecond == 0


async def test_a_partition_is_made_while_readings_are_looked_at(bed, clock):
    """Nobody who reads the table is waited for; else a long report would stop the storing."""
    with bed.admin.transaction():
        bed.admin.execute("SELECT count(*) FROM acrel_reading_raw")
        async with writing(bed, clock) as writer:
            await stored(writer, reading(clock))
    assert bed.readings() == 1


LIE = """
CREATE SCHEMA lie;
CREATE TABLE lie.step (by interval);
INSERT INTO lie.step VALUES ('0');
CREATE FUNCTION lie.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
    'SELECT pg_catalog.clock_timestamp() + by FROM lie.step';
GRANT USAGE ON SCHEMA lie TO acrel_link;
GRANT SELECT ON lie.step TO acrel_link;
"""


async def test_the_databases_clock_is_set_forth_and_back(bed, clock):
    """Its own time function answers otherwise: the link follows, says so, and loses nothing."""
    steps = []
    clock.on_step = steps.append
    bed.admin.execute(LIE)
    bed.admin.execute(f"ALTER DATABASE {bed.name} SET search_path = lie, pg_catalog, public")
    stamps = []
    database = Database(bed.dsn, "clock", clock)
    async with writing(bed, clock) as writer:
        for number, step in enumerate(("0", "1 hour", "0", "-1 hour", "0")):
            bed.admin.execute("UPDATE lie.step SET by = %s::interval", [step])
            await database.follow_clock()
            row = reading(clock, 1000 + number)
            stamps.append(row.stamp)
            await stored(writer, row)
    await database.close()
    assert [round(step / 3600) for step in steps] == [1, -1, -1, 1]
    assert bed.readings() == 5
    found = bed.all("SELECT e_forward, received_at FROM acrel_reading_raw ORDER BY id")
    assert found == [(1000 + at, to_datetime(stamp)) for at, stamp in enumerate(stamps)]
    # what was written ahead of the time that holds again does not stay the newest
    assert bed.row("acrel_meter_live", "meter_id", 1)["e_forward"] == 1004


def test_this_machines_wall_clock_does_not_matter(monkeypatch):
    clock = Clock()
    clock.follow(1_000_000_000_000_000)
    before = clock.stamp()
    monkeypatch.setattr("time.time_ns", lambda: 0)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert 0 < clock.stamp() - before < 60_000_000
