"""Requests to the meters on one bus, over Modbus TCP or RTU over TCP: one outstanding."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from struct import Struct

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerType

from . import rtu
from .errors import RefusedError, RtuError
from .lan_address import split_address
from .transparent import Done, GoneError, NoAnswerError, Warrant, resolve

# what goes wrong is told by those who asked
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

GATEWAY_CODES = (10, 11)  # the gateway's word that it does not reach the meter
NEVER = 1 << 30  # unanswered requests after which pymodbus itself would close the connection


class LanRequests:
    """The requests of one bus, in order, urgent ones first, patient ones last."""

    def __init__(
        self,
        client: AsyncModbusTcpClient,
        timeout: float,
        allowed: Callable[[], bool],
    ):
        """Begin with a connected client.

        :param timeout: seconds a meter has to answer, and for which the bus is left alone when it
            did not: RTU frames bear no number, and not every serial server keeps those of Modbus
            TCP, so a late answer would be taken for that of the next request
        :param allowed: asked before each request whether it may be sent
        """
        client.set_max_no_responses(NEVER)
        self._client, self._timeout = client, timeout
        self._allowed = allowed
        self._loop = asyncio.get_running_loop()
        self._urgent: deque[tuple[bytes, Done]] = deque()
        self._waiting: deque[tuple[bytes, Done]] = deque()
        self._patient: deque[tuple[bytes, Done]] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self.missed = 0
        """Requests since anyone answered,"""
        self.in_vain: set[int] = set()
        """and the slave addresses that did not."""
        self.on_answer: Callable[[], None] = lambda: None
        self.on_miss: Callable[[], None] = lambda: None
        self._task = self._loop.create_task(self._run())

    def submit(
        self,
        frame: bytes,
        done: Done,
        urgent: bool = False,
        warrant: Warrant | None = None,
        patient: bool = False,
    ) -> None:
        """Send a request, given as an RTU frame, as soon as those before it are done with.

        A patient one waits for all others. A warrant says nothing here: Modbus has no place for
        it, and only levels are written.
        """
        if self._closed:
            done(b"", GoneError("The connection is closed."))
            return
        queue = self._urgent if urgent else self._patient if patient else self._waiting
        queue.append((frame, done))
        self._wake.set()

    async def ask(self, frame: bytes, warrant: Warrant | None = None) -> bytes:
        """Send an urgent request and return its answer."""
        future = self._loop.create_future()
        self.submit(frame, partial(resolve, future), urgent=True)
        return await future

    def close(self) -> None:
        """Fail what is outstanding and what waits."""
        if self._closed:
            return
        self._closed = True
        self._task.cancel()
        for _, done in (*self._urgent, *self._waiting, *self._patient):
            done(b"", GoneError("The connection was closed."))
        self._urgent.clear()
        self._waiting.clear()
        self._patient.clear()

    async def _run(self) -> None:
        while not self._closed:
            await self._wake.wait()
            queue = self._urgent or self._waiting or self._patient
            if not queue:
                self._wake.clear()
                continue
            frame, done = queue.popleft()
            answer, error = b"", GoneError("The connection was closed.")
            try:
                if self._allowed():
                    answer, error = await self._ask(frame)
            finally:
                # in the loop's own time, so that nothing that is done with it ends this task
                self._loop.call_soon(done, answer, error)
            if isinstance(error, NoAnswerError):
                await asyncio.sleep(self._timeout)

    async def _ask(self, frame: bytes) -> tuple[bytes, Exception | None]:
        try:
            answer = await self._answer(frame)
        except RefusedError as refused:
            self._answered()
            return b"", refused
        except (RtuError, NoAnswerError) as error:
            return b"", error
        except ModbusException:  # also where this task was cancelled
            if self._closed:
                return b"", GoneError("The connection was closed.")
            self.missed += 1
            self.in_vain.add(frame[0])
            self.on_miss()
            return b"", NoAnswerError(f"The meter did not answer within {self._timeout:g} s.")
        self._answered()
        return answer, None

    def _answered(self) -> None:
        self.missed = 0
        """Requests since anyone answered,"""
        self.in_vain: set[int] = set()
        """and the slave addresses that did not."""
        self.on_answer()

    async def _answer(self, frame: bytes) -> bytes:
        request = rtu.parse_request(frame)
        if isinstance(request, rtu.ReadRequest):
            pdu = await self._client.read_holding_registers(
                request.start, count=request.count, device_id=request.slave
            )
        else:
            pdu = await self._client.write_registers(
                request.start, list(request.values), device_id=request.slave
            )
        if pdu.isError():
            if pdu.exception_code in GATEWAY_CODES:
                self._answered()  # by the gateway
                raise NoAnswerError("The serial server does not reach the meter.")
            raise rtu.refused(frame, pdu.exception_code)
        if not isinstance(request, rtu.ReadRequest):
            if (pdu.address, pdu.count) != (request.start, len(request.values)):
                raise RtuError("The Modbus reply does not acknowledge the write that was sent.")
            return b""
        if len(pdu.registers) != request.count:
            raise RtuError(f"{request.count} registers were asked, {len(pdu.registers)} came.")
        return Struct(f">{request.count}H").pack(*pdu.registers)


async def connect(
    channel: str, address: str, timeout: float, told: Callable[[bool], None]
) -> AsyncModbusTcpClient | None:
    """Connect to a bus; None when it takes no connection.

    :param told: called with False when the connection is lost
    """
    host, port = split_address(address)
    client = AsyncModbusTcpClient(
        host,
        port=port,
        framer=FramerType.RTU if channel == "modbus_rtu_tcp" else FramerType.SOCKET,
        timeout=timeout,
        retries=0,
        reconnect_delay=0,
        trace_connect=told,
    )
    connected = False
    try:
        connected = await client.connect()
    finally:
        if not connected:
            client.close()
    return client if connected else None
