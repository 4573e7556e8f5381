"""The border between whole watts and watt-hours and the floats that Odoo's views show."""

from decimal import ROUND_HALF_UP, Decimal

THOUSAND = Decimal(1000)


def kilo(value):
    """Return W as kW or Wh as kWh, as the float of a view."""
    return float(Decimal(value or 0) / THOUSAND)


def base(value):
    """Return kW as whole W or kWh as whole Wh, rounded half-up."""
    return int((Decimal(str(value or 0)) * THOUSAND).quantize(Decimal(1), ROUND_HALF_UP))


def kilo_text(value, digits=2):
    """Return W as text in kW or Wh as text in kWh, rounded half-up."""
    step = Decimal(1).scaleb(-digits)
    return str((Decimal(value or 0) / THOUSAND).quantize(step, ROUND_HALF_UP))
