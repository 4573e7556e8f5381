"""What can be wrong on the sealed channel; every fault closes the connection without an answer."""

from enum import StrEnum

from ..errors import ProtocolError
from ..frames import Frame


class Fault(StrEnum):
    """Kinds of faults, for counting."""

    NOISE = "noise"  # a byte that is not where a frame begins or ends
    CRC = "crc"
    LENGTH = "length"
    UNEXPECTED = "unexpected"  # a command, version or suite that the state does not allow
    MALFORMED = "malformed"
    PROOF = "proof"
    SEQUENCE = "sequence"
    TAG = "tag"
    FORBIDDEN = "forbidden"
    EXHAUSTED = "exhausted"


class SealedError(ProtocolError):
    """The peer broke a rule of the sealed channel; `frames` stood before it in the same bytes."""

    def __init__(self, message: str, fault: Fault):
        super().__init__(message)
        self.fault = fault
        self.frames: list[Frame] = []


class SealError(ProtocolError):
    """This side may not send that frame so; nothing was sealed."""
