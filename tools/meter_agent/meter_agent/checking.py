"""`meter-agent check`: what works, line by line."""

import asyncio
from collections.abc import AsyncIterator

from acrel_link.commands import UPLOAD
from acrel_link.errors import ProtocolError
from acrel_link.registers import BILLING_BLOCK, OUTPUT_BLOCK, describe

from . import durable
from .agent import GUARDS_FILE, SPOOL_FILE
from .bus import Bus
from .clock import Clock
from .config import Config, MeterConfig
from .errors import AgentError, BusError, LineError, LockedError
from .guards import Guards
from .meter import Meter
from .session import Session
from .spool import Spool
from .wires import Dialler


async def check(config: Config) -> bool:
    """Print what works and what does not; return whether all does."""
    good = True
    async for works, text in _looks(config):
        print("ok   " if works else "FAIL ", text, flush=True)
        good &= works
    return good


async def _looks(config: Config) -> AsyncIterator[tuple[bool, str]]:
    yield True, f"The configuration names {len(config.meters)} meters on {len(config.buses)} buses."
    for bus_config in config.buses:
        bus = Bus(bus_config)
        try:
            for meter in bus_config.meters:
                yield await _look_at_meter(bus, meter)
        finally:
            await bus.close()
    try:
        yield await _look_at_line(config)
    except AgentError as error:
        yield False, str(error)


async def _look_at_meter(bus: Bus, meter: MeterConfig) -> tuple[bool, str]:
    try:
        data = await bus.read(meter.address, *BILLING_BLOCK)
        relays = await bus.read(meter.address, *OUTPUT_BLOCK)
    except (BusError, ProtocolError) as error:
        return False, str(error)
    told = describe(BILLING_BLOCK[0], data)
    closed = [str(number) for number in (1, 2) if relays[2 * number - 1] & 1]
    energy = f"{told['e_forward'] / 100:.2f}"
    return True, (
        f"Meter {meter.slave} on {bus}: {energy} kWh on its display, PT {told['pt']}, "
        f"CT {told['ct']}, outputs closed: {', '.join(closed) or 'none'}."
    )


async def _look_at_line(config: Config) -> tuple[bool, str]:
    try:
        lock = durable.lock(durable.folder(config.state))
    except LockedError:
        return True, "The agent is running: the line to the server is its own and was not tried."
    with lock:
        dialler = Dialler(config)
        clock = Clock(config.state)
        spool = Spool(config.state / SPOOL_FILE, config.spool_mb * 2**20, UPLOAD)
        meters = {
            meter.slave: Meter(meter, Bus(bus), clock, config.utc_offset, False, spool.add)
            for bus in config.buses
            for meter in bus.meters
        }
        guards = Guards(
            config.state / GUARDS_FILE, clock, set(meters), _open_nothing, lambda report: None
        )
        try:
            wire = await dialler.connect()
            try:
                await Session(
                    wire, config, dialler.iccid, meters, guards, spool, asyncio.Event(), clock
                ).register()
            finally:
                wire.close()
        except LineError as error:
            return False, f"No line to the server: {error}."
        finally:
            waiting = spool.frames
            spool.close()
    return True, (
        f"The server at {config.host}:{config.port} knows {config.serial}; "
        f"{waiting} frames wait in the spool."
    )


async def _open_nothing(slave: int, output: int) -> None:
    raise BusError("a look at the line opens nothing.")
