"""Registering, the time, and which connection is a link's."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from acrel_link import commands, leases, rtu
from acrel_link.commands import parse_time_answer
from acrel_link.crc import seal

from .bed import until
from .key_bench import KeyBench

SERIAL = "4711"


@pytest.fixture
def ids(bed):
    return bed.add_link(SERIAL, outputs=())


async def registered(link, serial=SERIAL):
    peer = await link.peer()
    peer.register(serial)
    assert (await peer.frame()).command == commands.REGISTER
    return peer


async def test_a_link_is_claimed_with_what_it_told(bed, ids):
    async with bed.link() as link:
        peer = await registered(link)
        row = await until(lambda: bed.row("acrel_link_live", "link_id", ids[0]), "the claim")
        assert row["online"] and row["worker_id"] == link.context.worker_id
        assert (row["iccid"], row["firmware"]) == ("89860123456789012345", "1.0/1.0/1.0")
        assert (row["rssi"], row["upload_minutes"]) == (26, 30)
        peer.close()
        row = await until(
            lambda: not (row := bed.row("acrel_link_live", "link_id", ids[0]))["online"] and row,
            "it is gone",
        )
        assert row["closed_at"] is not None
        await registered(link)
        again = await until(
            lambda: (new := bed.row("acrel_link_live", "link_id", ids[0]))["online"] and new,
            "it is back",
        )
        assert again["epoch"] > row["epoch"] and again["closed_at"] is None
    assert not bed.row("acrel_link_live", "link_id", ids[0])["online"]


async def test_the_time_is_told_in_the_meters_zone(bed, ids):
    async with bed.link(meter_time="+05:30") as link:
        peer = await registered(link)
        peer.send(commands.build_time_request(SERIAL))
        told = parse_time_answer((await peer.frame(commands.TIME)).body)
    local = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=5, minutes=30)
    assert abs(told - local) < timedelta(minutes=1)


async def test_heartbeats_are_not_answered(bed, ids):
    async with bed.link(request_timeout=30) as link:
        peer = await registered(link)
        peer.send(commands.HEARTBEAT_FRAME, commands.build_time_request(SERIAL))
        told = []
        while commands.TIME not in told:
            told.append((await peer.frame()).command)
    assert set(told) <= {commands.TRANSPARENT, commands.TIME}


async def test_registering_again_on_the_same_connection_is_acknowledged(bed, ids):
    async with bed.link(request_timeout=30) as link:
        peer = await registered(link)
        peer.register(SERIAL)
        assert await peer.frame(commands.REGISTER)


async def answer_probes(peer):
    """Answer every read with zeros until the link closes the connection."""
    while frame := await peer.frame(commands.TRANSPARENT):
        request = rtu.parse_request(frame.body)
        data = bytes(2 * request.count)
        peer.send(commands.build_transparent(seal(bytes((1, 3, len(data))) + data), SERIAL))


async def test_a_newcomer_is_refused_while_the_first_connection_answers(bed, ids):
    async with bed.link() as link:
        first = await registered(link)
        answering = asyncio.create_task(answer_probes(first))
        newcomer = await link.peer()
        newcomer.register(SERIAL)
        assert await newcomer.closed()
        assert not answering.done()
        events = await until(lambda: bed.events("link_mismatch"), "the event")
        assert "second connection" in events[0]["message"]
        first.close()
        await answering


async def test_a_newcomer_displaces_a_connection_that_does_not_answer(bed, ids):
    async with bed.link(idle_timeout=60, request_timeout=0.3) as link:
        first = await registered(link)
        await until(lambda: bed.row("acrel_link_live", "link_id", ids[0]), "the claim")
        epoch = bed.row("acrel_link_live", "link_id", ids[0])["epoch"]
        newcomer = await link.peer()
        newcomer.register(SERIAL)
        first.send(commands.HEARTBEAT_FRAME)
        assert (await newcomer.frame()).command == commands.REGISTER
        assert await first.closed()
        await until(
            lambda: bed.row("acrel_link_live", "link_id", ids[0])["epoch"] > epoch, "a new claim"
        )


async def test_a_newcomer_takes_the_place_of_a_dead_connection_at_once(bed, ids):
    async with bed.link(probe_timeout=60, request_timeout=60) as link:
        first = await registered(link)
        newcomer = await link.peer()
        newcomer.register(SERIAL)
        await until(lambda: link.context.counters.connections == 2, "both are in")
        first.close()
        assert (await newcomer.frame()).command == commands.REGISTER


async def test_a_link_that_is_archived_is_cut(bed, ids):
    async with bed.link() as link:
        peer = await registered(link)
        bed.admin.execute("UPDATE acrel_link SET active = false")
        bed.notify()
        assert await peer.closed()
        peer = await link.peer()
        peer.register(SERIAL)
        assert await peer.closed()


async def test_a_meter_added_to_a_living_link_is_polled(bed, ids):
    async with bed.link(request_timeout=1) as link:
        peer = await registered(link)
        asked = rtu.parse_request((await peer.frame(commands.TRANSPARENT)).body)
        assert asked.slave == 1
        bed.admin.execute(
            "INSERT INTO acrel_meter (link_id, slave_address, profile, active)"
            " VALUES (%s, 2, 'adw300', true)",
            [ids[0]],
        )
        bed.admin.execute("UPDATE acrel_meter SET active = false WHERE slave_address = 1")
        bed.notify()
        while asked.slave != 2:
            asked = rtu.parse_request((await peer.frame(commands.TRANSPARENT)).body)


async def test_another_sim_card_is_an_event_until_it_is_accepted(bed, ids, tmp_path):
    def bound():
        return bed.row("acrel_link_live", "link_id", ids[0]).get("bound_iccid")

    async def registers(link, iccid):
        await until(lambda: link.context.counters.connections == 0, "nobody is there")
        peer = await link.peer()
        peer.register(SERIAL, iccid=iccid)
        card = "SELECT online AND iccid = %s FROM acrel_link_live"
        await until(lambda: bed.one(card, iccid), "the claim")
        peer.close()

    async with bed.link() as link:
        await registers(link, "")
        assert bound() is None, "no card was told"
        await registers(link, "8986111")
        assert bound() == "8986111", "the first contact binds"
        for _ in range(2):
            await registers(link, "8986999")
        [event] = await until(lambda: bed.events("sim_changed"), "the event")
        assert "8986999" in event["message"] and "8986111" in event["message"]
        assert event["end_at"] is None, "it lasts, and is told once"
        assert bound() == "8986111"
        bench = KeyBench(bed, tmp_path)
        job = bench.ask("accept_sim", ids[0])
        await until(lambda: bench.job(job)["state"] == "done", "accepted, also without a root key")
        assert bound() == "8986999"
        await registers(link, "8986999")
        await until(lambda: bed.events("sim_changed")[0]["end_at"], "it is over")
    assert bench.logged() == ["sim_accepted"]


async def test_a_meter_registers_while_postgresql_is_away(cluster, bed, ids):
    async with bed.link() as link:
        bed.close()
        cluster.stop()
        try:
            peer = await registered(link)
            assert await peer.frame(commands.TRANSPARENT), "it is polled"
        finally:
            cluster.start()
        await until(
            lambda: bed.row("acrel_link_live", "link_id", ids[0]).get("online"), "the claim"
        )


@pytest.fixture
def interrupted(monkeypatch):
    """Let the statement after the claim fail once, as a restart of PostgreSQL does."""

    def interrupt(link):
        fetch, failed = link.context.keeping.fetch, []

        async def failing(sql, arguments=()):
            if sql == leases.INTERRUPTED and not failed:
                failed.append(sql)
                raise psycopg.OperationalError("the connection is lost")
            return await fetch(sql, arguments)

        monkeypatch.setattr(link.context.keeping, "fetch", failing)
        return failed

    return interrupt


async def test_a_claim_that_failed_half_way_is_completed(bed, interrupted):
    link_id, _, output = bed.add_link(SERIAL)
    async with bed.link(request_timeout=30) as link:
        # another process owned the link since this one started
        bed.admin.execute(
            "INSERT INTO acrel_link_live (link_id, epoch, worker_id, online, bound_iccid)"
            " VALUES (%s, 0, 4711, true, '8986')",
            [link_id],
        )
        bed.admin.execute(
            "INSERT INTO acrel_output_live (output_id, state, close_revision, close_register)"
            " VALUES (%s, 'closed', 3, 777)",
            [output],
        )
        failed = interrupted(link)
        await registered(link)
        [connection] = link.server.online
        await until(lambda: connection.epoch is not None, "the connection has its epoch")
        assert failed
        row = bed.row("acrel_link_live", "link_id", link_id)
        assert row["epoch"] == connection.epoch
        assert link.context.master.live_of(output).close_register == 777, "it was taken over"
        assert await until(lambda: bed.events("sim_changed"), "the other SIM card is told")


async def test_a_connection_that_closes_while_its_claim_fails_is_shown_offline(bed, interrupted):
    link_id, *_ = bed.add_link(SERIAL)
    async with bed.link(request_timeout=30) as link:
        peer = await registered(link)
        [connection] = link.server.online
        await until(lambda: connection.epoch is not None, "the connection has its epoch")
        peer.close()
        offline = "SELECT NOT online FROM acrel_link_live WHERE link_id = %s"
        await until(lambda: bed.one(offline, link_id), "it is gone")
        fetch = link.context.keeping.fetch
        peer = await link.peer()

        async def closing(sql, arguments=()):
            if sql == leases.INTERRUPTED:
                for line in link.server.online:
                    line.cut("the test ends it here")
                raise psycopg.OperationalError("the connection is lost")
            return await fetch(sql, arguments)

        link.context.keeping.fetch = closing
        peer.register(SERIAL)
        assert await peer.closed()
        await until(lambda: bed.one(offline, link_id), "it is gone again")


async def test_a_connection_that_lost_its_epoch_sends_nothing_more(bed, ids):
    async with bed.link(request_timeout=30) as link:
        peer = await registered(link)
        await until(lambda: bed.row("acrel_link_live", "link_id", ids[0]), "the claim")
        await bed.elsewhere(
            "UPDATE acrel_link_live SET epoch = nextval('acrel_link_epoch_seq'), worker_id = NULL"
        )
        assert await peer.closed()
        row = bed.row("acrel_link_live", "link_id", ids[0])
        assert row["online"], "the other process's row is left alone"


async def test_links_of_a_process_that_died_are_shown_offline(bed, ids):
    bed.admin.execute(
        "INSERT INTO acrel_link_worker (id, name, host, pid, listen, started_at, seen_at)"
        " VALUES (77, 'x', 'x', 1, 'x', now() - interval '1 h', now() - interval '1 min')"
    )
    bed.admin.execute(
        "INSERT INTO acrel_link_live (link_id, epoch, worker_id, online) VALUES (%s, 1, 77, true)",
        [ids[0]],
    )
    async with bed.link():
        await until(
            lambda: not bed.row("acrel_link_live", "link_id", ids[0])["online"], "it is offline"
        )
