"""Buses for tests: simulated meters as plain Modbus slaves, over TCP and over a serial pair."""

import asyncio
import contextlib
import os
import time
import tty
from collections.abc import AsyncIterator, Callable, Iterator

from acrel_link.simulator.device import COUNT, Device
from acrel_link.simulator.modbus import serve_serial, serve_tcp
from meter_agent.config import BusConfig, MeterConfig

DEADLINE = 30.0


async def until(condition: Callable, what: str, seconds: float = DEADLINE):
    """Wait for a condition; return its true value."""
    limit = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < limit, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.01)
    return value


def device(register: int = 12345, **options) -> Device:
    return Device(time.time_ns(), energy=register * COUNT, travel=0, **options)


def meter_config(slave: int = 1, **values) -> MeterConfig:
    told = {"address": slave, "poll_closed": 0.1, "poll_idle": 0.2, "clock": "agent"} | values
    return MeterConfig(slave, **told)


def tcp_bus(port: int, *slaves: int, **values) -> BusConfig:
    return _bus(host="127.0.0.1", tcp_port=port, slaves=slaves, **values)


def serial_bus(port: str, *slaves: int, **values) -> BusConfig:
    return _bus(port=port, slaves=slaves, **values)


def _bus(slaves, **values) -> BusConfig:
    told = {
        "name": "site",
        "port": None,
        "baud": 115200,
        "parity": "N",
        "stop_bits": 1,
        "host": None,
        "tcp_port": 502,
        "rtu_over_tcp": False,
        "timeout": 0.3,
        "retries": 1,
    } | values
    return BusConfig(**told, meters=tuple(meter_config(slave) for slave in slaves or (1,)))


@contextlib.asynccontextmanager
async def tcp_meters(devices: dict[int, Device], port: int = 0) -> AsyncIterator[int]:
    """Serve devices by Modbus TCP; give the port."""
    server = await serve_tcp(devices, "127.0.0.1", port)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


@contextlib.contextmanager
def serial_pair() -> Iterator[tuple[str, str]]:
    """Give two serial ports that are wired to each other, inside a running loop."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        masters, ports = [], []
        for _ in range(2):
            master, slave = os.openpty()
            tty.setraw(slave)
            ports.append(os.ttyname(slave))
            masters.append(master)
            stack.callback(os.close, slave)
            stack.callback(os.close, master)
        for here, there in (masters, masters[::-1]):
            loop.add_reader(here, lambda a=here, b=there: os.write(b, os.read(a, 4096)))
            stack.callback(loop.remove_reader, here)
        yield ports[0], ports[1]


@contextlib.contextmanager
def bare_line() -> Iterator[tuple[int, str]]:
    """Give one end of a serial line as a file, which does not block, and the port of the other."""
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        os.set_blocking(master, False)
        yield master, os.ttyname(slave)
    finally:
        os.close(slave)
        os.close(master)


@contextlib.asynccontextmanager
async def serial_meters(devices: dict[int, Device]) -> AsyncIterator[str]:
    """Serve devices by Modbus RTU on one end of a serial pair; give the other end's port."""
    with serial_pair() as (far, near):
        server = await serve_serial(devices, far, 115200)
        try:
            yield near
        finally:
            await server.shutdown()
