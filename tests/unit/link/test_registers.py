"""The register map against the manual, and blocks against numbers written out by hand."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrel_link.decoders import decode_clock
from acrel_link.errors import RegisterError
from acrel_link.profiles import profile
from acrel_link.registers import (
    ADW300,
    BILLING_BLOCK,
    BY_NAME,
    INPUT_BLOCK,
    OUTPUT_BLOCK,
    REGISTERS,
    layout,
)

TODAY = date(2026, 11, 22)


def test_registers_do_not_overlap_and_have_names_of_their_own():
    for before, after in pairwise(REGISTERS):
        assert before.end <= after.address
    assert len(BY_NAME) == len(REGISTERS)


# name: address, words, type, decimals, unit, access, as the manual prints them
MANUAL = {
    "pt": (0x000E, 1, "u16", 0, "", "RW"),
    "temperature_n": (0x0010, 1, "i16", 1, "°C", "R"),
    "meter_clock": (0x0011, 3, "clock", 0, "", "RW"),
    "ua": (0x0014, 1, "u16", 1, "V", "R"),
    "uca": (0x0019, 1, "u16", 1, "V", "R"),
    "ic": (0x001C, 1, "u16", 2, "A", "R"),
    "i_vector_sum": (0x001D, 1, "u16", 2, "A", "R"),
    "pa": (0x001E, 2, "i32", 3, "kW", "R"),
    "p": (0x0024, 2, "i32", 3, "kW", "R"),
    "q": (0x002C, 2, "i32", 3, "kvar", "R"),
    "s": (0x0034, 2, "u32", 3, "kVA", "R"),
    "pf": (0x0039, 1, "i16", 3, "", "R"),
    "di": (0x003A, 1, "bits", 0, "", "R"),
    "frequency": (0x003B, 1, "u16", 2, "Hz", "R"),
    "e_total": (0x003C, 2, "u32", 2, "kWh", "R"),
    "e_forward": (0x003E, 2, "u32", 2, "kWh", "R"),
    "e_reverse": (0x0040, 2, "u32", 2, "kWh", "R"),
    "eq_forward": (0x0042, 2, "u32", 2, "kvarh", "R"),
    "eq_reverse": (0x0044, 2, "u32", 2, "kvarh", "R"),
    "e_reverse_a": (0x004A, 2, "u32", 2, "kWh", "R"),
    "eq_reverse_b": (0x0058, 2, "u32", 2, "kvarh", "R"),
    "e_total_c": (0x005A, 2, "u32", 2, "kWh", "R"),
    "demand_max_q_reverse_at": (0x0072, 2, "moment", 0, "", "R"),
    "thd_ic": (0x0079, 1, "u16", 2, "%", "R"),
    "harmonics_uc": (0x00B6, 30, "u16", 2, "%", "R"),
    "harmonics_ic": (0x0110, 30, "u16", 2, "%", "R"),
    "harmonic_ic": (0x0139, 1, "u16", 2, "A", "R"),
    "harmonic_q": (0x0158, 2, "i32", 3, "kvar", "R"),
    "demand_q_reverse": (0x0160, 2, "u32", 3, "kvar", "R"),
    "unbalance_i": (0x0163, 1, "u16", 2, "%", "R"),
    "temperature_c": (0x0166, 1, "i16", 1, "°C", "R"),
    "year_zones": (0x0167, 6, "zones", 0, "", "RW"),
    "day_table_2": (0x0182, 21, "periods", 0, "", "RW"),
    "e_total_sharp": (0x0197, 2, "u32", 2, "kWh", "R"),
    "e_forward_valley": (0x01A5, 2, "u32", 2, "kWh", "R"),
    "eq_reverse_valley": (0x01BD, 2, "u32", 2, "kvarh", "R"),
    "signal": (0x01BF, 1, "i16", 0, "dBm", "R"),
    "i_residual": (0x01C1, 1, "u16", 0, "mA", "R"),
    "do1": (0x01C2, 1, "bits", 0, "", "RW"),
    "do2": (0x01C3, 1, "bits", 0, "", "RW"),
    "alarm1_enable": (0x01D0, 1, "bits", 0, "", "RW"),
    "alarm_under_p_delay": (0x01DC, 1, "u16", 2, "s", "RW"),
    "di4_drives": (0x01E4, 1, "enum", 0, "", "RW"),
    "do1_mode": (0x01E5, 1, "enum", 0, "", "RW"),
    "do2_pulse": (0x01EA, 1, "u16", 0, "s", "RW"),
    "alarm1_status": (0x01EB, 1, "bits", 0, "", "R"),
    "uplink_protocol": (0x01F0, 1, "enum", 0, "", "RW"),
    "eq_quadrant_4": (0x01FC, 2, "u32", 3, "kvarh", "R"),
    "angle_ic": (0x0200, 1, "u16", 2, "°", "R"),
    "day_table_3": (0x0201, 21, "periods", 0, "", "RW"),
    "alarm_unbalance_i_delay": (0x0237, 1, "u16", 2, "s", "RW"),
    "alarm_i_residual": (0x0244, 2, "u32", 3, "A", "RW"),
    "alarm_demand_s_delay": (0x0249, 1, "u16", 2, "s", "RW"),
    "alarm3_status": (0x0269, 1, "bits", 0, "", "R"),
}


@pytest.mark.parametrize("name", MANUAL)
def test_register_as_the_manual_prints_it(name):
    register = BY_NAME[name]
    assert (
        register.address,
        register.words,
        register.type,
        register.decimals,
        register.unit,
        register.access,
    ) == MANUAL[name]
    assert register.source


def test_blocks_that_the_link_reads():
    assert BILLING_BLOCK == (0x000E, 56)
    assert OUTPUT_BLOCK == (0x01C2, 2)
    assert INPUT_BLOCK == (0x003A, 1)
    assert profile("adw300").alarm_block == (0x01D0, 42)
    assert profile("adw300").billing == (BILLING_BLOCK,)
    assert profile("adw300").output_block == OUTPUT_BLOCK
    assert profile("adw300").input_block == INPUT_BLOCK


def test_billing_block():
    data = bytes.fromhex(
        "0001 0028 ff38 1e3b0b160b1a"  # pt 1, ct 40, -20.0 °C, 2026-11-22 11:59:30
        "08fd 08fe 08ff 0f8d 0f8e 0f8f"  # U
        "0064 0065 0066 0001"  # I and their vector sum
        "fffffc18 00000002 00000003 00000004"  # P, the first -1.000 kW
        "00000005 00000006 00000007 ffffffff"  # Q
        "00000009 0000000a 0000000b 80000000"  # S
        "03e8 03e7 fc18 03e5"  # PF, one of them -1.000
        "0005 1388"  # DI1 and DI3; 50.00 Hz
        "00000064 ffffffff 00000000 00000007 00000008"  # energies
    )
    plan = layout(BILLING_BLOCK)
    assert dict(zip(plan.columns, plan.unpack(data), strict=True)) == {
        "pt": 1, "ct": 40, "temperature_n": -200,
        "ua": 0x8FD, "ub": 0x8FE, "uc": 0x8FF, "uab": 0xF8D, "ubc": 0xF8E, "uca": 0xF8F,
        "ia": 100, "ib": 101, "ic": 102,
        "pa": -1000, "pb": 2, "pc": 3, "p": 4, "qa": 5, "qb": 6, "qc": 7, "q": -1,
        "sa": 9, "sb": 10, "sc": 11, "s": 2**31,
        "pfa": 1000, "pfb": 999, "pfc": -1000, "pf": 997,
        "di": 5, "frequency": 5000,
        "e_total": 100, "e_forward": 2**32 - 1, "e_reverse": 0, "eq_forward": 7, "eq_reverse": 8,
    }  # fmt: skip
    assert plan.clock(data, TODAY) == datetime(2026, 11, 22, 11, 59, 30)


def test_blocks_are_put_together():
    whole = layout(BILLING_BLOCK)
    parts = layout((0x000E, 20), (0x0022, 36))
    data = bytes(range(112))
    assert parts.columns == whole.columns
    assert parts.unpack(data) == whole.unpack(data)


def test_a_register_cut_by_a_block_is_left_out():
    assert layout((0x003D, 4)).columns == ("e_forward",)


def test_what_is_no_block():
    with pytest.raises(RegisterError, match="112 bytes was expected, 110 came"):
        layout(BILLING_BLOCK).unpack(bytes(110))
    with pytest.raises(RegisterError, match="overlap"):
        layout((0x003C, 4), (0x003E, 2))
    with pytest.raises(RegisterError, match="holds nothing"):
        layout((0x003C, 0))


def test_scaled_values_are_exact():
    assert BY_NAME["e_forward"].scaled(12345) == Decimal("123.45")
    assert BY_NAME["p"].scaled(-7001) == Decimal("-7.001")
    assert str(BY_NAME["pt"].scaled(40)) == "40"


def test_describe_names_arrays_and_bytes():
    values = ADW300.describe(0x0165, bytes(range(8)) + bytes(2 * 28))
    assert values["temperature_b"] == 0x0001
    assert values["year_zones"] == bytes(range(4, 8)) + bytes(8)
    assert ADW300.describe(0x0098, bytes(60))["harmonics_ub"] == (0,) * 30


moments = st.datetimes(datetime(2015, 1, 1), datetime(2079, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0)
)


def clock_bytes(moment: datetime, coding) -> bytes:
    fields = (moment.second, moment.minute, moment.hour, moment.day, moment.month)
    return bytes(coding(field) for field in (*fields, moment.year % 100))


def bcd(number: int) -> int:
    return number // 10 * 16 + number % 10


@given(moments, st.integers(-400, 400))
def test_clock_is_read_in_either_coding(moment, days):
    near = moment.date() + timedelta(days=days)
    assert decode_clock(clock_bytes(moment, int), near) == moment
    assert decode_clock(clock_bytes(moment, bcd), near) == moment


@pytest.mark.parametrize(
    "raw",
    ["000000000000", "ffffffffffff", "00000001010a", "1e3b18160b1a", "00000032131a"],
    ids=["never_set", "erased", "years_away", "hour_24", "day_50"],
)
def test_an_implausible_clock_is_none(raw):
    assert decode_clock(bytes.fromhex(raw), TODAY) is None
