"""What tests of attacks ask: that bytes are refused, and that nothing came of them."""

import pytest

from acrel_link.sealed.errors import Fault, SealedError


def refused(side, data: bytes, fault: Fault | None = None, frames=()) -> SealedError:
    """Feed bytes that must close the connection, and show that nothing came of them."""
    with pytest.raises(SealedError) as caught:
        side.feed(data)
    if fault is not None:
        assert caught.value.fault is fault
    assert caught.value.frames == list(frames)
    return caught.value


def taken(direction: list[bytes]) -> bytes:
    """Return what waits in a direction, and take it away."""
    frame = b"".join(direction)
    direction.clear()
    return frame
