"""The one border between Odoo's floats and the money and prices behind them.

A float enters through :func:`decimal_of` or :func:`fen_of` and leaves through :func:`amount_of`;
everything between is an ``int`` of fen or a ``Decimal``.
"""

from decimal import ROUND_HALF_UP, Decimal

PRICE_DIGITS = 4
RATE_DIGITS = 4
FEN = Decimal("0.01")


def decimal_of(value, digits=PRICE_DIGITS):
    """Return a float or a Decimal as the Decimal that was meant, half-up to `digits` places."""
    return Decimal(str(value or 0)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def fen_of(value):
    """Return a monetary float in yuan as whole fen, half-up."""
    return int(decimal_of(value, 2).scaleb(2))


def amount_of(fen):
    """Return whole fen as the float of yuan that Odoo's `Monetary` takes."""
    return float(Decimal(fen) * FEN)
