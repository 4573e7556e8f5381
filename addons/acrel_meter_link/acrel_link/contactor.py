"""A contactor seen through its meter: the relay that drives it, the contact that reports it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from .errors import ProtocolError
from .master import OutputSpec
from .transparent import NoAnswerError, Warrant

if TYPE_CHECKING:
    from .unit import Unit

log = logging.getLogger(__name__)

FEEDBACK_STEP = 0.25  # s between looks at a contactor that moves


class StepError(Exception):
    """A step towards the wanted state failed; the text says how."""


def feedback_of(spec: OutputSpec, inputs: int) -> bool | None:
    """Return what the auxiliary contact says, of the meter's input bits; None without one."""
    if not spec.feedback_input:
        return None
    return bool(inputs >> (spec.feedback_input - 1) & 1)


async def settled_feedback(
    spec: OutputSpec, unit: Unit, relay: bool | None, seconds: float
) -> bool | None:
    """Read the feedback, giving the contactor its time to follow the relay."""
    if not spec.feedback_input:
        return None
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        feedback = feedback_of(spec, await unit.read_inputs())
        if feedback is relay or loop.time() >= until:
            return feedback
        await asyncio.sleep(min(FEEDBACK_STEP, seconds))


async def switch(spec: OutputSpec, unit: Unit, closed: bool, warrant: Warrant) -> None:
    """Write the relay's register and read it back, which alone proves anything."""
    try:
        await unit.write_relay(spec.number, closed, warrant)
    except (NoAnswerError, ProtocolError) as error:
        log.info("Output %d: the write was not acknowledged: %s", spec.id, error)
    relay = await unit.read_relay(spec.number)
    if relay is not closed:
        words = {True: "closed", False: "open", None: "neither open nor closed"}
        raise StepError(f"the relay reads {words[relay]} after the write")
