"""Yuan as the gateway writes them, fen as the program counts them."""

import re

_YUAN = re.compile(r"([+-]?)(\d{1,12})(?:\.(\d{1,2}))?", re.ASCII)


def fen(text):
    """Return the whole fen that a gateway amount like `88.88` says; ValueError when it is none."""
    found = _YUAN.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not an amount in yuan with at most two decimals")
    sign, whole, part = found.groups()
    amount = int(whole) * 100 + int((part or "0").ljust(2, "0"))
    return -amount if sign == "-" else amount


def yuan(amount):
    """Return whole fen as the gateway wants an amount: yuan with two decimals."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02d}"
