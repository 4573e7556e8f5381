"""When a ship at berth must use shore power: one table of rules, without Odoo.

The rule of the Measures on shore power for ports and ships: a ship that has receiving equipment
and carries no liquid cargo, at a berth able to supply, staying longer than a limit, uses shore
power, unless a listed circumstance excuses it. Limits are data (acrel.shore.rule).
"""

from __future__ import annotations

from typing import NamedTuple

BOUND = "bound"
EXEMPT = "exempt"
ENCOURAGED = "encouraged"
NOT_BOUND = "not_bound"
UNKNOWN = "unknown"


class Facts(NamedTuple):
    """What the rule looks at; limit_seconds is None where no rule is configured."""

    liquid_cargo: bool
    equipped: bool
    berth_able: bool
    stay_seconds: int
    limit_seconds: int | None
    excused: bool


class Assessment(NamedTuple):
    """The outcome and the fact that decided it, by name."""

    outcome: str
    because: str


def assess(facts: Facts) -> Assessment:
    """Say what a call owes; the first fact that frees the ship decides."""
    if facts.liquid_cargo:
        return Assessment(NOT_BOUND, "liquid_cargo")
    if not facts.equipped:
        return Assessment(NOT_BOUND, "not_equipped")
    if not facts.berth_able:
        return Assessment(NOT_BOUND, "berth_unable")
    if facts.limit_seconds is None:
        return Assessment(UNKNOWN, "no_rule")
    if facts.stay_seconds <= facts.limit_seconds:
        return Assessment(ENCOURAGED, "short_stay")
    if facts.excused:
        return Assessment(EXEMPT, "excused")
    return Assessment(BOUND, "long_stay")
