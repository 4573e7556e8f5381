"""What an agent lets the server write is what the register map says, and nothing beside it."""

import pytest

from acrel_link.registers import ADW300
from acrel_link.rtu import ReadRequest, WriteRequest
from meter_agent.allowed import may

DAILY = ("output", "threshold", "clock")
OF_THE_BUS = ("address", "baud_code", "serial_format")


def write(address: int, *values: int) -> WriteRequest:
    return WriteRequest(1, address, values or (0,))


@pytest.mark.parametrize("register", ADW300.registers, ids=lambda register: register.name)
def test_every_register_is_written_by_the_right_that_the_map_names(register):
    whole = write(register.address, *[0] * register.words)
    assert may(whole, maintenance=False) is (register.write in DAILY)
    assert may(whole, maintenance=True) is (
        register.write != "" and register.name not in OF_THE_BUS
    )


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (0x01CF, 2),  # from what nobody writes into the thresholds
        (0x01DC, 2),  # from the last threshold into configuration
        (0x01C1, 2),  # from nothing into an output
        (ADW300.size, 1),  # behind the map
    ],
)
def test_a_write_over_the_edge_of_what_is_allowed_is_refused_whole(start, words):
    assert not may(write(start, *[0] * words), maintenance=False)


def test_thresholds_side_by_side_are_written_at_once_and_reading_is_free():
    assert may(write(0x01D0, *[0] * 13), maintenance=False)
    assert may(ReadRequest(1, 0, 0x7D), maintenance=False)
