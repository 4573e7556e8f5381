"""Handshakes and open sessions between honest sides: suites, limits, guards, time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrel_link import commands, rtu
from acrel_link.sealed import rules, suites, wire
from acrel_link.sealed.errors import Fault, SealedError, SealError
from acrel_link.sealed.store import MemoryStore, Slot
from acrel_link.sealed.suites import SUITES, choose, offer

from .bed import KEY, LINK, NEXT_KEY, SERIAL, START_MS, Bed, Key

OPEN = rtu.write_request(1, 0x01C2, (0,))
CLOSE = rtu.write_request(1, 0x01C2, (1,))
HOUR = 3600


def number(count: int) -> bytes:
    return count.to_bytes(16, "big")


# === Handshake === #


@pytest.mark.parametrize("suite", SUITES, ids=lambda number: f"{number:02x}")
def test_frames_both_ways_on_each_suite(suite):
    line = Bed(suites=(suite,), offered=(suite,)).open()
    assert line.server.suite == line.device.suite == suite
    for body in (b"", b"}}{{", bytes(wire.MAX_PLAINTEXT - 2)):
        assert line.report(commands.UPLOAD, body) == [(commands.UPLOAD, body)]
    for command in (commands.REGISTER, commands.UPLOAD, commands.SETPOINTS, commands.ALARM):
        assert line.tell(command) == [(command, b"")]
    assert line.tell(commands.TIME, bytes(7)) == [(commands.TIME, bytes(7))]
    assert (line.server.sent, line.server.received) == (5, 3)


@given(
    st.lists(st.sampled_from(sorted(SUITES)), unique=True, min_size=1),
    st.sets(st.sampled_from(sorted(SUITES)), min_size=1),
)
def test_the_server_takes_the_first_it_prefers_that_both_offer(preference, offered):
    chosen = choose(preference, offer(offered))
    assert chosen == next((SUITES[n] for n in preference if n in offered), None)
    bed = Bed(suites=preference, offered=sorted(offered))
    line = bed.connect()
    if chosen is not None:
        line.settle()
        assert line.device.suite == line.server.suite == chosen.number
        assert line.server.key.link_id == LINK
        return
    line.move_up()  # nothing in common is not told either
    with pytest.raises(SealedError) as caught:
        line.move_down()
    assert caught.value.fault is Fault.PROOF


def test_a_links_own_list_goes_before_the_listeners():
    bed = Bed()
    bed.server.suites = lambda link_id: (0x01,) if link_id is None else (0x13,)
    assert bed.open().server.suite == 0x13


def test_bits_of_suites_to_come_are_passed_over():
    bed = Bed(suites=(0x02,))
    bed.device.offered |= 0xC0
    assert bed.open().server.suite == 0x02
    bed.device.offered = 0xC0
    with pytest.raises(SealedError) as caught:
        bed.connect().move_up()
    assert caught.value.fault is Fault.MALFORMED


def test_every_connection_has_keys_of_its_own():
    bed = Bed()
    frames = {bed.open().device.frame(commands.UPLOAD, bytes(40))[19:] for _ in range(20)}
    assert len(frames) == 20


def test_the_highest_boot_counter_is_kept():
    bed = Bed()
    for count in (1, 2, 3):
        bed.open()
        assert bed.ring.find(SERIAL, 7).boot_counter == bed.store.boot_counter == count
    bed.store.boot_counter = 2  # it would be 3 again
    line = bed.connect()
    line.move_up()
    with pytest.raises(SealedError):
        line.move_down()
    bed.open()


def test_the_boot_counter_is_stored_before_the_hello_leaves():
    bed = Bed()
    order = []

    class Store(MemoryStore):
        def count(self):
            order.append("stored")
            return super().count()

    bed.store = Store(SERIAL, Slot(7, KEY))
    bed.power_up().connect(lambda data: order.append("sent"))
    assert order == ["stored", "sent"]

    class Broken(MemoryStore):
        def count(self):
            raise OSError("disk full")

    bed.store = Broken(SERIAL, Slot(7, KEY))
    with pytest.raises(OSError):
        bed.power_up().connect(lambda data: order.append("sent"))
    assert order == ["stored", "sent"]


def test_a_counter_used_elsewhere_can_be_told_later():
    bed = Bed()
    told = []
    handed = []
    bed.ring.opened = lambda key, boot_counter, refused: handed.append(refused)
    bed.connect(refused=lambda: told.append(True)).settle()
    handed[0]()
    assert told == [True]


def test_e3_and_the_first_frames_in_one_segment():
    line = Bed().connect()
    line.move_up()
    line.move_down()
    line.up.append(line.device.frame(commands.REGISTER, b"me"))
    line.up.append(line.device.frame(commands.HEARTBEAT))
    line.move_up()
    assert line.served == [(commands.REGISTER, b"me"), (commands.HEARTBEAT, b"")]


def test_one_byte_at_a_time():
    line = Bed(suites=(0x11,)).connect()
    for _ in range(3):
        for data, side in ((line.up, line.server), (line.down, line.device)):
            waiting, data[:] = b"".join(data), []
            for byte in waiting:
                side.feed(bytes((byte,)))
    assert line.device.is_open
    assert line.server.key is not None
    frame = line.device.frame(commands.UPLOAD, b"}}")
    found = [line.server.feed(bytes((byte,))) for byte in frame]
    assert found[-1] == [(commands.UPLOAD, b"}}")]
    assert not any(found[:-1])
    assert line.server.pending == 0


def test_secrets_are_in_no_repr():
    bed = Bed(suites=(0x11,))
    line = bed.connect()
    line.move_up()
    shaken = line.server._handshake
    shown = [repr(shaken), repr(line.server)]
    line.settle()
    shown += map(repr, (line.server, line.device, bed.device, bed.store.slots(), bed.server))
    shown.append(repr(suites.Exchange()))
    keys = [KEY, shaken.auth, shaken.secret]
    for text in shown:
        for key in keys:
            assert key.hex() not in text
            assert repr(key)[2:-1] not in text
            assert repr(key[:8])[2:-1] not in text


# === Limits === #


def test_a_frame_too_long_is_not_sealed():
    line = Bed().open()
    with pytest.raises(SealError):
        line.device.frame(commands.UPLOAD, bytes(wire.MAX_PLAINTEXT - 1))
    assert line.report(commands.UPLOAD) == [(commands.UPLOAD, b"")]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_after_two_to_the_twenty_frames_the_meter_wants_another_session(direction):
    line = Bed().open()
    sealer, opener, say = (
        (line.device._sealer, line.server._opener, lambda: line.report(commands.UPLOAD))
        if direction == "up"
        else (line.server._sealer, line.device._opener, lambda: line.tell(commands.UPLOAD))
    )
    sealer.count = opener.count = rules.FRAME_LIMIT - 1
    assert not line.device.wants_reconnect
    assert say()
    assert line.device.wants_reconnect
    assert say()  # it may end what it does
    sealer.count = opener.count = 2 * rules.FRAME_LIMIT - 1
    assert say()
    with pytest.raises(SealedError) as caught:
        say()
    assert caught.value.fault is Fault.EXHAUSTED


def test_the_meter_wants_another_session_after_23_hours_give_or_take_half_an_hour():
    bed = Bed()
    ends = []
    for _ in range(200):
        line = bed.open()
        began = bed.clock.seconds
        while not line.device.wants_reconnect:
            bed.clock.seconds += 60
        ends.append((bed.clock.seconds - began) / HOUR)
    assert min(ends) >= 22.5
    assert max(ends) <= 23.5 + 1 / 60
    assert max(ends) - min(ends) > 0.8  # spread, so that a fleet does not come back at once


def test_a_session_that_is_not_open_wants_nothing():
    bed = Bed()
    line = bed.connect()
    bed.clock.seconds += 30 * HOUR
    assert not line.device.wants_reconnect


# === Guarded frames === #


def told_guarded(line, body: bytes, command_id: bytes, not_after: int) -> bool:
    """Send a guarded command, and tell whether the meter obeyed."""
    line.down.append(line.server.guarded(commands.TRANSPARENT, body, command_id, not_after))
    before = len(line.obeyed)
    line.move_down()
    assert line.obeyed[before:] in ([], [(commands.TRANSPARENT, body)])
    return len(line.obeyed) > before


@given(st.integers(-400_000, 400_000), st.integers(0, 90_000), st.booleans())
def test_a_guarded_frame_is_obeyed_in_its_time_only(ahead, waited, opening):
    bed = Bed()
    line = bed.open()
    bed.clock.seconds += waited / 1000
    now = START_MS + waited
    most = 300_000 if opening else 30_000
    obeyed = told_guarded(line, OPEN if opening else CLOSE, number(1), now + ahead)
    assert obeyed == (0 <= ahead <= most)
    assert line.device.dropped == (not obeyed)


def test_a_wrong_calendar_clock_neither_blocks_nor_prolongs():
    """The meter measures by the server's time at E2 and by its own elapsed seconds alone."""
    bed = Bed()
    bed.server.now_ms = lambda: START_MS
    line = bed.open()
    assert line.device.server_time_ms() == START_MS
    bed.clock.seconds += 12.5
    assert line.device.server_time_ms() == START_MS + 12_500
    assert not told_guarded(line, CLOSE, number(1), START_MS + 12_499)
    assert told_guarded(line, CLOSE, number(2), START_MS + 12_500)


