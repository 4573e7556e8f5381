"""Live rows under load: they follow within a moment, after a kill too, and never fall behind."""

import pytest

from acrel_link import live_meters
from acrel_link.clock import Clock

from .bed import until
from .test_store import reading, stored, writing

METERS = live_meters.AT_ONCE + 50


@pytest.fixture
def clock():
    return Clock()


def batch(clock, energy):
    return [reading(clock, energy, meter=number + 1) for number in range(METERS)]


def shown(bed) -> set[int]:
    return {energy for (energy,) in bed.all("SELECT e_forward FROM acrel_meter_live")}


async def test_live_rows_of_many_meters_wait_for_company(bed, clock, monkeypatch):
    monkeypatch.setattr(live_meters, "SECONDS", 600)
    async with writing(bed, clock) as writer:
        await stored(writer, *batch(clock, 1000))
        assert shown(bed) == {1000}, "the first batch moves them at once"
        await stored(writer, *batch(clock, 1001))
        await stored(writer, *batch(clock, 1002))
        assert shown(bed) == {1000}
        writer.execute("SELECT 1")
        await until(lambda: shown(bed) == {1002}, "a statement comes after its live rows")
        await stored(writer, *batch(clock, 1003))
        assert shown(bed) == {1002}
    assert shown(bed) == {1003}, "a writer that ends leaves none behind"


async def test_live_rows_that_waited_follow_without_another_reading(bed, clock, monkeypatch):
    monkeypatch.setattr(live_meters, "SECONDS", 0.1)
    async with writing(bed, clock) as writer:
        for energy in range(1000, 1010):
            await stored(writer, *batch(clock, energy))
        await until(lambda: shown(bed) == {1009}, "all live rows follow")


async def test_of_several_readings_the_highest_register_is_shown(bed, clock, monkeypatch):
    monkeypatch.setattr(live_meters, "SECONDS", 600)
    async with writing(bed, clock) as writer:
        await stored(writer, *batch(clock, 1000))
        for energy in (1005, 1003, 990):
            await stored(writer, *batch(clock, energy))
    assert shown(bed) == {1005}
    assert bed.readings() == 4 * METERS


async def test_live_rows_that_a_kill_left_behind_catch_up(bed, clock):
    _, meter, _ = bed.add_link("4711")
    async with writing(bed, clock) as writer:
        await stored(writer, reading(clock, 1000, meter=meter))
    newest = reading(clock, 1001, meter=meter)
    with bed.admin.cursor().copy("COPY acrel_reading_raw (received_at, meter_id, source, e_forward)"
                                 " FROM STDIN") as copy:  # fmt: skip
        copy.write_row((clock.now(), meter, newest.source, 1001))
    async with writing(bed, clock) as writer:
        await stored(writer, reading(clock, 5, meter=meter + 1))
    live = bed.row("acrel_meter_live", "meter_id", meter)
    assert live["e_forward"] == 1001
    assert live["reading_id"] == bed.one("SELECT id FROM acrel_reading_raw WHERE e_forward = 1001")


async def test_a_live_row_of_a_wrong_clock_gives_way(bed, clock):
    async with writing(bed, clock) as writer:
        await stored(writer, reading(clock, 1000))
        await bed.elsewhere("UPDATE acrel_meter_live SET received_at = now() + interval '1 hour'")
        await stored(writer, reading(clock, 1001))
    assert shown(bed) == {1001}


async def test_a_repeated_upload_costs_its_batch_nothing(bed, clock):
    upload = {"source": 0x91, "digest": b"1" * 16}
    async with writing(bed, clock) as writer:
        await stored(writer, reading(clock, 1000, **upload))
        await stored(
            writer,
            reading(clock, 1000, **upload),
            reading(clock, 1001, meter=2, source=0x91, digest=b"2" * 16),
            reading(clock, 1002, meter=3),
        )
        await stored(writer, reading(clock, 1003, meter=3))
    assert bed.all("SELECT meter_id, e_forward FROM acrel_reading_raw ORDER BY 2") == [
        (1, 1000), (2, 1001), (3, 1002), (3, 1003)
    ]  # fmt: skip
    assert shown(bed) == {1000, 1001, 1003}
