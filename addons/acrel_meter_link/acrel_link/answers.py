"""Commands that configure a meter's module, each waiting for its own answer."""

import asyncio
from collections.abc import Callable

from .transparent import GoneError, NoAnswerError


class Answers:
    """What one connection waits for; one of each command is outstanding."""

    __slots__ = ("_send", "_timeout", "_waiting")

    def __init__(self, send: Callable[[int, bytes], bool], timeout: float):
        self._send, self._timeout = send, timeout
        self._waiting: dict[int, asyncio.Future[bytes]] = {}

    async def ask(self, command: int, body: bytes) -> bytes:
        """Send a command and return what the meter answers.

        :raise NoAnswerError: when it does not in time
        :raise GoneError: when the connection ends
        """
        future = asyncio.get_running_loop().create_future()
        if command in self._waiting or not self._send(command, body):
            raise GoneError("The connection is closed, or waits for such an answer already.")
        self._waiting[command] = future
        try:
            async with asyncio.timeout(self._timeout):
                return await future
        except TimeoutError as error:
            raise NoAnswerError(f"The meter did not answer command {command:02X}.") from error
        finally:
            del self._waiting[command]

    def arrived(self, command: int, body: bytes) -> None:
        """Take an answer; one that nobody waits for is passed over."""
        future = self._waiting.get(command)
        if future is not None and not future.done():
            future.set_result(body)

    def close(self) -> None:
        """Fail what is outstanding."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(GoneError("The connection was closed."))
