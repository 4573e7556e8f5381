"""Meters in the local network, which the link process asks by itself: readings, outputs, cuts."""

import time

import pytest

from acrel_link import rtu
from acrel_link.lan_requests import LanRequests, connect
from acrel_link.registers import BILLING_BLOCK, BY_NAME
from acrel_link.transparent import NoAnswerError

from .bed import until
from .bus import Bus
from .test_orders import ended, order
from .test_outputs import live_until

SERIAL = "BUS1"
FIRST, SECOND = 4321, 77


@pytest.fixture(params=["modbus_tcp", "modbus_rtu_tcp"])
async def bus(request):
    async with Bus(request.param, {1: FIRST, 2: SECOND}, speed=100) as bus:
        yield bus


over_tcp = pytest.mark.parametrize("bus", ["modbus_tcp"], indirect=True)
over_rtu = pytest.mark.parametrize("bus", ["modbus_rtu_tcp"], indirect=True)


def add_bus(bed, bus, **values) -> tuple:
    return bed.add_link(SERIAL, slaves=(1, 2), channel=bus.channel, address=bus.address, **values)


def newest(bed) -> dict:
    return dict(
        bed.all(
            "SELECT m.slave_address, l.e_forward FROM acrel_meter_live l"
            " JOIN acrel_meter m ON m.id = l.meter_id"
        )
    )


def link_row(bed, link_id) -> dict:
    return bed.row("acrel_link_live", "link_id", link_id)


async def test_two_meters_on_a_bus_are_polled_and_switched(bed, bus):
    link_id, _, output = add_bus(bed, bus)
    async with bed.link():
        await until(lambda: newest(bed) == {1: FIRST, 2: SECOND}, "both were read")
        await until(lambda: link_row(bed, link_id)["online"], "the bus is shown as connected")
        await live_until(bed, output, state="open")
        revision = bed.want(output, "closed")
        closed = await live_until(
            bed, output, state="closed", confirmed_revision=revision, feedback=True
        )
        assert closed["close_register"] == FIRST
        assert bus.devices[1].contactor
        assert not bus.devices[2].contactor
        await until(lambda: newest(bed)[1] > FIRST + 5, "its energy flows")
        bed.want(output, "open")
        opened = await live_until(bed, output, state="open", open_revision=revision + 1)
        assert opened["open_register"] > FIRST + 5
        assert bus.most_outstanding == 1, "one request at a time on the bus"
        assert newest(bed)[2] == SECOND
    row = link_row(bed, link_id)
    assert (row["online"], row["peer"]) == (False, bus.address)


@over_rtu
async def test_the_guard_opens_on_a_bus_as_elsewhere(bed, bus):
    _, _, output = add_bus(bed, bus)
    async with bed.link():
        await live_until(bed, output, state="open")
        bed.want(output, "closed", guard_energy=20)
        row = await live_until(bed, output, guard_tripped="energy", state="open")
        assert row["open_register"] >= row["close_register"] + 20


async def test_a_wire_that_is_cut_comes_back(bed, bus):
    link_id, _, output = add_bus(bed, bus)
    async with bed.link():
        await live_until(bed, output, state="open")
        bed.want(output, "closed")
        await live_until(bed, output, state="closed")
        await bus.stop()
        (event,) = await until(lambda: bed.events("bus_unreachable"), "the cut is an event")
        assert (event["link_id"], event["end_at"]) == (link_id, None)
        assert bus.address in event["message"]
        await until(lambda: not link_row(bed, link_id)["online"], "the bus is shown as gone")
        bed.want(output, "open")
        before = bed.readings()
        await bus.start()
        row = await live_until(bed, output, state="open")
        assert row["open_register"] >= row["close_register"]
        await until(lambda: bed.readings() > before + 2, "it is polled again")
        assert bed.events("bus_unreachable")[0]["end_at"] is not None
        assert len(bed.events("bus_unreachable")) == 1


