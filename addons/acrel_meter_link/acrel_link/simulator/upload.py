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

    __slots__ = (
        "_blocks",
        "_device",
        "_edition",
        "_front",
        "_numbered",
        "_rest",
        "_rules",
        "_serial",
    )

    def __init__(self, serial: str, device: Device):
        model = device.profile
        self._device = device
        self._serial = serial if model.upload_serial else None
        # of several rules of one id the first says what the block is
        self._rules = list({rule.id: rule for rule in reversed(model.uploads)}.values())[::-1]
        self._numbered = any(rule.kind == SEQUENCE for rule in self._rules)
        self._edition = -1  # of the registers that the last upload was made of
        self._blocks: list[bytes] = []
        self._front = self._rest = b""  # what stands before the reply with the number, and behind

    def body(self, now: int, number: int, shown_zero: bool) -> bytes:
        """Return the upload of this moment."""
        edition = self._device.edition(now, shown_zero=shown_zero)
        if edition != self._edition:
            self._edition = edition
            blocks = self._device.upload_blocks(self._rules)
            if blocks != self._blocks:
                self._build(blocks)
        if not self._numbered:
            return self._front
        return self._front + seal(_NUMBER + number.to_bytes(2, "big")) + self._rest

    def _build(self, blocks: list[bytes]) -> None:
        replies, size = [], None
        for rule, data in zip(self._rules, blocks, strict=True):
            if rule.kind == SEQUENCE:
                before = build_blocks(self._serial, [*replies, (rule.id, b"")])
                size = len(before) - len(b"))]]")
                data = bytes(2)
            reply = data if rule.kind == RAW else seal(bytes((1, rtu.READ, len(data))) + data)
            replies.append((rule.id, reply))
        body = build_blocks(self._serial, replies)
        self._blocks, self._front = blocks, body[:size]
        if size is not None:
            self._rest = body[size + _REPLY_SIZE :]
