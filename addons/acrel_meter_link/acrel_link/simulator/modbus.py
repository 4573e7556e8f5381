"""Simulated meters without a module of their own: plain Modbus slaves on a TCP or serial bus."""

import time
from collections.abc import Mapping

from pymodbus.constants import ExcCodes
from pymodbus.datastore import ModbusServerContext
from pymodbus.datastore.context import ModbusBaseDeviceContext
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusSerialServer, ModbusTcpServer

from ..rtu import READ, WRITE
from .device import Device


class Slave(ModbusBaseDeviceContext):
    """A device as pymodbus' server asks it."""

    def __init__(self, device: Device):
        self._device = device

    def getValues(self, func_code: int, address: int, count: int = 1) -> list[int] | ExcCodes:
        """Return registers."""
        self._be_silent()
        if func_code != READ:
            return ExcCodes.ILLEGAL_FUNCTION
        data = self._device.read(time.time_ns(), address, count)
        if data is None:
            return ExcCodes.ILLEGAL_ADDRESS
        return [data[at] << 8 | data[at + 1] for at in range(0, len(data), 2)]

    def setValues(self, func_code: int, address: int, values: list[int]) -> ExcCodes | None:
        """Write registers."""
        self._be_silent()
        if func_code != WRITE:
            return ExcCodes.ILLEGAL_FUNCTION
        written = self._device.write(time.time_ns(), address, tuple(values))
        return None if written else ExcCodes.ILLEGAL_ADDRESS

    def _be_silent(self) -> None:
        """Raise, where the meter is told not to answer, what makes pymodbus not answer."""
        faults = self._device.faults
        if faults.no_reply is not None:
            if faults.no_reply:
                faults.take("no_reply")
            raise NoSuchIdException("It does not answer.")


def _context(devices: Mapping[int, Device]) -> ModbusServerContext:
    return ModbusServerContext({number: Slave(device) for number, device in devices.items()}, False)


async def serve_tcp(devices: Mapping[int, Device], host: str, port: int) -> ModbusTcpServer:
    """Serve devices, by their slave address, as a Modbus TCP device; raise `OSError`."""
    server = ModbusTcpServer(_context(devices), address=(host, port), ignore_missing_devices=True)
    return await _serve(server, f"{host}:{port}")


async def serve_serial(devices: Mapping[int, Device], port: str, baud: int) -> ModbusSerialServer:
    """Serve devices on a serial port; raise `OSError` where it cannot be opened."""
    server = ModbusSerialServer(
        _context(devices), port=port, baudrate=baud, ignore_missing_devices=True
    )
    return await _serve(server, port)


async def _serve(server, where: str):
    try:
        await server.serve_forever(background=True)
    except RuntimeError as error:
        raise OSError(f"{where} cannot be served on") from error
    return server
