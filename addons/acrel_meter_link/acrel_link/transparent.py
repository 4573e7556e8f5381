"""Requests through the transparent command 90: one outstanding a connection.

A reply carries no number. It is the answer when slave, function and length (for a write also the
registers) are those of the outstanding request. A reply that comes after its time-out looks like
the answer to the next request of the same shape, so such a reply is not believed once: the
request it seemed to answer waits on for its own.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from . import rtu
from .clock import Clock
from .errors import RefusedError, RtuError

Done = Callable[[bytes, Exception | None], None]
"""Told the register bytes of the answer (empty for a write), or what went wrong."""


WRITE_SECONDS = 20  # a write that did not reach the meter by then is never carried out


class NoAnswerError(Exception):
    """The meter did not answer in time."""


class GoneError(Exception):
    """The connection is closed."""


class Warrant(NamedTuple):
    """What a write carries where its channel can refuse one that comes late or twice."""

    command_id: bytes
    """16 bytes; each is carried out once"""
    not_after: int
    """Unix milliseconds of the link's clock"""

    @classmethod
    def within(cls, seconds: float, clock: Clock) -> "Warrant":
        """Return a warrant of its own for a write that has so long to reach the meter."""
        return cls(os.urandom(16), clock.unix_ms() + round(seconds * 1000))


class _Request:
    __slots__ = ("done", "doubted", "rtu", "shape", "warrant")

    def __init__(self, frame: bytes, done: Done, warrant: Warrant | None):
        self.rtu = frame
        self.done = done
        self.warrant = warrant
        self.shape = _shape(frame)
        self.doubted = False


def _shape(request: bytes) -> bytes:
    """What a reply to this request can be told apart by."""
    return request[:6] if request[1] == rtu.WRITE else request[:2] + request[4:6]


def _reply_shape(reply: bytes) -> bytes:
    if reply[1] == rtu.WRITE:
        return reply[:6]
    return reply[:2] + (reply[2] // 2).to_bytes(2, "big")


class Requests:
    """The requests of one connection, in order, urgent ones first, patient ones last."""

    def __init__(self, send: Callable[[bytes, Warrant | None], None], timeout: float):
        self._send, self._timeout = send, timeout
        self._loop = asyncio.get_running_loop()
        self._urgent: deque[_Request] = deque()
        self._waiting: deque[_Request] = deque()
        self._patient: deque[_Request] = deque()
        self._current: _Request | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._owed: dict[bytes, int] = {}
        self._closed = False
        self.missed = 0

    def submit(
        self,
        frame: bytes,
        done: Done,
        urgent: bool = False,
        warrant: Warrant | None = None,
        patient: bool = False,
    ) -> None:
        """Send a request as soon as those before it are answered or given up.

        A write without a warrant gets one when it is sent. A patient one waits for all others.
        """
        if self._closed:
            done(b"", GoneError("The connection is closed."))
            return
        queue = self._urgent if urgent else self._patient if patient else self._waiting
        queue.append(_Request(frame, done, warrant))
        if self._current is None:
            self._next()

    async def ask(self, frame: bytes, warrant: Warrant | None = None) -> bytes:
        """Send an urgent request and return its answer."""
        future = self._loop.create_future()
        self.submit(frame, partial(resolve, future), urgent=True, warrant=warrant)
        return await future

    def replied(self, reply: bytes) -> bool:
        """Take a reply; return whether it answered the outstanding request."""
        current = self._current
        if current is None:
            self._repay(reply)
            return False
        answer, error = b"", None
        try:
            if current.rtu[1] == rtu.READ:
                answer = rtu.answered_read(current.rtu, reply)
            elif reply:  # some firmware acknowledges a write with its serial number only
                rtu.answered_write(current.rtu, reply)
        except RefusedError as refused:
            error = refused
        except RtuError:
            self._repay(reply)
            return False
        if error is None and self._owed.get(current.shape):
            self._owed[current.shape] -= 1
            current.doubted = True
            return False
        self.missed = 0
        self._finish(answer, error)
        return True

    def close(self) -> None:
        """Fail what is outstanding and what waits."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        left = [*self._urgent, *self._waiting, *self._patient]
        if self._current is not None:
            left.insert(0, self._current)
            self._current = None
        self._urgent.clear()
        self._waiting.clear()
        self._patient.clear()
        for request in left:
            request.done(b"", GoneError("The connection was closed."))

    def _repay(self, reply: bytes) -> None:
        if len(reply) >= 5:
            shape = _reply_shape(reply)
            if self._owed.get(shape):
                self._owed[shape] -= 1

    def _next(self) -> None:
        queue = self._urgent or self._waiting or self._patient
        if not queue or self._closed:
            return
        self._current = queue.popleft()
        self._timer = self._loop.call_later(self._timeout, self._expired)
        self._send(self._current.rtu, self._current.warrant)

    def _finish(self, answer: bytes, error: Exception | None) -> None:
        current, self._current = self._current, None
        self._timer.cancel()
        current.done(answer, error)
        if self._current is None:
            self._next()

    def _expired(self) -> None:
        current = self._current
        if current.doubted:
            # the reply that was not believed was its answer after all
            self._owed.pop(current.shape, None)
        else:
            self._owed[current.shape] = self._owed.get(current.shape, 0) + 1
        self.missed += 1
        self._finish(b"", NoAnswerError(f"The meter did not answer within {self._timeout:g} s."))


def resolve(future: asyncio.Future, answer: bytes, error: Exception | None) -> None:
    """Give an answer, or what went wrong, to the one who waits for it."""
    if future.done():  # the asker was cancelled
        return
    if error is None:
        future.set_result(answer)
    else:
        future.set_exception(error)
