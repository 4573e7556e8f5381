"""Rotation by two slots on each side, cut before and after every step, at both sides."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrel_link import commands
from acrel_link.keys.check import check_value
from acrel_link.sealed import schedule
from acrel_link.sealed.errors import Fault, SealedError
from acrel_link.sealed.rules import REKEY, REKEY_ANSWER
from acrel_link.sealed.store import MemoryStore, Slot
from acrel_link.serials import build_serial

from .bed import KEY, LINK, NEXT_KEY, SERIAL, Bed, Line, Ring

OLD, NEW = 7, 8
SN = build_serial(SERIAL)


class CutError(Exception):
    """A power cut, or a kill."""


class Cutter:
    """Raises before or after the one step that a test names; every step is written down."""

    def __init__(self, step: str = "", after: bool = False):
        self.step, self.after = step, after
        self.taken: list[str] = []

    def __call__(self, step: str, act):
        self.taken.append(step)
        if step == self.step:
            self.step = ""  # once
            if self.after:
                act()
            raise CutError(step)
        return act()


class CutRing(Ring):
    """The server's stored keys; each write of them may be the last thing its process does."""

    def order(self, link_id, serial, version, key):
        write = super().order
        self.cutter("1 server stores next", lambda: write(link_id, serial, version, key))

    def rekeyed(self, link_id, version, kcv):
        write = super().rekeyed
        return self.cutter("4 server takes the answer", lambda: write(link_id, version, kcv))

    def opened(self, key, boot_counter, refused):
        write = super().opened
        step = "5 server retires current" if key.version == NEW else "an E3 under current"
        self.cutter(step, lambda: write(key, boot_counter, refused))


class CutStore(MemoryStore):
    """The meter's flash; each write of it may be the last thing before a power cut."""

    def keep(self, current, following):
        write = super().keep
        step = "3 meter stores next" if following else "5 meter erases current"
        self.cutter(step, lambda: write(current, following))


class CutLine(Line):
    """A line that may die before or after it carries a frame."""

    cutter: Cutter

    def move_up(self):
        move = super().move_up
        if self.up and self.server.key and self.server.key.version == OLD:
            self.cutter("4 answer travels", move)
        elif self.up and self.device.is_open and self.device.key_version == NEW:
            self.cutter("5 proof travels", move)
        else:
            move()

    def move_down(self):
        move = super().move_down
        if self.down and self.server.key:
            open_under = self.server.key.version
            self.cutter("2 rekey travels" if open_under == OLD else "5 first frame travels", move)
        else:
            move()


STEPS = (
    "1 server stores next",
    "2 rekey travels",
    "3 meter stores next",
    "4 answer travels",
    "4 server takes the answer",
    "5 server retires current",
    "5 proof travels",
    "5 first frame travels",
    "5 meter erases current",
)


class Rotation:
    """A meter and a server that were cut once, and whatever they do then."""

    def __init__(self, cutter: Cutter, asked_while_online: bool):
        self.bed = Bed()
        self.asked_while_online = asked_while_online
        old = self.bed.ring
        self.bed.ring = self.bed.server.keys = CutRing(*old.keys.values())
        self.bed.store = CutStore(SERIAL, Slot(OLD, KEY))
        self.bed.power_up()
        self.cutter = self.bed.ring.cutter = self.bed.store.cutter = cutter

    def server_versions(self) -> set[int]:
        return {version for _, version in self.bed.ring.keys}

    def meter_versions(self) -> set[int]:
        return {slot.version for slot in self.bed.store.slots() if slot is not None}

    def ask(self) -> None:
        """Let the key officer order the rotation, as often as he likes."""
        if NEW not in self.server_versions():
            self.bed.ring.order(LINK, SERIAL, NEW, NEXT_KEY)

    def connect(self) -> bool:
        """Connect, speak and hang up; tell whether a frame came through both ways."""
        line = CutLine(self.bed.server, self.bed.device)
        line.cutter = self.cutter
        try:
            if not self.asked_while_online:
                self.ask()
            line.settle()
            if line.server.key is None:
                return False
            assert line.report(commands.UPLOAD) == [(commands.UPLOAD, b"")]
            assert line.tell(commands.UPLOAD) == [(commands.UPLOAD, b"")]
            self.ask()
            line.server.rekey()
            line.settle()
        except SealedError as error:
            assert error.fault is Fault.PROOF
            return False
        return True

    def common(self) -> set[int]:
        return self.server_versions() & self.meter_versions()