async def test_silent_meters_cost_the_others_on_their_bus_nothing(bed):
    registers = {slave: 1000 * slave for slave in range(1, 6)}
    async with Bus("modbus_rtu_tcp", registers) as bus:
        slaves = tuple(registers)
        bed.add_link(SERIAL, slaves=slaves, outputs=(), channel=bus.channel, address=bus.address)
        bus.mute.update((2, 3, 4, 5))
        async with bed.link(poll_idle=0.3, lan_timeout=0.1):
            await until(lambda: bus.polls(1) > 8, "the first is polled")
            assert newest(bed) == {1: 1000}
            assert not bed.events("bus_unreachable"), "four in a row are silent, one is not"
            bus.mute.clear()
            await until(lambda: newest(bed) == registers, "all are heard")


@over_tcp
async def test_a_line_that_answers_no_more_is_connected_anew(bed, bus):
    """The serial server still holds the connection, but nothing comes over it."""
    link_id, *_ = add_bus(bed, bus, outputs=())
    async with bed.link(poll_idle=0.2):
        await until(lambda: len(newest(bed)) == 2, "both were read")
        bus.mute.update((1, 2))
        await until(lambda: bed.events("bus_unreachable"), "it is found out")
        bus.mute.clear()
        await until(lambda: bed.events("bus_unreachable")[0]["end_at"], "it is back")
        await until(lambda: link_row(bed, link_id)["online"], "and shown so")


async def test_an_answer_that_comes_late_is_not_taken_for_the_next_one(bus):
    """RTU frames bear no number, and both answers have the same form."""
    values = {"pt": 7, "ct": 40}
    for name, value in values.items():
        assert bus.devices[1].write(time.time_ns(), BY_NAME[name].address, (value,))
    client = await connect(bus.channel, bus.address, 0.3, lambda connected: None)
    requests = LanRequests(client, 0.3, lambda: True)
    bus.delay = 0.45
    with pytest.raises(NoAnswerError):
        await requests.ask(rtu.read_request(1, BY_NAME["pt"].address, 1))
    bus.delay = 0.2
    assert await requests.ask(rtu.read_request(1, BY_NAME["ct"].address, 1)) == b"\x00\x28"
    requests.close()
    client.close()


@over_tcp
async def test_only_one_process_polls_a_bus_and_another_takes_over(bed, bus):
    link_id, _, output = add_bus(bed, bus)
    async with bed.link() as second_to_be:
        async with bed.link() as first:
            owner = await until(lambda: link_row(bed, link_id).get("worker_id"), "it is taken")
            links = {one.context.worker_id: one for one in (first, second_to_be)}
            await live_until(bed, output, state="open")
            other = next(one for worker, one in links.items() if worker != owner)
            await until(lambda: bus.polls(1) > 3, "it is polled")
            assert not other.server.buses.lines
            assert link_row(bed, link_id)["worker_id"] == owner
            # the other one is told that its rival is dead: it takes the bus, the rival lets go
            await bed.elsewhere("UPDATE acrel_link_live SET worker_id = NULL, epoch = epoch + 1")
            bed.notify()
            await until(
                lambda: (
                    sum(len(one.server.buses.lines) for one in links.values()) == 1
                    and link_row(bed, link_id)["worker_id"] is not None
                ),
                "one has it",
            )
        bed.want(output, "closed")
        await live_until(bed, output, state="closed")
        assert link_row(bed, link_id)["worker_id"] == second_to_be.context.worker_id


