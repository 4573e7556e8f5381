"""Month-ends that meters keep by themselves: read after a gap, compared with our readings."""

from datetime import UTC, datetime, timedelta

import pytest

from acrel_link.month_check import disagreement

from .bed import until

SERIAL = "99000000000001"
REGISTER = 30_000  # the simulator's rows: 1,000 counts less each month


@pytest.fixture
def meter(bed):
    return bed.add_link(SERIAL, outputs=())[1]


def rows(bed) -> list[dict]:
    cursor = bed.admin.execute("SELECT * FROM acrel_meter_month ORDER BY month DESC")
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def last_freeze() -> datetime:
    """Return the first of this month by the meter's clock, as UTC."""
    local = datetime.now(UTC) + timedelta(hours=8)
    return datetime(local.year, local.month, 1) - timedelta(hours=8)


async def test_the_last_twelve_months_of_a_new_meter_are_read(bed, meter):
    async with bed.link() as link, bed.fleet(link, start_register=REGISTER):
        await until(lambda: len(rows(bed)) == 12, "twelve rows")
        asked = bed.one("SELECT max(received_at) FROM acrel_meter_month")
        await until(lambda: bed.readings(meter) > 5, "it is polled on")
        assert bed.one("SELECT max(received_at) FROM acrel_meter_month") == asked
    stored = rows(bed)
    newest = stored[0]
    assert newest["frozen_at"] == last_freeze()
    assert newest["frozen_clock"] == last_freeze() + timedelta(hours=8)
    assert newest["month"] == (newest["frozen_clock"] - timedelta(days=1)).date().replace(day=1)
    assert [row["e_forward"] for row in stored] == [REGISTER - 1000 * n for n in range(1, 13)]
    assert newest["e_reverse"] == 0
    assert newest["others"]["e_forward_a"] >= 0
    assert newest["register_before"] is None
    assert newest["register_after"] in (REGISTER, None), "None when the freeze is minutes ago"
    assert not bed.events("month_differs")


async def test_only_what_was_missed_is_read_after_a_gap(bed, meter):
    async with bed.link() as link, bed.fleet(link, start_register=REGISTER):
        await until(lambda: len(rows(bed)) == 12, "twelve rows")
    before = rows(bed)
    missed, forgotten = before[:3], before[8]
    for row in (*missed, forgotten):
        bed.admin.execute("DELETE FROM acrel_meter_month WHERE month = %s", [row["month"]])
    async with bed.link() as link, bed.fleet(link, start_register=REGISTER):
        await until(lambda: rows(bed)[0]["month"] == missed[0]["month"], "the newest again")
    expected = [row["month"] for row in before if row is not forgotten]
    assert [row["month"] for row in rows(bed)] == expected, "older ones are not asked for again"


async def test_a_month_that_does_not_fit_our_readings_is_an_event(bed, meter):
    before = last_freeze() - timedelta(hours=1)
    bed.admin.execute("SELECT acrel_reading_ensure_partition(%s)", [before.date()])
    bed.admin.execute(
        "INSERT INTO acrel_reading_raw (received_at, meter_id, source, e_forward)"
        " VALUES (%s, %s, 144, %s)",
        [before, meter, REGISTER - 500],
    )
    async with bed.link() as link, bed.fleet(link, start_register=REGISTER):
        (event,) = await until(lambda: bed.events("month_differs"), "the event")
    assert event["meter_id"] == meter
    assert f"kept {REGISTER - 1000}" in event["message"]
    assert f"had read {REGISTER - 500} before" in event["message"]
    assert rows(bed)[0]["register_before"] == REGISTER - 500


@pytest.mark.parametrize(
    ("frozen", "before", "after", "differs"),
    [
        (1000, None, None, False),
        (1000, 900, 1100, False),
        (1000, 1010, None, False),
        (1000, 1011, None, True),
        (1000, None, 990, False),
        (1000, None, 989, True),
        (0, 500, 900, True),
    ],
)
def test_a_frozen_register_lies_between_the_readings_around_it(frozen, before, after, differs):
    assert bool(disagreement(frozen, before, after)) is differs
