"""How the gateway writes money, time and names of characters."""

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal

BEIJING = timezone(timedelta(hours=8), "Beijing")
CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "gbk": "gbk"}  # as sent, in lower case
DEFAULT_CHARSET = "GBK"  # of a request whose URL names none
AMOUNT = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]{1,2})?", re.ASCII)
TIMEOUT = re.compile(r"([1-9][0-9]*)([mhd])", re.ASCII)
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
LONGEST_TIMEOUT = timedelta(days=15)
SMALLEST, LARGEST = 1, 100_000_000_00  # fen


def fen(yuan: object) -> int:
    """Read an amount in yuan with at most two decimals; ValueError otherwise."""
    text = str(yuan) if isinstance(yuan, str | int | Decimal) and yuan is not True else ""
    if not AMOUNT.fullmatch(text):
        raise ValueError("an amount is in yuan with at most two decimals")
    return int(Decimal(text).scaleb(2))


def yuan(amount: int) -> str:
    """Write fen as yuan with two decimals."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02d}"


def beijing(instant: float) -> datetime:
    """Turn seconds since 1970 into Beijing's time of day."""
    return datetime.fromtimestamp(instant, BEIJING)


def stamp(instant: float) -> str:
    """Write an instant as `yyyy-MM-dd HH:mm:ss` in Beijing."""
    return beijing(instant).isoformat(" ", "seconds")[:19]


def stamp_of_refund(instant: float) -> str:
    """Write an instant as gmt_refund has it, with milliseconds."""
    return beijing(instant).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def instant(text: str, *formats: str) -> float:
    """Read a time in Beijing (`yyyy-MM-dd HH:mm:ss` unless told); ValueError otherwise."""
    for layout in formats or ("%Y-%m-%d %H:%M:%S",):
        try:
            moment = datetime.strptime(text, layout)
        except ValueError:
            continue
        if moment.strftime(layout) == text:  # strptime takes 2026-1-2 as well
            return moment.replace(tzinfo=BEIJING).timestamp()
    raise ValueError("a time is written yyyy-MM-dd HH:mm:ss")


def deadline(timeout: str, now: float) -> float:
    """Read timeout_express: 1m to 15d, or 1c for the end of the day in Beijing."""
    if timeout == "1c":
        midnight = beijing(now).replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight + timedelta(days=1)).timestamp()
    match = TIMEOUT.fullmatch(timeout)
    if not match:
        raise ValueError("timeout_express is 1m to 15d, or 1c")
    length = int(match[1]) * UNITS[match[2]]
    if length > LONGEST_TIMEOUT:
        raise ValueError("timeout_express is at most 15d")
    return now + length.total_seconds()
