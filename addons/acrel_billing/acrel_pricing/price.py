"""Slices of energy times the tariff's prices: the lines of a bill."""

from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from fractions import Fraction

from .rounding import half_up
from .split import Curve, split
from .tariff import ELECTRICITY, FEES, TariffVersion
from .tax import share_tax


@dataclass(frozen=True, slots=True)
class PricedLine:
    """One fee of one period of one day; registers in Wh, price in CNY/kWh, money in fen."""

    day: date
    start: datetime
    end: datetime
    kind: str
    fee: str
    start_wh: int
    end_wh: int
    price: Decimal
    rate: Decimal
    gross: int
    tax: int

    @property
    def wh(self) -> int:
        """Return the energy that is priced."""
        return self.end_wh - self.start_wh

    @property
    def net(self) -> int:
        """Return the amount before tax in fen."""
        return self.gross - self.tax


def gross_fen(wh: int, unit_price: Decimal) -> int:
    """Return Wh at a price in CNY/kWh as fen, half-up."""
    return half_up(Fraction(wh, 1000) * Fraction(unit_price) * 100)


def price(curve: Curve, unit_wh: int, version: TariffVersion, tz: tzinfo) -> list[PricedLine]:
    """Return the lines of a session's bill, in order of time, electricity before service.

    A period in which nothing was taken makes no line. Energy always makes an electricity line,
    even where it is free, so that a bill shows every Wh; a service line only where it has a price.
    """
    priced = [
        (piece, fee, gross_fen(piece.wh, piece.period.fee(fee)))
        for piece in split(curve, unit_wh, version, tz)
        for fee in FEES
        if piece.wh and (fee == ELECTRICITY or piece.period.fee(fee))
    ]
    taxes = share_tax([(gross, version.tax_rate(fee)) for _piece, fee, gross in priced])
    return [
        PricedLine(
            day=piece.day,
            start=piece.start,
            end=piece.end,
            kind=piece.period.kind,
            fee=fee,
            start_wh=piece.start_wh,
            end_wh=piece.end_wh,
            price=piece.period.fee(fee),
            rate=version.tax_rate(fee),
            gross=gross,
            tax=tax,
        )
        for (piece, fee, gross), tax in zip(priced, taxes, strict=True)
    ]


def cost_so_far(curve: Curve, unit_wh: int, version: TariffVersion, tz: tzinfo) -> int:
    """Return in fen what the session would cost if it ended with the curve's last reading."""
    return sum(
        gross_fen(piece.wh, piece.period.fee(fee))
        for piece in split(curve, unit_wh, version, tz)
        for fee in FEES
    )
