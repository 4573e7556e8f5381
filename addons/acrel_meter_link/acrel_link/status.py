"""A meter's own alarms: the bits of its status words as events that begin and end."""

from collections.abc import Mapping
from typing import Any

from .context import Context
from .decoders import bits
from .incidents import Subject
from .profiles import Profile


class Status:
    """The status words of one meter, told by its alarm frames and by polls."""

    def __init__(self, meter_id: int, model: Profile, context: Context):
        self._subject, self._model, self._context = Subject(meter=meter_id), model, context

    def told(self, registers: Mapping[str, Any]) -> None:
        """Begin the events of bits that are set, end those of the others.

        A word that is not among the registers changes nothing. Events that an earlier process
        left open are known, so that each begins and ends once.
        """
        incidents = self._context.incidents
        for word in self._model.status:
            value = registers.get(word.name)
            if value is None:
                continue
            standing = bits(word.events, value)
            for kind in word.events:
                if kind in standing:
                    incidents.begin(kind, self._subject, self._text(kind, registers))
                else:
                    incidents.end(kind, self._subject)

    def _text(self, kind: str, registers: Mapping[str, Any]) -> str:
        """Say what the meter reports, with its threshold where it is known."""
        name = self._model.thresholds.get(kind)
        if name is None or name not in registers:
            return "The meter reports it."
        register = self._model.map.by_name[name]
        limit = f"{register.scaled(registers[name])} {register.unit}".strip()
        return f"The meter reports it; its threshold is {limit}."
