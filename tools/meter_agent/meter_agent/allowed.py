"""What the server may ask the meters through the agent: the agent's own list, beside the server's.

Reading is free. Written may be what switches, what alarms by and the clock; what a meter is (its
address, its ratios, its rates, what drives its outputs) only where the site's configuration says
`maintenance = true`.
"""

from acrel_link.registers import BY_NAME, CLOCK, OUTPUTS
from acrel_link.rtu import ReadRequest, WriteRequest

_THRESHOLDS = ((0x01D0, 0x01DD), (0x0216, 0x024A))
"""First register and the one behind the last: enables, thresholds and delays of alarms."""

DAILY = (
    *((register.address, register.end) for register in (*OUTPUTS.values(), CLOCK)),
    *_THRESHOLDS,
)
MAINTENANCE = ((BY_NAME["address"].end, BY_NAME["address"].end + 4), (0x000E, 0x0010),
               (0x0167, 0x0197), (0x0201, 0x0216), (0x01C0, 0x01C1), (0x01C4, 0x01C5),
               (0x01DD, 0x01EB))  # fmt: skip
"""Never the Modbus address itself: the meter would be gone from its bus."""


def may(request: ReadRequest | WriteRequest, maintenance: bool) -> bool:
    """Tell whether a request may go to the bus."""
    if isinstance(request, ReadRequest):
        return True
    wanted = range(request.start, request.start + len(request.values))
    ranges = DAILY + MAINTENANCE if maintenance else DAILY
    return all(any(start <= address < end for start, end in ranges) for address in wanted)
