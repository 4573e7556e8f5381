"""Two connections in one name, of which neither has proven more than a serial number.

The first one is asked to answer a read; as long as it does, the newcomer waits and is refused.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import rtu
from .context import Context
from .errors import ProtocolError
from .incidents import Subject
from .profiles import DEFAULT, profile
from .transparent import GoneError

if TYPE_CHECKING:
    from .connection import Connection


class Rivalry:
    """Whether a link's present connection lives, when another one wants its place."""

    def __init__(self, line: Connection, context: Context):
        self._line, self._context = line, context
        self._loop = asyncio.get_running_loop()
        self._rival: Connection | None = None

    def challenge(self, rival: Connection) -> None:
        """Prove to be alive, or make room."""
        before, self._rival = self._rival, rival
        if before is not None:
            before.cut("a newer connection of its serial number waits")
            return
        self._probe(self._loop.time() + self._context.settings.probe_timeout)

    def take_rival(self) -> Connection | None:
        """Return who waits for this connection's place, once."""
        rival, self._rival = self._rival, None
        return rival

    def _probe(self, until: float) -> None:
        line = self._line
        slave, model = next(
            ((unit.spec.slave, unit.profile) for unit in line.units), (1, profile(DEFAULT))
        )

        def answered(data: bytes, error: Exception | None) -> None:
            rival = self._rival
            if rival is None or isinstance(error, GoneError):
                return  # the connection is lost, which sees to the rival
            if error is None or isinstance(error, ProtocolError):
                self._rival = None
                self._note(
                    "link_mismatch",
                    f"A second connection from {rival.peer} was refused: the one from "
                    f"{line.peer} is alive.",
                )
                rival.cut("the link's first connection is alive")
            elif self._loop.time() < until:
                self._probe(until)
            else:
                self._note(
                    "link_replaced",
                    f"The connection from {line.peer} did not answer and gave way to the one "
                    f"from {rival.peer}.",
                )
                line.cut("a newer connection takes its place")

        block = model.output_block or model.billing[0]
        line.requests.submit(rtu.read_request(slave, *block), answered, urgent=True)

    def _note(self, kind: str, message: str) -> None:
        self._context.incidents.note(kind, Subject(link=self._line.link.id), message)
