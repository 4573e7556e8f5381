"""Clocks, moments and tariff tables: what was encoded is decoded, what cannot be is None."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from acrel_link.decoders import (
    Period,
    Zone,
    bits,
    clock_is_bcd,
    decode_calendar,
    decode_clock,
    decode_moment,
    decode_periods,
    decode_zones,
    encode_clock,
    encode_periods,
    encode_zones,
)
from acrel_link.errors import RegisterError
from acrel_link.profiles import profile
from acrel_link.snapshots import plain

TODAY = date(2026, 11, 22)
moments = st.datetimes(datetime(2016, 1, 1), datetime(2078, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0)
)


@given(moments, st.booleans(), st.integers(-300, 300))
def test_a_clock_is_set_in_the_coding_that_it_was_read_in(moment, bcd, days):
    raw = encode_clock(moment, bcd)
    near = moment.date() + timedelta(days=days)
    assert decode_clock(raw, near) == moment
    # where both codings are possible, neither is believed
    assert clock_is_bcd(raw, near) in (bcd, None)
    assert clock_is_bcd(raw, near) is bcd


@pytest.mark.parametrize("raw", [bytes(6), b"\xff" * 6])
def test_a_clock_that_was_never_set_does_not_tell_its_coding(raw):
    assert clock_is_bcd(raw, TODAY) is None


def test_calendar_as_captured():
    """2019-12-09, a Monday, 14:48:38, of a published upload."""
    raw = bytes.fromhex("130c09010e302600")
    assert decode_calendar(raw, date(2019, 12, 9)) == datetime(2019, 12, 9, 14, 48, 38)


@given(moments, st.booleans(), st.integers(0, 360))
def test_a_moment_is_the_last_one_of_its_kind(moment, bcd, days):
    moment = moment.replace(second=0)
    assume((moment.month, moment.day) != (2, 29))
    near = moment.date() + timedelta(days=days)
    fields = (moment.minute, moment.hour, moment.day, moment.month)
    raw = bytes(value // 10 << 4 | value % 10 if bcd else value for value in fields)
    assert decode_moment(raw, near, bcd) == moment


@given(st.binary(min_size=4, max_size=4), st.booleans())
def test_any_four_bytes_are_a_moment_of_the_past_or_none(raw, bcd):
    moment = decode_moment(raw, TODAY, bcd)
    assert moment is None or moment.date() <= TODAY + timedelta(days=1)


tables = st.lists(st.integers(0, 1439), min_size=1, max_size=14, unique=True).flatmap(
    lambda minutes: st.tuples(
        *(st.builds(Period, st.integers(1, 4), st.just(minute)) for minute in sorted(minutes))
    )
)


@given(tables)
def test_a_day_table_is_read_as_it_was_written(periods):
    raw = encode_periods(periods)
    assert len(raw) == 42
    assert decode_periods(raw) == periods


@given(tables)
def test_a_place_that_repeats_the_one_before_is_no_period(periods):
    raw = encode_periods(periods)
    used = raw[: 3 * len(periods)]
    assert decode_periods((used + used[-3:] * 14)[:42]) == periods


@given(st.binary(min_size=42, max_size=42))
def test_any_table_is_right_or_none(raw):
    periods = decode_periods(raw)
    if periods:
        assert decode_periods(encode_periods(periods)) == periods


@pytest.mark.parametrize(
    "raw",
    [b"\x05\0\0", b"\x01\x3c\0", b"\x01\0\x18", b"\x01\0\x08\x02\0\x07", b"\0\0\0\x01\0\0"],
    ids=["rate 5", "minute 60", "hour 24", "descending", "hole"],
)
def test_what_is_no_table(raw):
    assert decode_periods(raw.ljust(42, b"\0")) is None


def test_what_cannot_be_written_into_a_table():
    for periods in ([], [Period(1, 0)] * 15, [Period(1, 60), Period(2, 0)], [Period(5, 0)]):
        with pytest.raises(RegisterError):
            encode_periods(periods)


zones = st.lists(
    st.builds(
        lambda table, day: Zone(table, day.month, day.day),
        st.integers(1, 3),
        st.dates(date(2000, 1, 1), date(2000, 12, 31)),
    ),
    min_size=1,
    max_size=4,
)


@given(zones)
def test_zones_are_read_as_they_were_written(year):
    assert decode_zones(encode_zones(year)) == tuple(year)


def test_what_are_no_zones():
    assert decode_zones(bytes((4, 1, 1)).ljust(12, b"\0")) is None
    assert decode_zones(bytes((1, 30, 2)).ljust(12, b"\0")) is None
    for year in ([], [Zone(1, 1, 1)] * 5, [Zone(4, 1, 1)], [Zone(1, 2, 30)]):
        with pytest.raises(RegisterError):
            encode_zones(year)


@given(st.integers(0, 0xFFFF))
def test_bits_name_what_is_set(word):
    names = [f"bit{number}" for number in range(16)]
    assert sum(1 << int(name[3:]) for name in bits(names, word)) == word


# === Rows of the past === #


def test_a_month_row_by_hand():
    history = profile("adw300").history["months"]
    assert history.blocks(0) == [(0x4800, 48), (0x4830, 35)]
    assert history.blocks(11)[0] == (0x5300, 48)
    assert history.first + history.map.by_name["e_forward"].address == 0x4805
    data = bytearray(2 * history.map.size)
    data[0:6] = bytes.fromhex("000000010b1a")
    data[2 * 0x05 : 2 * 0x07] = (123456).to_bytes(4, "big")
    data[2 * 0x51 : 2 * 0x53] = (77).to_bytes(4, "big")
    row = plain(history.map, history.map.describe(0, bytes(data)), TODAY, bcd=False)
    assert (row["e_forward"], row["eq_reverse_valley"]) == (123456, 77)
    assert row["frozen_at"] == "2026-11-01 00:00:00"
    assert sum(value for value in row.values() if isinstance(value, int)) == 123456 + 77


def test_extremes_stand_where_the_manual_says():
    history = profile("adw300").history["extremes"]
    place = {name: register.address for name, register in history.map.by_name.items()}
    # as printed: maxima from 00 by threes, from 1E by fours; minima from 4E, the last at 98
    assert [place[f"max_{name}"] for name in ("ua", "ub", "ic", "i_vector_sum", "pa", "s")] == [
        0x00, 0x03, 0x18, 0x1B, 0x1E, 0x4A,
    ]  # fmt: skip
    assert [place[f"min_{name}"] for name in ("ua", "ub", "s")] == [0x4E, 0x51, 0x98]
    assert (history.first, history.step, history.rows) == (0x0400, 0x100, 4)
    data = bytearray(2 * history.map.size)
    data[0:6] = bytes.fromhex("0912 1e0b0703")  # 232.2 V on 7 March, 11:30
    row = plain(history.map, history.map.describe(0, bytes(data)), TODAY, bcd=False)
    assert (row["max_ua"], row["max_ua_at"]) == (2322, "2026-03-07 11:30:00")
    assert row["min_s_at"] is None