def test_a_command_is_obeyed_once():
    bed = Bed()
    line = bed.open()
    assert told_guarded(line, CLOSE, number(1), START_MS + 9000)
    assert not told_guarded(line, CLOSE, number(1), START_MS + 9000)
    assert not told_guarded(line, OPEN, number(1), START_MS + 9000)
    assert told_guarded(line, CLOSE, number(2), START_MS + 9000)
    assert line.device.dropped == 2
    assert line.device.forbidden == 0


def test_a_command_is_obeyed_once_over_connections_and_power_cycles():
    bed = Bed()
    assert told_guarded(bed.open(), CLOSE, number(1), START_MS + 9000)
    assert not told_guarded(bed.open(), CLOSE, number(1), START_MS + 9000)
    bed.power_up()
    assert not told_guarded(bed.open(), CLOSE, number(1), START_MS + 9000)


def test_a_command_is_remembered_before_it_is_obeyed():
    bed = Bed()

    def full(command_id):
        raise OSError("disk full")

    bed.store.remember = full
    with pytest.raises(OSError):
        told_guarded(bed.open(), CLOSE, number(1), START_MS + 9000)
    del bed.store.remember
    line = bed.open()
    assert told_guarded(line, CLOSE, number(1), START_MS + 9000)  # it was not obeyed before
    assert bed.store.command_ids() == (number(1),)


