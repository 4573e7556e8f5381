"""The simulated device without sockets: exact energy, a contactor that takes time to travel."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrel_link.simulator.device import COUNT, NS, Device

FORWARD = (0x003E, 2)


def closed(**options) -> Device:
    device = Device(0, travel=0, **options)
    device.write(0, 0x01C2, (1,))
    device.advance(0)
    assert device.contactor
    return device


def test_seven_kilowatts_for_an_hour_are_seven_kilowatt_hours():
    device = closed(load=7000)
    assert device.register(3600 * NS) == pytest.approx(
        700, abs=4
    )  # the load wobbles by 5 per mille


def test_speed_only_makes_energy_grow_faster():
    slow, fast = closed(load=7000), closed(load=7000, speed=600)
    slow.advance(10 * NS)
    fast.advance(10 * NS)
    assert slow.power(10 * NS) == fast.power(10 * NS)
    assert fast.energy(10 * NS) == 600 * slow.energy(10 * NS)


@given(
    st.lists(st.integers(1, 20 * NS), min_size=1, max_size=30),
    st.fractions(Fraction(1, 7), 1000, max_denominator=13),
)
def test_energy_does_not_depend_on_how_often_one_looks(steps, speed):
    often, once = closed(speed=speed), closed(speed=speed)
    now = 0
    registers = [0]
    for step in steps:
        now += step
        registers.append(often.register(now))
    assert registers == sorted(registers)
    assert once.register(now) == often.register(now)
    assert once.energy(now) == often.energy(now)


def test_contactor_takes_its_travel_time():
    device = Device(0, load=3600, travel=NS)
    device.write(0, 0x01C2, (1,))
    assert device.read(NS // 2, 0x003A, 1) == b"\0\0"
    assert device.power(NS // 2) == 0
    assert device.read(NS, 0x003A, 1) == b"\0\1"
    device.write(11 * NS, 0x01C2, (0,))
    assert device.read(11 * NS, 0x003A, 1) == b"\0\1"
    assert device.power(60 * NS) == 0
    assert not device.contactor
    # closed from second 1 to second 12, though nobody looked in between
    assert device.energy(60 * NS) == pytest.approx(11 * 3600 * NS, rel=0.006)


def test_register_shows_whole_counts():
    device = closed(load=3600, energy=7 * COUNT)
    device.advance(3600 * NS)
    assert device.register(3600 * NS) == pytest.approx(7 + 360, abs=2)
    assert device.read(3600 * NS, *FORWARD) == device.register(3600 * NS).to_bytes(4, "big")
