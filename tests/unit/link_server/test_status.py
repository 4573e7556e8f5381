"""A meter's own alarms and its clock: polled, begun and ended once, also over restarts."""

from datetime import UTC, datetime

import pytest

from .bed import until

SERIAL = "99000000000001"
QUICK = {"poll_status": 0.2}


def lasting(bed) -> list[str]:
    return [
        kind for (kind,) in bed.all("SELECT kind FROM acrel_event WHERE end_at IS NULL ORDER BY id")
    ]


@pytest.fixture
def meter(bed) -> int:
    return bed.add_link(SERIAL)[1]


async def test_the_bits_of_all_three_words_begin_and_end_each_by_itself(bed, meter):
    async with bed.link(**QUICK) as link, bed.fleet(link) as fleet:
        fleet.show(SERIAL, "alarm1_status", 0x4001)
        fleet.show(SERIAL, "alarm2_status", 0x8010)
        fleet.show(SERIAL, "alarm3_status", 0x10)
        every = {
            "alarm_over_voltage", "alarm_phase_sequence", "alarm_temperature_a",
            "alarm_unbalance_i", "alarm_demand_s",
        }  # fmt: skip
        await until(lambda: set(lasting(bed)) == every, "the alarms")
        fleet.show(SERIAL, "alarm1_status", 0x4000)
        await until(lambda: set(lasting(bed)) == every - {"alarm_over_voltage"}, "one end")
        for number in (1, 2, 3):
            fleet.show(SERIAL, f"alarm{number}_status", 0)
        await until(lambda: lasting(bed) == [], "all ends")
        assert bed.one("SELECT count(*) FROM acrel_event WHERE kind LIKE 'alarm%%'") == 5
        assert {each["severity"] for each in bed.events("alarm_unbalance_i")} == {"warning"}
        assert {each["meter_id"] for each in bed.events("alarm_temperature_a")} == {meter}


async def test_an_alarm_over_a_restart_of_the_link_is_one_event(bed, meter):
    async with bed.link(**QUICK) as link, bed.fleet(link) as fleet:
        fleet.show(SERIAL, "alarm1_status", 2)
        await until(lambda: lasting(bed) == ["alarm_under_voltage"], "the alarm")
    async with bed.link(**QUICK) as link, bed.fleet(link, paused=True) as fleet:
        fleet.show(SERIAL, "alarm1_status", 2)
        fleet.show(SERIAL, "alarm3_status", 1)
        await until(lambda: "alarm_demand_p_forward" in lasting(bed), "a poll after the restart")
        assert len(bed.events("alarm_under_voltage")) == 1
        fleet.show(SERIAL, "alarm1_status", 0)
        await until(lambda: "alarm_under_voltage" not in lasting(bed), "its end")
    assert len(bed.events("alarm_under_voltage")) == 1


async def test_a_clock_that_is_off_is_set_and_a_wrong_one_is_told(bed, meter):
    async with bed.link() as link, bed.fleet(link, load=0) as fleet:
        await until(lambda: bed.readings(meter), "a reading")
        device = fleet.clients[SERIAL].device
        device.clock_offset -= 400 * 10**9
        events = await until(lambda: bed.events("clock_off"), "the event")
        assert "The clock is off by -" in events[0]["message"]
        await until(lambda: bed.events("clock_off")[0]["end_at"], "its end")
        assert abs(device.clock_offset) < 5 * 10**9
        assert fleet.state(SERIAL)["writes"] == [0x0011]


async def test_a_clock_that_is_off_a_little_is_set_without_a_word(bed, meter):
    async with bed.link() as link, bed.fleet(link) as fleet:
        await until(lambda: bed.readings(meter), "a reading")
        device = fleet.clients[SERIAL].device
        device.clock_offset += 30 * 10**9
        await until(lambda: abs(device.clock_offset) < 5 * 10**9, "the right time")
        assert bed.events("clock_off") == []
        clock = await until(
            lambda: bed.one(
                "SELECT meter_clock FROM acrel_reading_raw WHERE meter_clock IS NOT NULL"
                " ORDER BY received_at DESC LIMIT 1"
            ),
            "a reading with its clock",
        )
        assert abs((clock - datetime.now(UTC).replace(tzinfo=None)).total_seconds() - 28800) < 60
