"""A load curve and a tariff version in, priced lines out: integers and Decimal, no Odoo."""

from .coverage import DAY_MINUTES, Fault, clock, faults
from .limits import energy_for, guard_energy, max_price
from .price import PricedLine, cost_so_far, gross_fen, price
from .rounding import half_up, largest_remainder
from .split import Slice, as_utc, boundaries, period_of, split, thin
from .tariff import ELECTRICITY, FEES, KINDS, SERVICE, Period, TariffError, TariffVersion
from .tax import share_tax
