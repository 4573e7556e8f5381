"""Rows of the tables outside the ORM, as values."""

from dataclasses import dataclass, fields
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LiveReading:
    """The newest reading of a meter: raw integers, named and scaled as in ``schema.sql``."""

    meter_id: int
    reading_id: int
    received_at: datetime
    source: int
    meter_clock: datetime | None
    ua: int | None
    ub: int | None
    uc: int | None
    uab: int | None
    ubc: int | None
    uca: int | None
    ia: int | None
    ib: int | None
    ic: int | None
    pa: int | None
    pb: int | None
    pc: int | None
    p: int | None
    qa: int | None
    qb: int | None
    qc: int | None
    q: int | None
    sa: int | None
    sb: int | None
    sc: int | None
    s: int | None
    pfa: int | None
    pfb: int | None
    pfc: int | None
    pf: int | None
    di: int | None
    frequency: int | None
    pt: int | None
    ct: int | None
    temperature_n: int | None
    e_total: int | None
    e_forward: int | None
    e_reverse: int | None
    eq_forward: int | None
    eq_reverse: int | None


@dataclass(frozen=True, slots=True)
class Observed:
    """What the link says an output is; until it spoke, the state is unknown and the rest None."""

    output_id: int
    change: int = 0
    state: str = "unknown"
    relay: bool | None = None
    feedback: bool | None = None
    observed_at: datetime | None = None
    confirmed_revision: int | None = None
    confirmed_at: datetime | None = None
    close_revision: int | None = None
    close_register: int | None = None
    close_read_at: datetime | None = None
    open_revision: int | None = None
    open_register: int | None = None
    open_read_at: datetime | None = None
    guard_register: int | None = None
    guard_tripped: str | None = None
    guard_tripped_at: datetime | None = None
    error: str | None = None
    error_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an output shall be, since when and because of what."""

    output_id: int
    change: int
    revision: int
    wanted: str
    reason: str
    wanted_at: datetime
    close_before: datetime | None
    guard_energy: int | None
    guard_until: datetime | None
    on_doubt: str


def columns(record):
    """Column names of a record class, for the SELECT that fills it."""
    return [field.name for field in fields(record)]
