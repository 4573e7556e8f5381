"""Factory frames on a stream that was protected on its way: nothing but frames may stand in it."""

from ..crc import crc16
from ..errors import ProtocolError
from ..frames import END, MAX_FRAME, START, Frame, is_nb_heartbeat

_SHORTEST = 5  # bytes from a frame's beginning to its end mark


class NoFrameError(ProtocolError):
    """A byte is not the start of a frame; `frames` stood before it."""

    def __init__(self, message: str, frames: list[Frame]):
        super().__init__(message)
        self.frames = frames


class StrictDecoder:
    """Cuts frames out of a stream in which each begins where the one before it ended.

    A frame ends at the first 7D7D at which its CRC fits, as in `frames`; but no other start is
    looked for.
    """

    __slots__ = ("_buffer", "_scan", "pending")

    def __init__(self):
        self.pending = False  # a frame has begun and is not complete
        self._buffer = b""
        self._scan = 0  # where to look for the next end

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that end in `data`, in order.

        :raise NoFrameError: at a byte that no frame begins with, or a frame that is too long
        """
        buffer = self._buffer + data if self._buffer else data
        size, at, frames = len(buffer), 0, []
        scan = self._scan
        while at < size:
            if not buffer.startswith(START, at) and buffer[at:] != START[:1]:
                raise NoFrameError("it sends a byte that is not the start of a frame", frames)
            end = buffer.find(END, max(scan, at + _SHORTEST), at + MAX_FRAME)
            if end < 0:
                if size - at >= MAX_FRAME:
                    raise NoFrameError("it sends a frame that has no end", frames)
                scan = max(size - 1, at)
                break
            inner = buffer[at + 2 : end]
            if not crc16(inner):
                frames.append(Frame(inner[0], inner[1:-2]))
            elif is_nb_heartbeat(inner):
                frames.append(Frame(inner[0], inner[1:]))
            else:
                scan = end + 1
                continue
            at, scan = end + 2, 0
        self._buffer = buffer[at:]
        self._scan = max(scan - at, 0)
        self.pending = at < size
        return frames
