"""What may stand in a sealed frame, and the limits that both sides keep."""

from ..commands import ALARM, REGISTER, SETPOINTS, TIME, TRANSPARENT, UPLOAD
from ..errors import ProtocolError
from ..registers import OUTPUTS
from ..rtu import READ, WriteRequest, parse_request

FRAME, GUARDED, REKEY, REKEY_ANSWER = range(4)
"""Types of a sealed frame's content."""

COMMAND_ID_SIZE = 16
KEPT_COMMAND_IDS = 64
FORBIDDEN_LIMIT = 3  # frames against the white-list that close a connection
FRAME_LIMIT = 1 << 20
"""After so many frames one way the meter connects again; at twice that its peer closes."""

RECONNECT_SECONDS = 22.5 * 3600, 23.5 * 3600
AHEAD_MS, OPENING_AHEAD_MS = 30_000, 300_000
"""How far ahead notAfter may lie, and how far where a guarded frame opens an output."""

ACKNOWLEDGEMENTS = {
    command: bytes((FRAME, command)) for command in (REGISTER, UPLOAD, SETPOINTS, ALARM)
}
"""Type and content by command; an acknowledgement has no body."""

_TIME_SIZE = 7
_READ_SIZE = 8


def is_harmless(command: int, body: bytes) -> bool:
    """Tell whether a command may go down unguarded: acknowledgements, the time, and reads."""
    if command in ACKNOWLEDGEMENTS:
        return not body
    if command == TRANSPARENT:
        return len(body) == _READ_SIZE and body[1] == READ
    return command == TIME and len(body) == _TIME_SIZE


def opens_output(command: int, body: bytes) -> bool:
    """Tell whether a command opens outputs of an ADW300 and does nothing else."""
    if command != TRANSPARENT:
        return False
    try:
        request = parse_request(body)
    except ProtocolError:
        return False  # not the opening of an output, so the shorter limit holds
    if not isinstance(request, WriteRequest) or any(request.values):
        return False
    first, last = OUTPUTS[1].address, OUTPUTS[2].address
    return first <= request.start and request.start + len(request.values) - 1 <= last