@pytest.mark.parametrize("online", [True, False], ids=["asked online", "asked before"])
@pytest.mark.parametrize("lost", ["both", "meter", "server"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_cut_at_any_step_loses_no_meter(step, after, lost, online):
    rotation = Rotation(Cutter(step, after), online)
    cut, opened = 0, 0
    for _ in range(8):
        try:
            opened = opened + 1 if rotation.connect() else 0
        except CutError:
            cut += 1
            if lost in ("both", "meter"):
                rotation.bed.power_up()
        assert rotation.common(), "both keys are lost"
    assert cut == 1
    assert opened >= 3
    assert rotation.server_versions() == rotation.meter_versions() == {NEW}
    assert rotation.bed.ring.orders == {}


def test_no_step_of_a_rotation_is_left_out():
    rotation = Rotation(Cutter(), asked_while_online=True)
    while rotation.meter_versions() != {NEW}:
        assert rotation.connect()
    assert set(rotation.cutter.taken) - {"an E3 under current"} == set(STEPS)


@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.booleans(), st.booleans()), max_size=12),
    st.booleans(),
)
@settings(max_examples=150)
def test_any_number_of_cuts_loses_no_meter(cuts, online):
    rotation = Rotation(Cutter(), online)
    cutter = rotation.cutter
    for cutter.step, cutter.after, power_cut in cuts:
        try:
            rotation.connect()
        except CutError:
            if power_cut:
                rotation.bed.power_up()
        assert rotation.common()
    cutter.step = ""
    for _ in range(5):
        rotation.connect()
    assert rotation.server_versions() == rotation.meter_versions() == {NEW}
    assert rotation.connect()


# === The rules, one by one === #


def ordered() -> tuple[Bed, Line]:
    """Return a bed whose server has a next key, and an open connection under the current one."""
    bed = Bed()
    line = bed.open()
    bed.ring.order(LINK, SERIAL, NEW, NEXT_KEY)
    return bed, line


def test_the_same_next_key_goes_again_until_it_is_answered():
    bed, line = ordered()
    line.server.rekey()
    line.down.clear()  # lost, with the connection
    again = bed.connect()
    again.settle()
    assert bed.store.slots() == (Slot(OLD, KEY), Slot(NEW, NEXT_KEY))
    assert bed.ring.answered == [NEW]
    assert again.server.key.version == OLD
    assert again.server.forbidden == again.device.forbidden == 0


def test_the_meter_answers_again_when_its_answer_was_lost():
    bed, line = ordered()
    line.server.rekey()
    line.move_down()
    line.up.clear()
    bed.device._unanswered = 2  # as if the server could not be reached under next
    again = bed.connect()
    assert again.device.key_version == OLD
    again.settle()
    assert bed.ring.answered == [NEW]


def test_a_second_rekey_is_not_sent_once_answered():
    _, line = ordered()
    line.server.rekey()
    line.settle()
    sent = line.server.sent
    line.server.rekey()
    assert line.server.sent == sent


def test_an_answer_that_comes_twice_harms_nobody():
    """A slow line: the server has sent the key again before the first answer came."""
    bed, line = ordered()
    line.server.rekey()
    line.server.rekey()
    line.move_down()
    assert len(line.up) == 2
    line.settle()
    assert bed.ring.answered == [NEW, NEW]
    assert line.server.forbidden == line.device.forbidden == 0


def test_a_key_is_wrapped_under_the_current_one_only():
    """A session that is older than the rotation before has nothing to wrap the next key under."""
    bed, line = ordered()
    bed.open()
    bed.open()  # under next: the first session should have been closed by now
    bed.ring.order(LINK, SERIAL, 9, bytes(32))
    sent = line.server.sent
    line.server.rekey()
    assert line.server.sent == sent


def test_an_order_for_a_session_that_is_not_open_waits():
    bed = Bed()
    line = bed.connect()
    bed.ring.order(LINK, SERIAL, NEW, NEXT_KEY)
    line.server.rekey()
    assert line.down == []


def test_next_is_offered_first_and_current_after_two_failures():
    bed = Bed()
    bed.store.keep(Slot(OLD, KEY), Slot(NEW, NEXT_KEY))  # the server knows nothing of it any more
    offered = []
    for _ in range(7):
        line = bed.connect()
        offered.append(line.device.key_version)
    assert offered == [NEW, NEW, OLD, NEW, NEW, OLD, NEW]
    bed.device._unanswered = 2
    line = bed.open()
    assert line.device.key_version == OLD
    assert line.tell(commands.UPLOAD)
    assert bed.store.slots() == (Slot(OLD, KEY), Slot(NEW, NEXT_KEY))
    assert bed.connect().device.key_version == NEW


