"""A bus of simulated meters behind pymodbus's own server: Modbus TCP, or RTU over TCP."""

import asyncio
import time
from struct import iter_unpack

from pymodbus.constants import ExcCodes
from pymodbus.datastore import ModbusBaseDeviceContext, ModbusServerContext
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer

from acrel_link.registers import BILLING_BLOCK
from acrel_link.simulator.device import NS, Device

FRAMERS = {"modbus_tcp": FramerType.SOCKET, "modbus_rtu_tcp": FramerType.RTU}
WRITE = 16


class _Slave(ModbusBaseDeviceContext):
    """One meter's registers as pymodbus asks for them."""

    def __init__(self, bus: "Bus", slave: int, device: Device):
        self._bus, self._slave, self._device = bus, slave, device

    async def async_getValues(self, func_code, address, count=1):
        await self._bus.asked(self._slave, func_code, address, count)
        if func_code == WRITE:  # what a write acknowledges
            return [count]
        data = self._device.read(time.time_ns(), address, count)
        if data is None:
            return ExcCodes.ILLEGAL_ADDRESS
        return [value for (value,) in iter_unpack(">H", data)]

    async def async_setValues(self, func_code, address, values):
        if not self._device.write(time.time_ns(), address, tuple(values)):
            return ExcCodes.ILLEGAL_ADDRESS
        return None


class Bus:
    """Meters at slave addresses on one port that survives restarts of the server."""

    def __init__(self, channel: str, registers: dict[int, int], **device):
        """Make meters by slave address, each with the energy register that it begins with."""
        self.channel = channel
        self.devices = {
            slave: Device(time.time_ns(), energy=register * 36_000 * NS, **device)
            for slave, register in registers.items()
        }
        self.requests: list[tuple[int, int, int, int]] = []  # slave, function, start, count
        self.mute: set[int] = set()
        self.delay = 0.0
        self.most_outstanding = self._outstanding = 0
        self._port = 0
        self._server: ModbusTcpServer | None = None

    async def asked(self, slave: int, function: int, start: int, count: int) -> None:
        self.requests.append((slave, function, start, count))
        self._outstanding += 1
        self.most_outstanding = max(self.most_outstanding, self._outstanding)
        try:
            if slave in self.mute:
                await asyncio.Event().wait()
            await asyncio.sleep(self.delay)
        finally:
            self._outstanding -= 1

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def polls(self, slave: int) -> int:
        return sum(request == (slave, 3, *BILLING_BLOCK) for request in self.requests)

    async def start(self) -> None:
        slaves = {slave: _Slave(self, slave, device) for slave, device in self.devices.items()}
        self._server = ModbusTcpServer(
            ModbusServerContext(slaves, single=False),
            framer=FRAMERS[self.channel],
            address=("127.0.0.1", self._port),
            ignore_missing_devices=True,
        )
        await self._server.serve_forever(background=True)
        self._port = self._server.transport.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut the wire: the port takes no connection, living ones are closed."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.shutdown()

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *error):
        await self.stop()
