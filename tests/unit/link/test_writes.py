"""The allow-list: what an order may write, and the sentence for everything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrel_link.errors import WriteRefusedError
from acrel_link.profiles import names, profile
from acrel_link.writes import ORDERED, Write, plan_frame, plan_writes

ADW300 = profile("adw300")
WRITE, CONFIGURE = ORDERED["write"], ORDERED["configure"]


def test_thresholds_side_by_side_are_one_write():
    values = {"alarm_over_u_delay": 50, "alarm_over_u": 2420, "alarm_demand_s": 70000}
    assert plan_writes(ADW300, values, WRITE) == [
        Write(0x01D1, (2420, 50)),
        Write(0x0247, (1, 4464)),
    ]
    assert plan_writes(ADW300, {"alarm_pf": -500}, WRITE) == [Write(0x021E, (0xFE0C,))]
    assert plan_writes(ADW300, {"alarm_pf": -500}, WRITE)[0].data == b"\xfe\x0c"


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("rights", ORDERED.values(), ids=ORDERED)
def test_every_register_without_the_right_is_refused(name, rights):
    model = profile(name)
    for register in model.map.registers:
        if register.write in rights:
            continue
        value = "00" * 2 * register.words if register.values != 1 else 1
        with pytest.raises(
            WriteRefusedError, match=r"^Nothing was written: register .* is refused"
        ):
            plan_writes(model, {register.name: value}, rights)


@pytest.mark.parametrize("name", ["do1", "do2"])
def test_no_order_switches_an_output(name):
    with pytest.raises(WriteRefusedError, match="switched by its wanted state alone"):
        plan_writes(ADW300, {name: 1}, CONFIGURE)


def test_one_refused_register_refuses_the_order():
    with pytest.raises(WriteRefusedError, match=r"01E6H .do1_driver.* needs a maintenance order"):
        plan_writes(ADW300, {"alarm_over_u": 2420, "do1_driver": 0}, WRITE)
    writes = plan_writes(ADW300, {"alarm_over_u": 2420, "do1_driver": 0}, CONFIGURE)
    assert writes == [Write(0x01D1, (2420,)), Write(0x01E6, (0,))]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "no register is named"),
        ({"no_such": 1}, "has no register no_such"),
        ({"baud_code": 5}, "takes 1 to 4"),
        ({"do1_driver": 6}, "takes 0 to 5"),
        ({"address": 248}, "takes 1 to 247"),
        ({"alarm_over_u": True}, "does not fit"),
        ({"alarm_over_u": "2420"}, "does not fit"),
        ({"alarm_over_u": 10000}, "takes 0 to 9999"),
        ({"day_table_1": "0102"}, "takes 42 bytes in hexadecimal"),
        ({"day_table_1": "xx" * 42}, "takes 42 bytes in hexadecimal"),
        ({"e_forward": 0}, "no list of registers"),
        ({"menu_code": 1}, "no list of registers"),
    ],
)
def test_what_cannot_be_written(values, message):
    with pytest.raises(WriteRefusedError, match=message):
        plan_writes(ADW300, values, CONFIGURE)


writable = [register for register in ADW300.map.registers if register.write in CONFIGURE]


@given(st.data())
def test_every_write_holds_its_values_and_nothing_else(data):
    chosen = data.draw(st.lists(st.sampled_from(writable), min_size=1, max_size=12, unique=True))
    values = {}
    for register in chosen:
        if register.values == 1:
            values[register.name] = data.draw(st.integers(*register.range))
        else:
            size = 2 * register.words
            values[register.name] = data.draw(st.binary(min_size=size, max_size=size)).hex()
    writes = plan_writes(ADW300, values, CONFIGURE)
    written = [address for start, words in writes for address in range(start, start + len(words))]
    named = [address for each in chosen for address in range(each.address, each.end)]
    assert sorted(written) == sorted(named)
    for write in writes:
        for name, value in ADW300.map.describe(write.start, write.data).items():
            assert value == values[name] or value.hex() == values[name]


@pytest.mark.parametrize(
    ("command", "body", "message"),
    [
        (0x84, "", "84 is not on the list"),
        (0x90, "0110", "90 is not on the list"),
        (0x88, "7f000001", "4 bytes of IP address"),
        (0x88, "000000001f90", "4 bytes of IP address"),
        (0x88, "7f0000010000", "4 bytes of IP address"),
        (0x87, "00", "carries nothing"),
        (0x82, "zz", "not hexadecimal"),
        (0x82, "00" * 65, "64 bytes at most"),
    ],
)
def test_commands_that_are_not_sent(command, body, message):
    with pytest.raises(WriteRefusedError, match=f"^Nothing was sent: .*{message}"):
        plan_frame(command, body)


def test_commands_that_are_sent():
    assert plan_frame(0x88, "0a0000011f90") == bytes((10, 0, 0, 1, 0x1F, 0x90))
    assert plan_frame(0x87, "") == b""
    assert plan_frame(0x82, "02ff") == b"\x02\xff"
