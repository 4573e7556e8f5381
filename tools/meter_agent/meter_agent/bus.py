"""A Modbus line: pymodbus in front of it, one question at a time, urgent ones first."""

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator
from itertools import count

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.client.base import ModbusBaseClient

from acrel_link.errors import RefusedError
from acrel_link.rtu import EXCEPTION_NAMES

from .config import BusConfig
from .errors import BusError


class Turns:
    """One user at a time; who is urgent goes before those who wait. Nobody who waits leaves."""

    def __init__(self):
        self._busy = False
        self._numbers = count()
        self._waiting: list[tuple[bool, int, asyncio.Future]] = []

    @contextlib.asynccontextmanager
    async def turn(self, urgent: bool) -> AsyncIterator[None]:
        """Wait for the turn, and pass it on at the end of the block."""
        if self._busy:
            mine = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (not urgent, next(self._numbers), mine))
            await mine
        self._busy = True
        try:
            yield
        finally:
            if self._waiting:
                heapq.heappop(self._waiting)[2].set_result(None)
            else:
                self._busy = False


class Bus:
    """The meters of one serial line or TCP device, by their address on it."""

    def __init__(self, config: BusConfig):
        self.config = config
        self._client: ModbusBaseClient | None = None
        self._turns = Turns()
        self._asked: set[asyncio.Task] = set()
        self._numberless = config.port is not None or config.rtu_over_tcp

    def __str__(self):
        config = self.config
        return f"{config.name} ({config.port or f'{config.host}:{config.tcp_port}'})"

    def _make_client(self) -> ModbusBaseClient:
        """Return a client; it needs a running loop."""
        config = self.config
        # asking and connecting again are seen to here
        common = {"timeout": config.timeout, "retries": 0, "reconnect_delay": 0}
        if config.port is not None:
            return AsyncModbusSerialClient(
                config.port,
                baudrate=config.baud,
                parity=config.parity,
                stopbits=config.stop_bits,
                **common,
            )
        framer = FramerType.RTU if config.rtu_over_tcp else FramerType.SOCKET
        return AsyncModbusTcpClient(config.host, port=config.tcp_port, framer=framer, **common)

    async def read(self, address: int, start: int, number: int, urgent: bool = False) -> bytes:
        """Return the bytes of holding registers.

        Raise `RefusedError` when the meter refuses, `BusError` when it does not answer.
        """
        reply = await self._ask(urgent, "read_holding_registers", address, start, count=number)
        if len(reply.registers) != number:
            raise BusError(
                f"Meter {address} on {self} answered {len(reply.registers)} registers where "
                f"{number} were asked."
            )
        return b"".join(register.to_bytes(2, "big") for register in reply.registers)

    async def write(
        self, address: int, start: int, values: tuple[int, ...], urgent: bool = True
    ) -> None:
        """Write holding registers; raise as `read` does."""
        await self._ask(urgent, "write_registers", address, start, list(values))

    async def _ask(self, urgent: bool, method: str, address: int, start: int, *words, **named):
        """Ask in turn; a question that was sent is waited for, also when its asker is cancelled.

        A reply on a serial line bears no number: one that nobody waits for would answer the next.
        """
        asked = asyncio.create_task(self._ask_in_turn(urgent, method, address, start, words, named))
        self._asked.add(asked)
        asked.add_done_callback(self._answered)
        return await asyncio.shield(asked)

    def _answered(self, asked: asyncio.Task) -> None:
        self._asked.discard(asked)
        if not asked.cancelled():
            asked.exception()  # told to the asker, if it is still there

    async def _ask_in_turn(self, urgent, method, address, start, words, named):
        async with self._turns.turn(urgent):
            for attempt in range(self.config.retries + 1):
                try:
                    client = await self._connected()
                    ask = getattr(client, method)
                    reply = await ask(start, *words, device_id=address, **named)
                    break
                except ModbusException as error:
                    if self._numberless:
                        # a late reply arrives now, and not in answer to the next question
                        await asyncio.sleep(self.config.timeout)
                    if attempt == self.config.retries:
                        raise BusError(f"Meter {address} on {self} does not answer.") from error
        if reply.isError():
            reason = EXCEPTION_NAMES.get(reply.exception_code, "it gives no known reason")
            raise RefusedError(
                f"Meter {address} on {self} refused register {start:04X}H: {reason}.",
                reply.exception_code,
            )
        return reply

    async def _connected(self) -> ModbusBaseClient:
        if self._client is None:
            self._client = self._make_client()
        if not self._client.connected and not await self._client.connect():
            raise BusError(f"{self} cannot be opened.")
        return self._client

    async def close(self) -> None:
        """Let the last question be answered and close the line."""
        await asyncio.gather(*self._asked, return_exceptions=True)
        if self._client is not None:
            self._client.close()
            self._client = None