def test_current_is_erased_only_by_the_first_frame_under_next():
    bed, line = ordered()
    line.server.rekey()
    line.settle()
    line = bed.connect()
    line.settle()
    assert line.server.key.version == NEW
    assert line.device.is_open
    assert bed.store.slots() == (Slot(OLD, KEY), Slot(NEW, NEXT_KEY))
    line.tell(commands.UPLOAD)
    assert bed.store.slots() == (Slot(NEW, NEXT_KEY), None)


def test_a_forged_first_frame_erases_nothing():
    bed, line = ordered()
    line.server.rekey()
    line.settle()
    line = bed.connect()
    line.settle()
    frame = bytearray(line.server.frame(commands.UPLOAD))
    with pytest.raises(SealedError):
        line.device.feed(bytes(frame[:-5]) + bytes((frame[-5] ^ 1,)) + bytes(frame[-4:]))
    assert bed.store.slots() == (Slot(OLD, KEY), Slot(NEW, NEXT_KEY))


@pytest.mark.parametrize("version", [0, OLD - 1, OLD])
def test_a_version_that_is_not_newer_is_dropped(version):
    bed, line = ordered()
    wrapped = schedule.wrap_key(KEY, SN, NEXT_KEY)
    content = version.to_bytes(2, "big") + wrapped
    line.device.feed(line.server._sealer.seal(bytes((REKEY,)) + content))
    assert bed.store.slots() == (Slot(OLD, KEY), None)
    assert line.device.forbidden == 1
    assert line.up == []


def test_a_server_that_lost_its_next_key_can_send_another():
    """A restored copy of the database knows the current key only."""
    bed = Bed()
    bed.store.keep(Slot(OLD, KEY), Slot(NEW, bytes(32)))
    bed.ring.order(LINK, SERIAL, NEW, NEXT_KEY)
    for _ in range(2):
        line = bed.connect()
        line.move_up()
        with pytest.raises(SealedError):
            line.move_down()
    bed.open()
    assert bed.store.slots() == (Slot(OLD, KEY), Slot(NEW, NEXT_KEY))
    assert bed.open().server.key.version == NEW


@pytest.mark.parametrize(
    "answer",
    [
        OLD.to_bytes(2, "big") + check_value(NEXT_KEY, SERIAL),
        NEW.to_bytes(2, "big") + check_value(KEY, SERIAL),
        NEW.to_bytes(2, "big") + check_value(NEXT_KEY, SERIAL)[:-1],
    ],
)
def test_an_answer_with_a_wrong_check_value_changes_nothing(answer):
    bed, line = ordered()
    line.server.rekey()
    line.server.feed(line.device._sealer.seal(bytes((REKEY_ANSWER,)) + answer))
    assert line.server.forbidden == 1
    assert bed.ring.answered == []
    line.settle()  # the right one still counts
    assert bed.ring.answered == [NEW]


def test_the_rekey_is_bound_to_the_meter():
    wrapped = schedule.wrap_key(KEY, SN, NEXT_KEY)
    with pytest.raises(SealedError):
        schedule.unwrap_key(KEY, build_serial("another"), wrapped)
    with pytest.raises(SealedError):
        schedule.unwrap_key(KEY, SN, wrapped[:-1])


def test_two_rotations_one_after_the_other():
    bed = Bed()
    for version in (8, 9, 12):
        key = bytes((version,)) * 32
        line = bed.open()
        bed.ring.order(LINK, SERIAL, version, key)
        line.server.rekey()
        line.settle()
        line = bed.open()
        line.tell(commands.UPLOAD)
        assert bed.store.slots() == (Slot(version, key), None)
        assert set(bed.ring.keys) == {(SERIAL, version)}


def test_a_rotation_right_behind_another_in_one_connection():
    """The first frame under next may itself be a rekey."""
    bed, line = ordered()
    line.server.rekey()
    line.settle()
    line = bed.connect()
    line.settle()
    bed.ring.order(LINK, SERIAL, 9, bytes(32))
    line.server.rekey()
    line.settle()
    assert bed.store.slots() == (Slot(NEW, NEXT_KEY), Slot(9, bytes(32)))
    assert bed.ring.answered == [NEW, 9]
