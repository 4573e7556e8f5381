"""Many simulated meters, and the handle on each of them."""

import asyncio
import time
from collections import deque

from pymodbus.server import ModbusTcpServer

from ..profiles import profile
from .client import Client
from .device import COUNT, Device
from .memory import Kept, load, save
from .modbus import serve_tcp
from .options import Options
from .proofs import Proofs

SAVE_SECONDS = 10.0
TIMES_KEPT = 50_000  # acknowledgement times: the newest, if nobody asks
_GOLDEN = 0.6180339887498949  # spreads any number of meters evenly over an interval


class FleetError(Exception):
    """There is no such meter, or a value that it does not take."""


class Fleet:
    """Meters with consecutive serial numbers; an async context that runs them.

    `serial` of every method is one meter's, or "*" for all.
    """

    def __init__(self, options: Options):
        self.options = options
        now = time.time_ns()
        kept = load(options.state) if options.state else {}
        self._proofs = Proofs(options, kept, self._save)
        # of all meters in one row: a row for each would be as far apart in memory as they are
        self._acknowledgement_times: deque[float] = deque(maxlen=TIMES_KEPT)
        self.clients: dict[str, Client] = {}
        for number in range(options.count):
            serial = str(options.serial_start + number)
            before = kept.get(serial, Kept(self._start_register(number) * COUNT, 0))
            device = Device(
                now,
                load=options.load,
                phases=options.phases,
                speed=options.speed,
                energy=before.energy,
                seed=options.seed + number,
                model=profile(options.profile),
            )
            place = (number * _GOLDEN) % 1.0
            lines = self._proofs.lines(serial)
            self.clients[serial] = Client(
                serial,
                place,
                device,
                options,
                before.sequence,
                lines,
                acknowledgement_times=self._acknowledgement_times,
            )
        self._tasks: list[asyncio.Task] = []
        self._bus: ModbusTcpServer | None = None

    def _start_register(self, number: int) -> int:
        if self.options.start_register is not None:
            return self.options.start_register
        return 10_000 + (self.options.seed * 7919 + number * 104_729) % 1_000_000

    async def __aenter__(self) -> "Fleet":
        if self.options.modbus is not None:
            devices = {slave: one.device for slave, one in enumerate(self.clients.values(), 1)}
            self._bus = await serve_tcp(devices, *self.options.modbus)
        else:
            self._tasks = [asyncio.create_task(client.run()) for client in self.clients.values()]
        if self.options.state:
            self._tasks.append(asyncio.create_task(self._keep()))
        return self

    async def __aexit__(self, *_error) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self.clients.values():
            await client.gone()
        if self._bus is not None:
            await self._bus.shutdown()
        self._save()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            self._save()

    def _save(self) -> None:
        if not self.options.state:
            return
        now = time.time_ns()
        save(
            self.options.state,
            {
                serial: Kept(client.device.energy(now), client.sequence, *self._proofs.kept(serial))
                for serial, client in self.clients.items()
            },
        )

    def _clients(self, serial: str) -> list[Client]:
        if serial == "*":
            return list(self.clients.values())
        if serial not in self.clients:
            raise FleetError(f"There is no meter {serial!r} here; `serials` names them.")
        return [self.clients[serial]]

    def serials(self) -> list[str]:
        """Return the serial numbers."""
        return list(self.clients)

    def acknowledgement_times(self) -> list[float]:
        """Return how many seconds the uploads took to be acknowledged since this was asked last."""
        times = list(self._acknowledgement_times)
        self._acknowledgement_times.clear()
        return times

    def totals(self) -> dict[str, int]:
        """Return what all meters together did."""
        clients = self.clients.values()
        return {
            "meters": len(clients),
            "connected": sum(client.connected for client in clients),
            "registered": sum(client.registered for client in clients),
            "connections": sum(client.connections for client in clients),
            "uploads_sent": sum(client.uploads_sent for client in clients),
            "uploads_acknowledged": sum(client.uploads_acknowledged for client in clients),
            "polls_answered": sum(client.polls_answered for client in clients),
            "readings_answered": sum(client.readings_answered for client in clients),
        }

    def state(self, serial: str) -> dict | list[dict]:
        """Return what an observer beside the meter would see; a list for all."""
        states = [client.state() for client in self._clients(serial)]
        return states if serial == "*" else states[0]

    def set_load(self, serial: str, watts: int) -> None:
        """Change what the car takes, in W."""
        if isinstance(watts, bool) or not isinstance(watts, int) or not 0 <= watts <= 10**7:
            raise FleetError(f"A load is a whole number of W from 0 to 10000000, not {watts!r}.")
        for client in self._clients(serial):
            client.device.set_load(time.time_ns(), watts)

    def plug(self, serial: str, plugged: bool = True) -> None:
        """Plug the car in or out."""
        for client in self._clients(serial):
            client.device.plug(time.time_ns(), plugged)

    def show(self, serial: str, register: str, value: int) -> None:
        """Set a register that the meter itself sets, such as a status word."""
        for client in self._clients(serial):
            if register not in client.device.profile.map.by_name:
                raise FleetError(f"{client.device.profile.label} has no register {register}.")
            client.device.show(register, value)

    def fault(self, serial: str, name: str, value: float | None = None) -> None:
        """Switch a fault on; see `FAULTS`."""
        for client in self._clients(serial):
            client.device.fault(time.time_ns(), name, value)
            client.faults_changed()

    def clear(self, serial: str, name: str | None = None) -> None:
        """Switch a fault off, or all."""
        for client in self._clients(serial):
            client.device.clear(time.time_ns(), name)
            client.faults_changed()

    def upload(self, serial: str) -> None:
        """Make meters upload now, without waiting for their interval."""
        for client in self._clients(serial):
            client.upload_now()

    def pause(self, serial: str, paused: bool = True) -> None:
        """Make meters upload nothing new, or go on."""
        for client in self._clients(serial):
            client.pause(paused)
