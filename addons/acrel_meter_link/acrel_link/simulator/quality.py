"""What a simulated meter shows besides its load: quality, demand, rates, the past.

Plausible figures that follow from what it measures now, so that a test can tell them apart.
"""

from datetime import UTC, datetime

from ..decoders import encode_clock

_ORDERS = range(2, 32)
_HARMONICS = {
    f"harmonics_{kind}{phase}": tuple(first // order + place for order in _ORDERS)
    for kind, first in (("u", 150), ("i", 600))
    for place, phase in enumerate("abc")
}
_MOMENT = bytes((30, 11, 7, 3))  # minute, hour, day, month
_SHARES = {"sharp": 10, "peak": 30, "valley": 20}  # % of energy at a rate; flat is the rest


def _by_rate(name: str, energy: int) -> dict[str, int]:
    shares = {f"{name}_{rate}": energy * share // 100 for rate, share in _SHARES.items()}
    return shares | {f"{name}_flat": energy - sum(shares.values())}


def slow_values(now: dict[str, int]) -> dict[str, int | tuple[int, ...] | bytes]:
    """Return the values of slow registers by name, of what the meter measures now."""
    values: dict[str, int | tuple[int, ...] | bytes] = dict(_HARMONICS)
    for name in ("e_total", "e_forward", "e_reverse", "eq_forward", "eq_reverse"):
        energy = now.get(name, 0)
        values |= _by_rate(name, energy)
        third = energy // 3
        values |= {f"{name}_a": third, f"{name}_b": third, f"{name}_c": energy - 2 * third}
    for kind, power in (("p_forward", "p"), ("q_forward", "q")):
        values[f"demand_{kind}"] = now.get(power, 0)
        values[f"demand_max_{kind}"] = now.get(power, 0) * 5 // 4
        values[f"demand_max_{kind}_at"] = _MOMENT
    values["demand_s"] = now.get("s", 0)
    for place, phase in enumerate("abc"):
        values[f"thd_u{phase}"] = 215 + place
        values[f"thd_i{phase}"] = 830 + place
        values[f"fundamental_u{phase}"] = now.get(f"u{phase}", 0)
        values[f"fundamental_i{phase}"] = now.get(f"i{phase}", 0)
        values[f"temperature_{phase}"] = 312 + place
        values[f"angle_u{phase}"] = 12000 * place
        values[f"angle_i{phase}"] = 12000 * place + 800
    voltages = [now.get(f"u{phase}", 0) for phase in "abc"]
    mean = sum(voltages) // 3 or 1
    values["unbalance_u"] = max(abs(voltage - mean) for voltage in voltages) * 10_000 // mean
    values["unbalance_i"] = 120
    values["i_residual"] = 12
    return values


def month_values(now: dict[str, int], row: int) -> dict[str, int | bytes]:
    """Return the values of a row of the past: what stood `row` months ago, or its extremes."""
    back = 1000 * (row + 1)
    then = {
        name: max(value - back, 0) if name.startswith("e") else value for name, value in now.items()
    }
    values = {name: value for name, value in slow_values(then).items() if "rmonics" not in name}
    month = datetime.now(UTC)
    months = month.year * 12 + month.month - 1 - row
    first = datetime(months // 12, months % 12 + 1, 1)
    values |= then
    values["frozen_at"] = encode_clock(first, bcd=False)
    for name, value in now.items():
        values[f"max_{name}"] = value + row
        values[f"min_{name}"] = value
        values[f"max_{name}_at"] = values[f"min_{name}_at"] = _MOMENT
    return values
