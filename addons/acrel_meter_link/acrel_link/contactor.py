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

WORDS = {True: "closed", False: "open", None: "neither open nor closed"}
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


async def relay_of(spec: OutputSpec, unit: Unit) -> bool | None:
    """Return what the relay holds its contactor to; None when it is neither open nor closed.

    A relay that gives pulses holds nothing: what its contactor is stands for it.
    """
    if (await unit.mode(spec.number)).pulse:
        return feedback_of(spec, await unit.read_inputs()) if spec.feedback_input else None
    return await unit.read_relay(spec.number)


async def switch(
    spec: OutputSpec, unit: Unit, closed: bool, warrant: Warrant, seconds: float
) -> None:
    """Write the relay's register and read it back, which alone proves anything.

    :param seconds: how long a contactor may take to follow a pulse
    """
    mode = await unit.mode(spec.number)
    if mode.pulse:
        await _pulse(spec, unit, closed, warrant, mode.width + seconds)
        return
    if closed and mode.driver:
        raise StepError("something else than this link drives the output")
    try:
        await unit.write_relay(spec.number, closed, warrant)
    except (NoAnswerError, ProtocolError) as error:
        log.info("Output %d of %s: the write was not acknowledged: %s", spec.id, unit, error)
    relay = await unit.read_relay(spec.number)
    if relay is not closed:
        raise StepError(f"the relay reads {WORDS[relay]} after the write")


async def _pulse(
    spec: OutputSpec, unit: Unit, closed: bool, warrant: Warrant, seconds: float
) -> None:
    """Bring a contactor that changes at each pulse to a state; give none that is not needed.

    The input is read before each pulse, so that one whose answer was lost is not given twice.
    """
    if not spec.feedback_input:
        raise StepError("an output that gives pulses needs a feedback input, and has none")
    if feedback_of(spec, await unit.read_inputs()) is closed:
        return
    try:
        await unit.write_relay(spec.number, True, warrant)
    except (NoAnswerError, ProtocolError) as error:
        log.info("Output %d of %s: the pulse was not acknowledged: %s", spec.id, unit, error)
    feedback = await settled_feedback(spec, unit, closed, seconds)
    if feedback is not closed:
        raise StepError(f"the contactor's feedback says {WORDS[feedback]} after the pulse")
