"""Frames that no meter sends: what honest ones become when bytes are changed, lost or repeated."""

import random

from acrel_link import commands, rtu
from acrel_link.commands import Registration
from acrel_link.crc import seal
from acrel_link.frames import encode, encode_nb_heartbeat
from acrel_link.serials import build_serial
from acrel_link.uploads import build_blocks, build_upload

from .bed import SERIAL, START_MS

REPLY = seal(bytes((1, 3, 76)) + bytes(range(76)))
FACTORY = [
    commands.build_register(Registration(SERIAL, "89860123456789", 26, ("1.0", "1.1", "2.0"), 5)),
    commands.build_time_request(SERIAL),
    commands.HEARTBEAT_FRAME,
    commands.build_transparent(REPLY, SERIAL),
    commands.build_transparent(REPLY),
    encode(commands.UPLOAD, build_upload(SERIAL, 1, [bytes(76), bytes(12)])),
    encode(commands.UPLOAD, build_upload(None, 1, [bytes(92), bytes(80)])),
    encode(commands.ALARM, build_blocks(SERIAL, [("1-1", seal(bytes((1, 3, 84)) + bytes(84)))])),
    encode_nb_heartbeat(build_serial(SERIAL)),
]
CONTENTS = [bytes((0,)) + frame[2:-4] for frame in FACTORY] + [
    bytes((0,)) + bytes((commands.TRANSPARENT,)) + rtu.read_request(1, 0x0E, 56),
    bytes((1,))
    + bytes(16)
    + (START_MS + 9000).to_bytes(8, "big")
    + bytes((commands.TRANSPARENT,))
    + rtu.write_request(1, 0x01C2, (1,)),
    bytes((2,)) + bytes(42),
    bytes((3,)) + bytes(10),
]


class Mutator:
    """Does things to bytes, the same ones at every run."""

    def __init__(self, seed: int):
        self.chance = random.Random(seed)

    def any_of(self, samples: list[bytes]) -> bytes:
        """Return something made of one of these, or of nothing."""
        chance = self.chance
        if chance.random() < 0.05:
            return chance.randbytes(chance.randrange(300))
        data = bytearray(chance.choice(samples))
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            self._change(data, samples)
        return bytes(data)

    def _change(self, data: bytearray, samples: list[bytes]) -> None:
        chance = self.chance
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(data):
                data[at] = chance.choice((0, 0x7B, 0x7D, 0xFF, 0xE4, chance.randrange(256)))
            case 2:
                del data[at : at + chance.choice((1, 1, 2, 20, 500))]
            case 3:
                data[at:at] = chance.randbytes(chance.choice((1, 1, 2, 20)))
            case 4:
                other = chance.choice(samples)
                data[at:] = other[chance.randrange(len(other) + 1) :]
            case 5:
                data[at:at] = data[at : at + chance.choice((1, 8, 200))] * chance.choice((1, 1, 9))

    def framed(self) -> bytes:
        """Return a factory frame whose marks and CRC are right, whatever is between them."""
        inner = self.any_of([frame[2:-4] for frame in FACTORY]) or b"\x91"
        return encode(inner[0], inner[1:])
