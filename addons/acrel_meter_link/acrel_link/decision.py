"""What is to be done with an output: pure functions of what it shall be and what it is."""

from datetime import datetime
from enum import Enum

from .master import Live, Wanted


class Action(Enum):
    """What the link does next with an output."""

    NOTHING = "nothing"
    CLOSE = "close"
    OPEN = "open"
    HELD = "held"  # it should be open, but only a person opens it
    EXPIRED = "expired"  # the close was not sent in time and never will be


def carried_out(wanted: Wanted | None, live: Live) -> bool:
    """Tell whether this close was carried out and its output was not opened since."""
    return (
        wanted is not None
        and wanted.closed
        and live.close_revision == wanted.revision
        and live.open_revision != wanted.revision
    )


def guard_register(wanted: Wanted, live: Live) -> int | None:
    """Return the register at which the guard opens; None without a limit of energy."""
    if wanted.guard_energy is None or live.close_register is None:
        return None
    return live.close_register + wanted.guard_energy


def due_guard(wanted: Wanted, live: Live, register: int | None, now: datetime) -> str | None:
    """Return which guard of a carried-out close is reached: 'energy', 'time' or None."""
    if not carried_out(wanted, live):
        return None
    limit = guard_register(wanted, live)
    if limit is not None and register is not None and register >= limit:
        return "energy"
    if wanted.guard_until is not None and now >= wanted.guard_until:
        return "time"
    return None


def decide(wanted: Wanted | None, live: Live, now: datetime) -> Action:
    """Compare the wanted state with the observed one.

    A close is sent until its limit and never again once it was confirmed. An open never expires.
    Where only a person may open (`on_doubt` is hold), a wanted open is that person's word and is
    obeyed; every other reason to open is HELD.
    """
    if wanted is None:
        return Action.NOTHING
    is_open = live.state == "open" and live.relay is False
    if not wanted.closed:
        return (
            Action.NOTHING
            if is_open and live.confirmed_revision == wanted.revision
            else Action.OPEN
        )
    if live.close_revision == wanted.revision:
        over = live.open_revision == wanted.revision or live.guard_tripped is not None
        if not over or (is_open and live.open_revision == wanted.revision):
            return Action.NOTHING
        return _opening(wanted, live)
    if now <= wanted.close_limit:
        return Action.CLOSE
    if live.state == "closed" or live.relay:
        return _opening(wanted, live)
    return Action.EXPIRED


def _opening(wanted: Wanted, live: Live) -> Action:
    if wanted.on_doubt != "hold":
        return Action.OPEN
    return Action.HELD if live.state == "closed" else Action.NOTHING


def end_problem(register: int | None, known: int | None) -> str | None:
    """Return why a register cannot begin or end a session; None when it can.

    Zero is believed only of a meter that is known to stand at zero: a meter that answers zeros
    for a moment would otherwise make its whole life the energy of one session.
    """
    if register is None:
        return "the meter did not tell its billing register"
    if known is None and register == 0:
        return "the billing register reads 0 and no earlier reading says that this is right"
    if known is not None and register < known:
        return f"the billing register fell from {known} to {register}"
    return None
