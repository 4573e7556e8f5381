"""Who may stand at a listener's door, when it is full, and who makes room."""

import pytest

from acrel_link.door import ADDRESSES, YOUNG, Door
from acrel_link.settings import Limits, read_settings


class Stranger:
    """A connection that has proven nothing."""

    def __init__(self):
        self.closed = False

    def cut(self, reason):
        self.closed = True


@pytest.fixture
def door():
    settings = read_settings([], {"ACREL_LINK_MAX_UNREGISTERED": "10"})
    return Door(settings, Limits(6, 1000))


def enter(door, host, now=0.0):
    stranger = Stranger()
    return stranger if door.enter(stranger, host, now) else None


def test_an_address_has_its_own_bound(door):
    assert [enter(door, "10.0.0.1") is not None for _ in range(8)] == [True] * 6 + [False] * 2
    assert enter(door, "10.0.0.2")


def test_who_has_most_makes_room(door):
    first = [enter(door, "10.0.0.1") for _ in range(6)]
    for number in range(4):
        assert enter(door, f"10.0.1.{number}")
    assert enter(door, "10.0.0.3")
    assert [stranger.closed for stranger in first] == [True] + [False] * 5


def test_among_equals_the_oldest_makes_room_unless_it_is_young(door):
    crowd = [enter(door, f"10.0.1.{number}") for number in range(10)]
    assert enter(door, "10.0.2.1", YOUNG - 1) is None
    assert enter(door, "10.0.2.1", YOUNG)
    assert [stranger.closed for stranger in crowd] == [True] + [False] * 9


def test_who_leaves_makes_room(door):
    crowd = [enter(door, "10.0.0.1") for _ in range(6)]
    door.leave(crowd[0])
    door.leave(crowd[0])
    assert enter(door, "10.0.0.1")
    assert enter(door, "10.0.0.1") is None


def test_the_rate_is_of_an_address_and_recovers():
    door = Door(read_settings([], {}), Limits(1000, 5))
    assert sum(enter(door, "10.0.0.1") is not None for _ in range(20)) == 5
    assert enter(door, "10.0.0.2")
    assert enter(door, "10.0.0.1", 0.1) is None
    assert enter(door, "10.0.0.1", 0.3)


def test_addresses_of_one_ipv6_network_count_as_one(door):
    came = [enter(door, f"2001:db8::{number:x}") for number in range(8)]
    assert [stranger is not None for stranger in came] == [True] * 6 + [False] * 2
    assert enter(door, "2001:db8:0:1::1")
    mapped = [enter(door, "::ffff:10.0.0.1"), enter(door, "10.0.0.1")]
    assert all(mapped) and len(door._addresses) == 3


def test_what_is_remembered_of_addresses_is_bounded(door):
    for number in range(ADDRESSES + 10):
        stranger = enter(door, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        door.leave(stranger)
    assert len(door._addresses) <= ADDRESSES
