"""The agent between simulated Modbus meters and a sealed server, the line going and coming."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from acrel_link import commands, rtu
from acrel_link.commands import UPLOAD
from acrel_link.errors import RefusedError
from acrel_link.guard_order import GuardOrder, Outcome, parse_report
from acrel_link.registers import BILLING_BLOCK, OUTPUT_BLOCK, describe
from acrel_link.uploads import parse_upload
from meter_agent import agent as agent_module
from meter_agent import refusals
from meter_agent.keys import KeyStore

from .lines import device, meter_config, serial_bus, serial_meters, tcp_bus, tcp_meters, until
from .station import KEY, SERIAL, Order, agent, bring_key, config_for, station

CLOSE = rtu.write_request(1, 0x01C2, (1,))
OPEN = rtu.write_request(1, 0x01C2, (0,))
RELAYS = rtu.read_request(1, *OUTPUT_BLOCK)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(agent_module, "BACKOFF_FIRST", 0.05)
    monkeypatch.setattr(agent_module, "BACKOFF_LAST", 0.1)


def uploads(server) -> list:
    return [parse_upload(frame.body) for frame in server.stored if frame.command == UPLOAD]


def registers(server, slave: int = 1) -> list[int]:
    found = []
    for upload in uploads(server):
        if upload.slave == slave:
            place = upload.layout.columns.index("e_forward")
            found.append(upload.layout.unpack(upload.data)[place])
    return found


@pytest.mark.parametrize("kind", ["tcp", "serial"])
async def test_registers_uploads_every_meter_and_answers(tmp_path, kind):
    devices = {1: device(1000), 2: device(2000)}
    meters = tcp_meters(devices) if kind == "tcp" else serial_meters(devices)
    async with meters as port, station() as server:
        bus = (tcp_bus if kind == "tcp" else serial_bus)(port, 1, 2)
        config = config_for(tmp_path, server.port, bus)
        bring_key(config)
        async with agent(config) as running:
            await until(lambda: {1, 2} <= {u.slave for u in uploads(server)}, "both uploaded")
            told = server.registrations[0]
            assert (told.serial, told.iccid) == (SERIAL, "89860123456789012345")
            assert told.firmware[0] == "a6.1"
            assert registers(server, 1)[0] == 1000
            assert registers(server, 2)[0] == 2000
            upload = uploads(server)[0]
            assert upload.serial == SERIAL
            assert not upload.refused
            assert {"pt", "ct", "ua", "p", "e_forward", "e_reverse"} <= set(upload.layout.columns)
            clock = upload.layout.clock(upload.data, datetime.now(UTC).date())
            local = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=8)
            assert abs(local - clock) < timedelta(minutes=1)
            assert await server.reply(commands.TIME)

            request = rtu.read_request(2, *BILLING_BLOCK)
            data = rtu.answered_read(request, await server.ask(request))
            assert describe(BILLING_BLOCK[0], data)["e_forward"] == 2000
            rtu.answered_write(CLOSE, await server.ask(CLOSE, guarded=True))
            assert devices[1].relay
            assert rtu.answered_read(RELAYS, await server.ask(RELAYS)) == bytes((0, 1, 0, 0))
            await until(lambda: not running.spool.frames, "all is acknowledged")


async def test_only_what_is_allowed_reaches_the_bus(tmp_path):
    devices = {1: device()}
    async with tcp_meters(devices) as port, station() as server:
        config = config_for(tmp_path, server.port, tcp_bus(port))
        bring_key(config)
        async with agent(config):
            await until(lambda: server.registrations, "it registered")
            ratio = rtu.write_request(1, 0x000F, (100,))
            with pytest.raises(RefusedError) as refused:
                rtu.answered_write(ratio, await server.ask(ratio, guarded=True))
            assert refused.value.code == 2
            stranger = rtu.read_request(9, 0, 1)
            with pytest.raises(RefusedError) as refused:
                rtu.answered_read(stranger, await server.ask(stranger))
            assert refused.value.code == 11
            threshold = rtu.write_request(1, 0x01D1, (2500,))
            rtu.answered_write(threshold, await server.ask(threshold, guarded=True))
            assert devices[1].read(time.time_ns(), 0x000F, 1) == bytes((0, 1))
            assert devices[1].read(time.time_ns(), 0x01D1, 1) == (2500).to_bytes(2, "big")
        config = config_for(tmp_path, server.port, tcp_bus(port), maintenance=True)
        async with agent(config):
            await until(lambda: len(server.registrations) > 1, "it registered again")
            rtu.answered_write(ratio, await server.ask(ratio, guarded=True))
            address = rtu.write_request(1, 0x0000, (9,))
            with pytest.raises(RefusedError):
                rtu.answered_write(address, await server.ask(address, guarded=True))


async def test_line_away_and_back_loses_and_doubles_nothing(tmp_path):
    meter = device(5000, load=30_000, speed=200)  # the register moves with every poll
    meter.write(time.time_ns(), 0x01C2, (1,))
    async with tcp_meters({1: meter}) as port, station() as server:
        config = config_for(tmp_path, server.port, tcp_bus(port))
        bring_key(config)
        async with agent(config) as running:
            await until(lambda: len(registers(server)) > 3, "it uploads")
            await server.close()
            gone_at = registers(server)[-1]
            waited = await until(
                lambda: running.spool.frames > 5 and running.spool.frames, "it goes on measuring"
            )
            server.acknowledging = False  # what is sent now is lost with the line
            await server.open()
            await until(lambda: server.online, "it is back")
            await until(lambda: len(server.registrations) > 1, "it registered again")
            assert running.spool.frames >= waited
            server.acknowledging = True
            server.drop()
            await until(lambda: running.spool.frames < 2, "the spool is drained")
        found = registers(server)
        assert found == sorted(found)
        assert len(found) > waited
        assert any(register > gone_at for register in found)
        stored = [frame.body for frame in server.stored]
        # one whose acknowledgement was cut off came again as it was
        assert len(stored) - len(set(stored)) <= 2


async def test_uploads_wait_over_a_restart(tmp_path):
    async with tcp_meters({1: device(700)}) as port:
        async with station() as server:
            pass
        config = config_for(tmp_path, server.port, tcp_bus(port))
        bring_key(config)
        async with agent(config) as running:
            await until(lambda: running.spool.frames > 2, "it measures without a line")
            first = running.spool.first().body
        await server.open()
        async with agent(config):
            await until(lambda: server.stored, "it drains")
        await server.close()
        bodies = [frame.body[20:] for frame in server.stored]
        assert bodies[0] == first


async def test_meter_that_the_server_refuses_does_not_hold_up_the_others(
    tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(refusals, "TRIES", 2)
    async with tcp_meters({1: device(), 2: device()}) as port, station() as server:
        server.unwanted_slave = 2
        config = config_for(tmp_path, server.port, tcp_bus(port, 1, 2))
        bring_key(config)
        async with agent(config) as running:
            await until(lambda: "uploads of slave 2" in caplog.text, "it is told")
            before = len(registers(server, 1))
            await until(lambda: len(registers(server, 1)) > before + 3, "the other one goes on")
            assert registers(server, 2) == []
            assert running.spool.frames  # those of the refused one wait


async def test_full_disk_costs_readings_and_nothing_else(tmp_path, caplog):
    meter = device()
    async with tcp_meters({1: meter}) as port, station() as server:
        config = config_for(tmp_path, server.port, tcp_bus(port))
        bring_key(config)
        async with agent(config) as running:
            await until(lambda: server.stored, "it uploads")
            await server.close()
            (pages,) = running.spool._connection.execute("PRAGMA page_count").fetchone()
            running.spool._connection.execute(f"PRAGMA max_page_count = {pages}")
            await until(lambda: "Readings are lost" in caplog.text, "the disk is full")
            await server.open()
            await until(lambda: not running.spool.frames, "what was kept arrives")
            rtu.answered_write(CLOSE, await server.ask(CLOSE, guarded=True))
            assert meter.relay


async def test_alarm_of_a_meter_is_told_when_it_begins_and_ends(tmp_path):
    meter = device()
    async with tcp_meters({1: meter}) as port, station() as server:
        config = config_for(tmp_path, server.port, tcp_bus(port))
        bring_key(config)

        def alarms():
            bodies = [frame.body for frame in server.stored if frame.command == commands.ALARM]
            return [commands.parse_alarm(body).registers["alarm1_status"] for body in bodies]

        async with agent(config):
            await until(lambda: alarms() == [0], "it says that there is none")
            meter._image.set("alarm1_status", 0x0002)
            await until(lambda: alarms() == [0, 2], "the alarm")
            meter._image.set("alarm1_status", 0)
            await until(lambda: alarms() == [0, 2, 0], "its end")


async def test_guard_opens_while_the_line_is_away(tmp_path):
    meter = device(5000, load=30_000, speed=200)
    async with tcp_meters({1: meter}) as port, station() as server:
        config = config_for(tmp_path, server.port, tcp_bus(port))
        bring_key(config)
        async with agent(config):
            await until(lambda: server.registrations, "it registered")
            order = GuardOrder(1, 1, 3, 5200, None, False)
            assert (await server.guard(order)).outcome is Outcome.KEPT
            rtu.answered_write(CLOSE, await server.ask(CLOSE, guarded=True))
            await server.close()
        # the box lost its power meanwhile
        async with agent(config):
            await until(lambda: not meter.relay, "the agent opens")
            assert meter.register(time.time_ns()) >= 5200
            await server.open()
            report = parse_report(await server.reply(0xA6))
            assert report[:4] == (1, 1, 3, Outcome.ENERGY)
            assert report.register >= 5200
            with pytest.raises(RefusedError):
                rtu.answered_write(CLOSE, await server.ask(CLOSE, guarded=True))
            assert not meter.relay
            assert (
                await server.guard(order._replace(revision=4, register=10**9))
            ).outcome is Outcome.KEPT
            rtu.answered_write(CLOSE, await server.ask(CLOSE, guarded=True))
            assert meter.relay


async def test_guard_of_an_unknown_meter_is_refused(tmp_path):
    async with tcp_meters({1: device()}) as port, station() as server:
        config = config_for(tmp_path, server.port, tcp_bus(port))
        bring_key(config)
        async with agent(config):
            await until(lambda: server.registrations, "it registered")
            report = await server.guard(GuardOrder(9, 1, 1, 1, None, False))
            assert report.outcome is Outcome.REFUSED


async def test_late_and_unguarded_writes_reach_no_meter(tmp_path):
    meter = device()
    async with tcp_meters({1: meter}) as port, station() as server:
        config = config_for(tmp_path, server.port, tcp_bus(port))
        bring_key(config)
        async with agent(config):
            await until(lambda: server.registrations, "it registered")
            server._guarded(commands.TRANSPARENT, CLOSE, -5000)
            assert rtu.answered_read(RELAYS, await server.ask(RELAYS)) == bytes(4)
            assert not meter.relay_writes


async def test_keys_rotate_and_the_new_one_survives_a_restart(tmp_path):
    async with tcp_meters({1: device()}) as port, station() as server:
        config = config_for(tmp_path, server.port, tcp_bus(port))
        bring_key(config)
        new = bytes(32)
        server.ring.order = Order(2, new)
        async with agent(config):
            await until(lambda: server.registrations and server.ring.order is None, "it answered")
        store = KeyStore(config.state, SERIAL)
        assert [slot.version for slot in store.slots()] == [1, 2]
        server.ring.keys[2] = type(server.ring.keys[1])(version=2, key=new)
        async with agent(config):
            await until(
                lambda: KeyStore(config.state, SERIAL).slots()[1] is None,
                "the server's first frame under the next key made it the only one",
            )
        current, following = KeyStore(config.state, SERIAL).slots()
        assert (current.version, current.key, following) == (2, new, None)
        counter = KeyStore(config.state, SERIAL)
        assert counter.count() > 2


async def test_box_takes_the_time_of_the_server(tmp_path):
    async with tcp_meters({1: device()}) as port, station() as server:
        server.ahead_ms = 3_600_000
        config = config_for(tmp_path, server.port, tcp_bus(port))
        bring_key(config)
        async with agent(config) as running:
            await until(lambda: server.registrations, "it registered")
            assert abs(running.clock.now() - time.time() - 3600) < 10

            def ahead():
                upload = uploads(server)[-1]
                near = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=9)
                return abs(upload.layout.clock(upload.data, near.date()) - near) < timedelta(
                    minutes=1
                )

            await until(lambda: server.stored and ahead(), "its uploads bear that time")


async def test_server_with_another_key_is_not_believed(tmp_path, caplog):
    async with tcp_meters({1: device()}) as port, station() as server:
        config = config_for(tmp_path, server.port, tcp_bus(port))
        bring_key(config, key=KEY[::-1])
        async with agent(config) as running:
            await until(lambda: "does not know this meter's key" in caplog.text, "it is told")
            assert not server.registrations
            await until(lambda: running.spool.frames, "it measures all the same")
    assert KEY[::-1].hex() not in caplog.text


async def test_meter_s_own_clock_is_kept_where_told(tmp_path):
    meter = device()
    meter.clock_offset = -86_400_000_000_000
    async with tcp_meters({1: meter}) as port, station() as server:
        bus = replace(tcp_bus(port), meters=(meter_config(clock="meter"),))
        config = config_for(tmp_path, server.port, bus)
        bring_key(config)
        async with agent(config):
            await until(lambda: server.stored, "it uploads")
        upload = uploads(server)[0]
        now = datetime.now(UTC).replace(tzinfo=None)
        clock = upload.layout.clock(upload.data, now.date())
        assert timedelta(hours=15) < now - clock < timedelta(hours=17)  # 24 h back, at +08:00