@over_tcp
async def test_a_process_that_stood_still_lets_go_before_it_sends(bed, bus):
    bed.add_link(SERIAL, outputs=(), channel=bus.channel, address=bus.address)
    async with bed.link(poll_idle=0.1, lease=1.5, sweep=3600) as link:
        await until(lambda: bus.polls(1) > 2, "it is polled")
        # another process took the bus meanwhile
        await bed.elsewhere(
            "WITH other AS (INSERT INTO acrel_link_worker"
            " (name, host, pid, listen, started_at, seen_at)"
            " VALUES ('other', 'elsewhere', 1, '', clock_timestamp(), clock_timestamp())"
            " RETURNING id)"
            " UPDATE acrel_link_live SET epoch = epoch + 1, worker_id = other.id FROM other"
        )
        asked = len(bus.requests)
        time.sleep(2)  # the whole loop stands still, as under SIGSTOP
        await until(lambda: not link.server.buses.lines, "it lets go")
        bed.notify()
        await link.server.buses.sweep(link.server.leases)
        assert not link.server.buses.lines, "the other one lives"
        assert len(bus.requests) == asked
        await bed.elsewhere("UPDATE acrel_link_worker SET stopped_at = seen_at WHERE pid = 1")
        await link.server.buses.sweep(link.server.leases)
        await until(lambda: bus.polls(1) > 5, "it polls again when the other one has ended")


@over_tcp
async def test_an_address_outside_the_networks_is_not_connected_to(bed, bus):
    add_bus(bed, bus)
    async with bed.link(lan_networks="10.0.0.0/8"):
        (event,) = await until(lambda: bed.events("bus_unreachable"), "it is refused")
        assert "ACREL_LINK_LAN_NETWORKS" in event["message"]
        assert not bus.requests


@over_tcp
async def test_a_bus_follows_its_master_data(bed, bus):
    link_id, *_ = add_bus(bed, bus, outputs=())
    async with bed.link(poll_idle=0.2) as link:
        await until(lambda: len(newest(bed)) == 2, "both were read")
        bed.admin.execute("UPDATE acrel_meter SET active = false WHERE slave_address = 2")
        bed.notify()
        await until(
            lambda: [len(list(line.units)) for line in link.server.buses.lines] == [1],
            "the second is left out",
        )
        async with Bus(bus.channel, {1: FIRST + 9}) as elsewhere:
            bed.admin.execute("UPDATE acrel_link SET address = %s", [elsewhere.address])
            bed.notify()
            await until(lambda: newest(bed)[1] == FIRST + 9, "it is polled at its new address")
            bed.admin.execute("UPDATE acrel_link SET active = false")
            bed.notify()
            await until(lambda: not link.server.buses.lines, "it is let go")
            asked = len(elsewhere.requests)
            await until(lambda: not link_row(bed, link_id)["online"], "and shown as gone")
            assert len(elsewhere.requests) <= asked + 1


@over_rtu
async def test_a_meter_behind_a_gateway_that_refuses_long_reads_is_asked_in_parts(bed, bus):
    _, meter, _ = bed.add_link(SERIAL, outputs=(), channel=bus.channel, address=bus.address)
    device = bus.devices[1]
    whole = device.read
    device.read = lambda now, start, count: None if count > 48 else whole(now, start, count)
    async with bed.link(poll_idle=0.2):
        await until(lambda: bed.readings(meter) > 2, "readings")
        assert bus.requests.count((1, 3, *BILLING_BLOCK)) == 1
        assert bed.row("acrel_meter_live", "meter_id", meter)["e_forward"] == FIRST


@over_tcp
async def test_orders_are_carried_out_on_a_bus_but_those_for_a_module(bed, bus):
    _, meter, _ = add_bus(bed, bus, outputs=())
    async with bed.link():
        await until(lambda: len(newest(bed)) == 2, "both were read")
        made = order(bed, meter, "write", {"registers": {"alarm_over_u": 2420}})
        assert await ended(bed, made) == ("done", "Written, and read back as written.")
        assert bus.devices[1].register_of("alarm_over_u") == 2420
        made = order(bed, meter, "configure", {"frame": 0x82, "body": ""})
        state, message = await ended(bed, made)
        assert state == "failed"
        assert "no wireless module" in message
