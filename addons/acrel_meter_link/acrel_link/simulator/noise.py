"""Streams of a peer that means harm, to test and to measure what they cost."""

from ..frames import MAX_FRAME, encode

HOSTILE = {
    "ends": b"}}",
    "starts": b"{{",
    "starts_apart": b"{{a",
    "both": b"{{}}",
    "both_apart": b"{{a}}b",
    "shortest": b"{{abc}}",
    "short": b"{{abcdefgh}}",
    "single_inside": b"{{a}bcdefghijklm}}",
    "runs": b"{{{}}}",
    "single": b"{a}b",
    "known_command": b"{{\x84",
    "begun_reply": b"{{\x90\x01\x03\x02",
    "longest_wrong": b"{{\x91" + b"x" * (MAX_FRAME - 5) + b"}}",
    "longest_wrong_of_marks": b"{{\x91" + b"}}x" * 340 + b"{{",
    "never_ends": b"{{\x91" + b"x" * 3000,
    "wrong_then_right": b"{{\x94ab}}" + encode(0x94),
    "crc_ends_in_7d": encode(0x90, b"\x00\xc1"),
    "begun_then_ends": b"{{\x91" + b"}}" * 600,
}
