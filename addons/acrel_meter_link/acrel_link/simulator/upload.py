"""The uploads of one simulated meter: built anew only where its registers changed."""

from .. import rtu
from ..crc import seal
from ..profiles import RAW, SEQUENCE
from ..uploads import build_blocks
from .device import Device

_NUMBER = bytes((1, rtu.READ, 2))
_REPLY_SIZE = len(seal(_NUMBER + bytes(2)))


class Uploads:
    """Bodies of command 91, numbered where the profile numbers them."""

    __slots__ = ("_blocks", "_body", "_device", "_place", "_rules", "_serial")

    def __init__(self, serial: str, device: Device):
        model = device.profile
        self._device = device
        self._serial = serial if model.upload_serial else None
        # of several rules of one id the first says what the block is
        self._rules = list({rule.id: rule for rule in reversed(model.uploads)}.values())[::-1]
        self._blocks: list[bytes] = []
        self._body = b""
        self._place = -1  # of the reply that holds the number

    def body(self, now: int, number: int, shown_zero: bool) -> bytes:
        """Return the upload of this moment."""
        blocks = self._device.upload_blocks(now, self._rules, shown_zero=shown_zero)
        if blocks != self._blocks:
            self._build(blocks)
        if self._place < 0:
            return self._body
        reply = seal(_NUMBER + number.to_bytes(2, "big"))
        return self._body[: self._place] + reply + self._body[self._place + _REPLY_SIZE :]

    def _build(self, blocks: list[bytes]) -> None:
        replies = []
        for rule, data in zip(self._rules, blocks, strict=True):
            if rule.kind == SEQUENCE:
                before = build_blocks(self._serial, [*replies, (rule.id, b"")])
                self._place = len(before) - len(b"))]]")
                data = bytes(2)
            reply = data if rule.kind == RAW else seal(bytes((1, rtu.READ, len(data))) + data)
            replies.append((rule.id, reply))
        self._blocks, self._body = blocks, build_blocks(self._serial, replies)
