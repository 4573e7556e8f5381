"""What the server may ask the meters through the agent: the agent's own check, beside the server's.

Reading is free. What a register may be written for stands in the map of the meter, for both sides:
what switches, what alarms by and the clock always; configuration (ratios, rates, what drives the
outputs) only where the site's file says `maintenance = true`.
"""

from acrel_link.registers import ADW300
from acrel_link.rtu import ReadRequest, WriteRequest

DAILY = frozenset(("output", "threshold", "clock"))
MAINTENANCE = DAILY | {"configuration"}
NEVER = frozenset(("address", "baud_code", "serial_format"))
"""What the meter and the agent must agree upon: written, the meter would be gone from its bus."""


def may(request: ReadRequest | WriteRequest, maintenance: bool) -> bool:
    """Tell whether a request may go to the bus."""
    if isinstance(request, ReadRequest):
        return True
    rights = MAINTENANCE if maintenance else DAILY
    wanted = range(request.start, request.start + len(request.values))
    return all(
        one is not None and one.write in rights and one.name not in NEVER
        for one in map(ADW300.at, wanted)
    )
