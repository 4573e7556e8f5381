"""The bus side against pymodbus' own server with simulated meters, over TCP and serial."""

import asyncio
import contextlib
import os

import pytest

from acrel_link.crc import seal
from acrel_link.errors import RefusedError
from acrel_link.registers import BILLING_BLOCK, OUTPUT_BLOCK, describe
from meter_agent.bus import Bus, Turns
from meter_agent.errors import BusError

from .lines import bare_line, device, serial_bus, serial_meters, tcp_bus, tcp_meters


@contextlib.asynccontextmanager
async def bus_to(kind: str, devices, **values):
    async with contextlib.AsyncExitStack() as stack:
        if kind == "tcp":
            port = await stack.enter_async_context(tcp_meters(devices))
            bus = Bus(tcp_bus(port, *devices, **values))
        else:
            port = await stack.enter_async_context(serial_meters(devices))
            bus = Bus(serial_bus(port, *devices, **values))
        stack.push_async_callback(bus.close)
        yield bus


@pytest.mark.parametrize("kind", ["tcp", "serial"])
async def test_reads_and_writes_each_meter_of_a_bus(kind):
    devices = {1: device(111), 7: device(777)}
    async with bus_to(kind, devices) as bus:
        for slave, register in ((1, 111), (7, 777)):
            data = await bus.read(slave, *BILLING_BLOCK)
            assert describe(BILLING_BLOCK[0], data)["e_forward"] == register
        await bus.write(7, 0x01C2, (1,))
        assert await bus.read(7, *OUTPUT_BLOCK) == bytes((0, 1, 0, 0))
        assert await bus.read(1, *OUTPUT_BLOCK) == bytes(4)
        assert devices[7].relay
        assert not devices[1].relay


@pytest.mark.parametrize("kind", ["tcp", "serial"])
async def test_refusal_and_silence_are_told_apart(kind):
    devices = {1: device()}
    async with bus_to(kind, devices) as bus:
        with pytest.raises(RefusedError, match="no such register") as refused:
            await bus.read(1, 0x7000, 2)
        assert refused.value.code == 2
        with pytest.raises(BusError, match="does not answer"):
            await bus.read(9, 0, 1)
        devices[1].faults.set("no_reply", 1)
        # the second try is answered
        assert await bus.read(1, 0x01C2, 1) == bytes(2)


async def test_bus_that_is_not_there_is_a_sentence_and_comes_back():
    async with tcp_meters({1: device()}) as port:
        pass
    bus = Bus(tcp_bus(port))
    with pytest.raises(BusError, match="cannot be opened"):
        await bus.read(1, 0, 1)
    async with tcp_meters({1: device()}, port):
        assert await bus.read(1, 0, 1) == bytes((0, 1))
    await bus.close()
    bus = Bus(serial_bus("/dev/no-such-port"))
    with pytest.raises(BusError, match="cannot be opened"):
        await bus.read(1, 0, 1)
    await bus.close()


async def test_late_reply_on_a_serial_line_does_not_answer_the_next_question():
    loop = asyncio.get_running_loop()
    with bare_line() as (line, port):
        bus = Bus(serial_bus(port, retries=0, timeout=0.2))
        asked = asyncio.create_task(bus.read(1, 0x01C2, 1))
        await received(line, 8)
        # one and a half time-outs late: too late for its question, too early for the next
        late = asyncio.Event()

        def answer_late():
            os.write(line, seal(bytes((1, 3, 2, 0, 1))))
            late.set()

        loop.call_later(0.3, answer_late)
        with pytest.raises(BusError):
            await asked
        following = asyncio.create_task(bus.read(1, 0x01C2, 1))
        await received(line, 8)
        await late.wait()
        os.write(line, seal(bytes((1, 3, 2, 0, 0))))
        assert await following == bytes(2)
        await bus.close()


async def received(line: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        with contextlib.suppress(BlockingIOError):
            data += os.read(line, size - len(data))
        await asyncio.sleep(0.001)
    return data


async def test_question_of_a_cancelled_asker_is_still_waited_for():
    devices = {1: device()}
    async with bus_to("serial", devices) as bus:
        asked = asyncio.create_task(bus.write(1, 0x01C2, (1,)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert await bus.read(1, 0x01C2, 1) == bytes((0, 1))


async def test_urgent_question_goes_before_those_that_wait():
    turns, order = Turns(), []

    async def use(name: str, urgent: bool):
        async with turns.turn(urgent):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(
        use("first", False), use("poll 1", False), use("poll 2", False), use("guard", True)
    )
    assert order == ["first", "guard", "poll 1", "poll 2"]
