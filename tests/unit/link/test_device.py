"""The simulated device without sockets: exact energy, a contactor that takes time to travel."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrel_link.profiles import profile
from acrel_link.simulator.device import COUNT, NS, Device
from acrel_link.simulator.upload import Uploads
from acrel_link.uploads import parse_upload

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


def test_rows_of_the_past_stand_lower_the_older_they_are_and_follow_the_register():
    device = closed(energy=50_000 * COUNT)
    for now, months in ((0, (0, 1, 2)), (3600 * NS, (2, 1, 0))):
        register = device.register(now)
        for month in months:
            row = device.read(now, 0x4800 + 0x100 * month, 7)
            assert int.from_bytes(row[10:14], "big") == register - 1000 * (month + 1)
    assert register > 50_000


EVENTS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from([(0x01C2, (1,)), (0x01C2, (0,)), (0x01C3, (1,))])),
    st.tuples(st.just("set_load"), st.integers(0, 22_000)),
    st.tuples(st.just("plug"), st.booleans()),
    st.tuples(st.just("fault"), st.sampled_from(["opens_itself", "backwards", "stuck"])),
    st.tuples(st.just("clear"), st.none()),
    st.tuples(st.just("show"), st.integers(-113, -51)),
    st.tuples(st.just("zero"), st.none()),
    st.tuples(st.just("poll"), st.none()),
)


@given(
    st.lists(
        st.tuples(st.sampled_from([1, NS // 50, NS, 7 * NS, 40 * NS]), EVENTS | st.none()),
        max_size=30,
    ),
    st.fractions(Fraction(1, 7), 1000, max_denominator=13),
    st.sampled_from(["adw300_nb", "adw300_4g"]),
)
def test_an_upload_shows_the_registers_of_its_moment(steps, speed, name):
    model = profile(name)
    device = Device(0, speed=speed, model=model, energy=5000 * COUNT)
    uploads = Uploads("99000000000001", device)
    now = 0
    device.write(0, 0x01C2, (1,))
    for number, (step, event) in enumerate(steps):
        now += step
        check_upload(device, uploads, now, number)
        # around the very nanosecond of a new count an upload is wrong soonest
        for at in next_counts(device, now, speed):
            now = at
            check_upload(device, uploads, now, number)
        match event:
            case ("show", value):
                device.show("signal", value)
            case ("zero", _):
                assert energy_in(uploads.body(now, number, True), model) == 0
            case ("poll", _):
                device.read(now, 0x0011, 3)
            case ("clear", _):
                device.clear(now)
            case (action, value):
                getattr(device, action)(now, *(value if action == "write" else (value,)))
        check_upload(device, uploads, now, number)


def next_counts(device: Device, now: int, speed: Fraction) -> list[int]:
    """Return the moments around which the energy register grows next, while this load flows."""
    missing = COUNT - device.energy(now) % COUNT
    rate = device.power(now) * speed
    at = now + int(missing / rate) if rate else now + 10 * NS
    return [at - 1, at, at + 1, at + 2] if at < now + NS else []


def check_upload(device: Device, uploads: Uploads, now: int, number: int) -> None:
    model = device.profile
    told = parse_upload(uploads.body(now, number, False), model)
    values = device.read(now, *((0x0014, 38) if model.upload_serial else (0x000E, 46)))
    energies = device.read(now, 0x003C, 6)
    assert told.data[: len(values + energies)] == values + energies
    if model.upload_serial:
        assert told.signal_bytes == device.read(now, 0x01BF, 1)
        assert told.sequence == number
        assert told.outputs == device.read(now, 0x01C2, 2)


def energy_in(body: bytes, model) -> int:
    told = parse_upload(body, model)
    values = dict(zip(told.layout.columns, told.layout.unpack(told.data), strict=True))
    return values["e_forward"]
