"""Command A6, this project's own: a guard that a meter agent watches over while the line is away.

Down, as a guarded frame; an order without register and time takes the guard away:

    slave 1 | output 1 | flags 1 | revision 4 | stop register 4 | stop time 8 (unix s) | now 8

Up, in answer to an order and by itself when a guard has opened its output:

    slave 1 | output 1 | state 1 | revision 4 | register 4 | time 8 (unix s)

`now` is the server's time when it was sent, so that the stop time means the same on both sides,
whatever the local times that command 93 tells. A field that does not apply is zero.

Flags: bit 0 hold (the agent never opens), bit 1 the stop register holds, bit 2 the stop time
holds. Bit 0 of `state` in an answer tells that the register is known; its upper bits are the
`Outcome`.
"""

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from .errors import BodyError

GUARD = 0xA6
AGENT_MARK = "a6."
"""How the first firmware version of a registration begins where a meter agent sends it: no meter's
does, for theirs are decimal."""

_BODY = Struct(">BBBIIQ")
_NOW_SIZE = 8
_HOLD, _REGISTER, _TIME = 1, 2, 4
_KNOWN = 1
_MOST_TIME = 253_402_300_799  # unix s, the last one of the year 9999


class Outcome(IntEnum):
    """What an agent tells of a guard."""

    KEPT = 0  # it watches
    ENERGY = 1  # the register was reached and the output opened
    TIME = 2  # the time was reached and the output opened
    REFUSED = 3  # no such meter or output here


class GuardOrder(NamedTuple):
    """What the server asks an agent to watch; `hold`: it may never open this output."""

    slave: int
    output: int
    revision: int
    register: int | None
    time: int | None
    hold: bool

    @property
    def empty(self) -> bool:
        """Whether it takes the guard away."""
        return self.register is None and self.time is None


class GuardReport(NamedTuple):
    """What an agent says about a guard."""

    slave: int
    output: int
    revision: int
    outcome: Outcome
    register: int | None
    time: int


def build_order(order: GuardOrder, now: int) -> bytes:
    """Return the body of command A6 down, sent at `now` (unix s)."""
    flags = (
        _HOLD * order.hold
        | _REGISTER * (order.register is not None)
        | _TIME * (order.time is not None)
    )
    body = _BODY.pack(
        order.slave, order.output, flags, order.revision, order.register or 0, order.time or 0
    ) + now.to_bytes(_NOW_SIZE, "big")
    if parse_order(body) != (order, now):
        raise BodyError(f"{order} does not fit command A6.")
    return body


def parse_order(body: bytes) -> tuple[GuardOrder, int]:
    """Return what command A6 down asks, and the server's time; raise `BodyError` otherwise."""
    slave, output, flags, revision, register, moment = _unpack(body[:-_NOW_SIZE])
    now = int.from_bytes(body[-_NOW_SIZE:], "big")
    if now > _MOST_TIME:
        raise BodyError("A guard of command A6 was sent at no time that there can be.")
    if flags > _HOLD | _REGISTER | _TIME or (register and not flags & _REGISTER):
        raise BodyError("A guard of command A6 has flags that are not known.")
    if moment and not flags & _TIME:
        raise BodyError("A guard of command A6 has a time that does not hold.")
    order = GuardOrder(
        slave,
        output,
        revision,
        register if flags & _REGISTER else None,
        moment if flags & _TIME else None,
        bool(flags & _HOLD),
    )
    return order, now


def build_report(report: GuardReport) -> bytes:
    """Return the body of command A6 up."""
    known = report.register is not None
    return _BODY.pack(
        report.slave,
        report.output,
        report.outcome << 1 | known,
        report.revision,
        report.register or 0,
        report.time,
    )


def parse_report(body: bytes) -> GuardReport:
    """Return what command A6 up says; raise `BodyError` when it is none."""
    slave, output, state, revision, register, moment = _unpack(body)
    if state >> 1 > Outcome.REFUSED or (register and not state & _KNOWN):
        raise BodyError("A report of command A6 has a state that is not known.")
    return GuardReport(
        slave,
        output,
        revision,
        Outcome(state >> 1),
        register if state & _KNOWN else None,
        moment,
    )


def _unpack(body: bytes) -> tuple[int, ...]:
    if len(body) != _BODY.size:
        raise BodyError(f"Command A6 has {len(body)} bytes where {_BODY.size} were expected.")
    slave, output, state, revision, register, moment = _BODY.unpack(body)
    if not 1 <= slave <= 247 or output not in (1, 2) or moment > _MOST_TIME:
        raise BodyError("Command A6 names no meter, no output or no time that there can be.")
    return slave, output, state, revision, register, moment
