"""What a kWh costs at each time of the day."""

from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from .coverage import faults

#: 尖, 峰, 平, 谷, 深谷
KINDS = ("sharp", "peak", "flat", "valley", "deep_valley")
ELECTRICITY = "electricity"
SERVICE = "service"
FEES = (ELECTRICITY, SERVICE)
PRICE_STEP = Decimal("0.0001")


class TariffError(ValueError):
    """A tariff that cannot price every kWh of a day; the message is for its author."""


def _check_price(name: str, value: Decimal) -> None:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise TariffError(f"The {name} price must be a finite Decimal, not {value!r}.")
    if value < 0:
        raise TariffError(f"The {name} price is {value} CNY/kWh: it must not be below zero.")
    if value != value.quantize(PRICE_STEP):
        raise TariffError(f"The {name} price {value} CNY/kWh has more than four decimals.")


@dataclass(frozen=True, slots=True)
class Period:
    """Minutes [start, end) of the local day with their prices in CNY/kWh, tax included."""

    start: int
    end: int
    kind: str
    electricity: Decimal
    service: Decimal

    def __post_init__(self):
        if self.kind not in KINDS:
            raise TariffError(f"“{self.kind}” is no kind of period; choose among {KINDS}.")
        _check_price(ELECTRICITY, self.electricity)
        _check_price(SERVICE, self.service)

    def fee(self, kind: str) -> Decimal:
        """Return the price of one fee kind in CNY/kWh."""
        return self.electricity if kind == ELECTRICITY else self.service

    @property
    def total(self) -> Decimal:
        """Return what the driver pays for a kWh."""
        return self.electricity + self.service


@dataclass(frozen=True)
class TariffVersion:
    """Periods that cover the local day exactly once, and the tax rate of each fee in percent."""

    periods: tuple[Period, ...]
    electricity_tax: Decimal
    service_tax: Decimal

    def __post_init__(self):
        found = faults((period.start, period.end) for period in self.periods)
        if found:
            raise TariffError(" ".join(map(str, found)))
        for rate in (self.electricity_tax, self.service_tax):
            if not isinstance(rate, Decimal) or not rate.is_finite() or not 0 <= rate < 100:
                raise TariffError(f"A tax rate is a Decimal percent from 0 to under 100: {rate!r}.")
        object.__setattr__(self, "periods", tuple(sorted(self.periods, key=lambda p: p.start)))

    @cached_property
    def _starts(self) -> list[int]:
        return [period.start for period in self.periods]

    def period_at(self, minute: int) -> Period:
        """Return the period that holds a minute of the local day."""
        return self.periods[bisect_right(self._starts, minute) - 1]

    def tax_rate(self, fee: str) -> Decimal:
        """Return the tax rate of a fee kind in percent, as included in its price."""
        return self.electricity_tax if fee == ELECTRICITY else self.service_tax