def test_the_last_64_command_ids_are_known():
    line = Bed().open()
    for count in range(65):
        assert told_guarded(line, CLOSE, number(count), START_MS + 9000)
    for count in range(1, 65):
        assert not told_guarded(line, CLOSE, number(count), START_MS + 9000)
    assert told_guarded(line, CLOSE, number(0), START_MS + 9000)  # the 65th from the end


def test_a_command_that_was_dropped_is_not_remembered():
    line = Bed().open()
    assert not told_guarded(line, CLOSE, number(1), START_MS + 60_000)
    assert told_guarded(line, CLOSE, number(1), START_MS + 9000)


def test_a_command_id_has_16_bytes():
    line = Bed().open()
    with pytest.raises(SealError):
        line.server.guarded(commands.TRANSPARENT, CLOSE, bytes(15), START_MS)
    assert line.server.sent == 0


@pytest.mark.parametrize(
    ("start", "values", "opens"),
    [
        (0x01C2, (0,), True),
        (0x01C3, (0,), True),
        (0x01C2, (0, 0), True),
        (0x01C2, (0, 1), False),
        (0x01C1, (0, 0), False),
        (0x01C3, (0, 0), False),
        (0x0058, (0,), False),
    ],
)
def test_what_is_the_opening_of_an_output(start, values, opens):
    body = rtu.write_request(1, start, values)
    assert rules.opens_output(commands.TRANSPARENT, body) is opens
    assert not rules.opens_output(commands.UPLOAD, body)
    assert not rules.opens_output(commands.TRANSPARENT, body[:-1] + b"\0")


def test_reads_are_no_openings():
    assert not rules.opens_output(commands.TRANSPARENT, rtu.read_request(1, 0x01C2, 1))


def test_another_meters_opening_can_be_told():
    """A sister meter's relay is opened by another register."""
    bed = Bed()
    trip = rtu.write_request(1, 0x0057, (1, 1))
    assert not told_guarded(bed.open(), trip, number(1), START_MS + 60_000)
    bed.device.opens = lambda command, body: body == trip
    assert told_guarded(bed.open(), trip, number(1), START_MS + 60_000)


def test_keys_of_two_links_do_not_mix():
    bed = Bed()
    bed.ring.keys["other", 7] = Key(2, "other", 7, NEXT_KEY)
    bed.store = MemoryStore("other", Slot(7, NEXT_KEY))
    bed.power_up()
    assert bed.open().server.key.link_id == 2
    bed.store = MemoryStore("other", Slot(7, KEY))
    bed.power_up()
    line = bed.connect()
    line.move_up()
    with pytest.raises(SealedError):
        line.move_down()
