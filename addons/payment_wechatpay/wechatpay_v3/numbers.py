"""Merchant order numbers, and money as integers of fen."""

import re
import secrets
import time
from decimal import Decimal, InvalidOperation

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
ORDER_NUMBER = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
REFUND_NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
DOCUMENT_LENGTH = 17  # leaves 13 for the unique part and 2 for Odoo's own "-1"


def base36(value, length):
    """Return a number of at least `length` digits to the base of 36."""
    digits = ""
    while value:
        value, digit = divmod(value, 36)
        digits = DIGITS[digit] + digits
    return digits.rjust(length, "0")


def document_part(document):
    """Return a document's name in the allowed letters; of a long one its telling end."""
    name = re.sub(r"[^0-9A-Za-z]+", "-", document or "").strip("-")
    if len(name) > DOCUMENT_LENGTH:
        name = name.replace("-", "")
    return name[-DOCUMENT_LENGTH:] or "tx"


def order_number(document, milliseconds=None):
    """Return an order number that tells its document and is one merchant's only one.

    A merchant's number may serve several databases, and copies of a database share its uuid: hence
    the time in milliseconds and a random part, rather than a sequence.
    """
    milliseconds = int(time.time() * 1000) if milliseconds is None else milliseconds
    unique = base36(milliseconds, 8) + base36(secrets.randbelow(36**4), 4)
    return f"{document_part(document)}-{unique}"


def fen_from_yuan(text):
    """Return the integer fen of a bill's amount such as `12.30`; ValueError if it is none."""
    try:
        fen = Decimal(text) * 100
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no amount") from error
    if not fen.is_finite() or fen != fen.to_integral_value():
        raise ValueError(f"{text!r} is no amount in whole fen")
    return int(fen)
