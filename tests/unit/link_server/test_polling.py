"""Polls: what is asked, of whom, and what disturbed lines do to it."""

import asyncio

import pytest

from acrel_link import commands, rtu
from acrel_link.crc import seal
from acrel_link.registers import BILLING_BLOCK

from .bed import until

SERIAL = "99000000000001"


class Slaves:
    """Meters behind a raw socket that answer by a function of the request."""

    def __init__(self, link, serial: str, answer):
        self._link, self._serial, self._answer = link, serial, answer
        self.asked: list[tuple[int, int, int]] = []

    async def __aenter__(self):
        self._peer = await self._link.peer()
        self._peer.register(self._serial)
        assert await self._peer.frame(commands.REGISTER)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *error):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self):
        while frame := await self._peer.frame(commands.TRANSPARENT):
            request = rtu.parse_request(frame.body)
            self.asked.append((request.slave, request.start, request.count))
            if reply := self._answer(request):
                self._peer.send(commands.build_transparent(seal(reply), self._serial))


def registers(request, energy: int) -> bytes:
    """Return a reply in which every register is 0 but e_forward."""
    data = bytearray(2 * request.count)
    offset = 2 * (0x3E - request.start)
    if 0 <= offset < len(data):
        data[offset : offset + 4] = energy.to_bytes(4, "big")
    return bytes((request.slave, 3, len(data))) + data


async def test_a_meter_is_asked_for_its_billing_registers_and_its_relays(bed):
    _, meter, _ = bed.add_link(SERIAL)
    async with (
        bed.link() as link,
        Slaves(link, SERIAL, lambda request: registers(request, 777)) as slaves,
    ):
        live = await until(lambda: bed.row("acrel_meter_live", "meter_id", meter), "a reading")
        assert (live["e_forward"], live["source"], live["pt"]) == (777, 0x90, 0)
        assert {(1, *BILLING_BLOCK), (1, 0x1C2, 2), (1, 0x3A, 1)} <= set(slaves.asked)


async def test_a_meter_that_refuses_the_long_read_is_asked_in_parts(bed):
    _, meter, _ = bed.add_link(SERIAL, outputs=())

    def answer(request):
        if request.count > 48:
            return bytes((request.slave, 0x83, 2))
        return registers(request, 888)

    async with bed.link(poll_idle=0.2) as link, Slaves(link, SERIAL, answer) as slaves:
        await until(lambda: bed.readings(meter) > 2, "readings")
        live = bed.row("acrel_meter_live", "meter_id", meter)
        assert (live["e_forward"], live["ua"], live["pt"]) == (888, 0, None)
        assert slaves.asked.count((1, *BILLING_BLOCK)) == 1
        assert {(1, 0x14, 38), (1, 0x3C, 10)} <= set(slaves.asked)


async def test_several_meters_behind_a_link_are_told_apart(bed):
    bed.add_link(SERIAL, slaves=(1, 2, 3), outputs=())
    answers = {1: 100, 2: 200}

    def answer(request):
        return request.slave in answers and registers(request, answers[request.slave])

    async with bed.link(request_timeout=0.2), bed.link() as link, Slaves(link, SERIAL, answer):
        await until(lambda: bed.readings() > 6, "readings")
    found = bed.all(
        "SELECT m.slave_address, l.e_forward FROM acrel_meter_live l"
        " JOIN acrel_meter m ON m.id = l.meter_id ORDER BY 1"
    )
    assert found == [(1, 100), (2, 200)], "the third is silent and costs the others nothing"


async def test_a_meter_whose_module_went_silent_is_let_go(bed):
    """Nothing is answered and nothing comes by itself: the socket is dead."""
    bed.add_link(SERIAL)
    async with bed.link(request_timeout=0.2) as link:
        peer = await link.peer()
        peer.register(SERIAL)
        assert await peer.closed()


@pytest.mark.parametrize("fault", ["split", "garbage", "slow", "duplicate", "wrong_crc"])
async def test_readings_flow_over_a_disturbed_line(bed, fault):
    _, meter, _ = bed.add_link(SERIAL)
    async with bed.link() as link, bed.fleet(link) as fleet:
        fleet.fault(SERIAL, fault, {"slow": 0.2, "wrong_crc": 5}.get(fault))
        before = bed.readings(meter)
        await until(lambda: bed.readings(meter) > before + 5, "readings")
        if fault != "wrong_crc":  # its broken frame may look like one that is not completed
            assert fleet.state(SERIAL)["connections"] == 1


