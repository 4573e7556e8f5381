"""The check value that tells whether two sides hold the same device key."""

import hmac
from hashlib import sha256

SERIAL_BYTES = 20
CHECK_BYTES = 8


def serial_field(serial: str) -> bytes:
    """Return a serial number as the 20-byte field of the sealed channel: ASCII, NUL-padded."""
    field = serial.encode("ascii")
    if not 0 < len(field) <= SERIAL_BYTES:
        raise ValueError("a serial number has 1 to 20 characters")
    return field.ljust(SERIAL_BYTES, b"\0")


def check_value(key: bytes, serial: str) -> bytes:
    """Return the first 8 bytes of HMAC-SHA-256(key, "adw/v1 kcv" and the serial number's field)."""
    return hmac.digest(key, b"adw/v1 kcv" + serial_field(serial), sha256)[:CHECK_BYTES]
