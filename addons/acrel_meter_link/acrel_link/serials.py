"""Serial numbers and other text fields: ASCII, filled up with NUL."""

from functools import lru_cache

from .errors import BodyError

SERIAL_SIZE = 20


def parse_text(field: bytes) -> str:
    """Return the text in a field; raise `BodyError` when it is none."""
    text = field.rstrip(b"\0")
    if not text.isascii() or not text.decode("ascii").isprintable():
        raise BodyError(f"{field.hex(' ')} is no text.")
    return text.decode("ascii")


@lru_cache(maxsize=16384)
def parse_serial(field: bytes) -> str:
    """Return the serial number in a 20-byte field."""
    if len(field) != SERIAL_SIZE:
        raise BodyError(f"A serial number has {SERIAL_SIZE} bytes, this one {len(field)}.")
    if not (serial := parse_text(field)):
        raise BodyError("The serial number is empty.")
    return serial


def build_serial(serial: str) -> bytes:
    """Return the 20-byte field of a serial number."""
    field = serial.encode("ascii", "replace").ljust(SERIAL_SIZE, b"\0")
    if parse_serial(field) != serial:
        raise BodyError(f"{serial!r} is no serial number: 1 to 20 ASCII characters are.")
    return field