async def test_a_closed_output_is_polled_more_often(bed):
    _, meter, output = bed.add_link(SERIAL)
    async with bed.link(poll_idle=3600, poll_closed=0.1) as link, bed.fleet(link, interval=0):
        await until(lambda: bed.live(output), "the output was seen")
        polls = "SELECT count(*) FROM acrel_reading_raw WHERE source = 144 AND meter_id = %s"
        assert bed.one(polls, meter) <= 1
        bed.want(output, "closed")
        await until(lambda: bed.one(polls, meter) > 5, "it is polled often")


async def test_polls_of_many_meters_spread_over_the_interval(bed):
    count = 20
    for number in range(count):
        bed.add_link(str(int(SERIAL) + number), outputs=())
    async with (
        bed.link(poll_idle=2, flush_time=0.001) as link,
        bed.fleet(link, count=count, interval=3600),
    ):
        polls = "SELECT count(*) FROM acrel_reading_raw WHERE source = 144"
        await until(lambda: bed.one(polls) >= 4 * count, "four rounds")
    rows = bed.all(
        "SELECT extract(epoch FROM received_at) FROM acrel_reading_raw WHERE source = 144"
        " ORDER BY received_at OFFSET %s LIMIT %s",
        2 * count,
        count,
    )
    # one round takes most of the interval, as it would not if all were asked at once
    assert rows[-1][0] - rows[0][0] > 1


def polls(bed, meter) -> int:
    return bed.one(
        "SELECT count(*) FROM acrel_reading_raw WHERE source = 144 AND meter_id = %s", meter
    )


def want_readings(bed, *moments):
    for meter, seconds in moments:
        bed.admin.execute(
            "INSERT INTO acrel_read_at (at, meter_id)"
            " VALUES (clock_timestamp() + %s * interval '1 s', %s)",
            [seconds, meter],
        )


async def test_a_meter_is_read_at_the_moments_that_are_wanted(bed):
    _, first, _ = bed.add_link(SERIAL, outputs=())
    _, second, _ = bed.add_link(str(int(SERIAL) + 1), outputs=())
    want_readings(bed, (first, -3600), (first, 2), (first, 3.5), (second, 86400))
    slow = {"poll_idle": 3600, "poll_closed": 0.1, "sweep": 0.1}
    async with bed.link(**slow) as link, bed.fleet(link, count=2, interval=3600):
        await until(lambda: polls(bed, first) == 3, "its first poll and two moments")
        await until(lambda: polls(bed, second) == 1, "the other's first poll")
    late = bed.all(
        "SELECT extract(epoch FROM r.received_at - max(w.at))"
        "  FROM acrel_reading_raw r JOIN acrel_read_at w"
        "    ON w.meter_id = r.meter_id AND w.at <= r.received_at"
        " WHERE r.source = 144 AND r.meter_id = %s"
        " GROUP BY r.received_at ORDER BY r.received_at OFFSET 1",
        first,
    )
    assert all(seconds < 1.5 for (seconds,) in late), late


async def test_a_wanted_moment_is_read_while_the_database_is_away(bed, cluster):
    _, meter, _ = bed.add_link(SERIAL, outputs=())
    want_readings(bed, (meter, 4))
    slow = {"poll_idle": 3600, "poll_closed": 0.1, "sweep": 0.1}
    async with bed.link(**slow) as link, bed.fleet(link, interval=3600):
        await until(lambda: polls(bed, meter) == 1, "its first poll")
        await until(lambda: link.keeper.moments._wanted, "the moment is known")
        at = bed.one("SELECT at FROM acrel_read_at")
        bed.admin.close()
        cluster.stop()
        try:
            await until(lambda: link.context.clock.now() > at, "the moment passes")
            await until(lambda: link.context.writer.pending, "its reading waits")
        finally:
            cluster.start()
        await until(lambda: polls(bed, meter) == 2, "it is stored")
    received = bed.one("SELECT max(received_at) FROM acrel_reading_raw")
    assert 0 <= (received - at).total_seconds() < 1.5
