"""Keys that are not accepted: the answer is as to any stranger, and nothing opens."""

import gc
import sys

import pytest

from acrel_link.sealed import wire
from acrel_link.sealed.errors import Fault, SealedError
from acrel_link.sealed.server import Server
from acrel_link.sealed.store import MemoryStore, Slot
from acrel_link.sealed.suites import SUITES

from .bed import KEY, LINK, SERIAL, Bed, Key, Line
from .refusal import refused, taken


def test_a_revoked_key():
    bed = Bed()
    bed.ring.revoke(SERIAL)
    line = bed.connect()
    line.move_up()
    refused(line.device, taken(line.down), Fault.PROOF)


def test_a_key_revoked_between_e2_and_e3():
    bed = Bed()
    line = bed.connect()
    line.move_up()
    line.move_down()
    bed.ring.revoke(SERIAL)
    refused(line.server, taken(line.up), Fault.PROOF)
    assert line.server.key is None


def test_a_key_replaced_between_e2_and_e3():
    bed = Bed()
    line = bed.connect()
    line.move_up()
    line.move_down()
    bed.ring.keys[SERIAL, 7] = Key(LINK, SERIAL, 7, bytes(32))
    refused(line.server, taken(line.up), Fault.PROOF)


def test_the_test_range_outside_a_lab():
    outside, inside = Bed(version=0), Bed(version=0, lab=True)
    line = outside.connect()
    line.move_up()
    refused(line.device, taken(line.down), Fault.PROOF)
    assert inside.open().server.key.version == 0


def test_a_proof_under_another_key():
    bed = Bed()
    bed.store.keep(Slot(7, bytes(32)), None)
    line = bed.connect()
    line.move_up()
    refused(line.device, taken(line.down), Fault.PROOF)


def steps_of(server: Server, hello: bytes) -> tuple[bytes, list[str], list[str], str]:
    """Return what an asker sees and every function that his E1 and a wrong E3 went through."""
    down: list[bytes] = []
    session = server.session(down.append)
    steps: list[str] = []

    def note(frame, event, argument):
        if event == "call":
            steps.append(frame.f_code.co_qualname)
        elif event == "c_call":
            steps.append(argument.__qualname__)

    error = ""
    seen: list[list[str]] = []
    for frame in (hello, None):
        data = frame or wire.enclose(wire.build_inner(wire.PROOF, session.suite, bytes(32)))
        gc.disable()  # what it calls is no step
        sys.setprofile(note)
        try:
            session.feed(data)
        except SealedError as caught:
            error = f"{caught.fault} {str(caught).replace(session.serial, 'SN')}"
        finally:
            sys.setprofile(None)
            gc.enable()
        seen.append(steps.copy())
        steps.clear()
    return b"".join(down), *seen, error


@pytest.mark.parametrize("suites", [(0x01,), (0x13, 0x02)])
def test_1000_known_and_1000_unknown_serials_look_alike(suites):
    """Equal in length, in every byte that is not random, and in every step that makes them."""
    bed = Bed(suites=suites)
    serials = [f"1230{number:010d}" for number in range(2000)]
    for serial in serials[:1000]:
        bed.ring.keys[serial, 7] = Key(LINK, serial, 7, KEY)
    bed.ring.keys["test", 0] = Key(LINK, "test", 0, KEY)
    bed.ring.keys["spent", 7] = Key(LINK, "spent", 7, KEY, boot_counter=1)
    kinds = [(serial, 7) for serial in serials] + [("test", 0), ("spent", 7), (serials[0], 8)]
    answers = []
    for serial, version in kinds:
        bed.store = MemoryStore(serial, Slot(version, KEY))
        hello = b"".join(Line(bed.server, bed.power_up()).up)
        answers.append(steps_of(bed.server, hello))
    lengths = {len(down) for down, *_ in answers}
    assert lengths == {106}
    versions = {version: i for i, (_, version) in reversed(list(enumerate(kinds)))}
    for (_, version), (down, *_) in zip(kinds, answers, strict=True):
        like = answers[versions[version]][0]
        # front, suite and key version, server time, end; and a share only where one was chosen
        assert down[:7] == like[:7] and down[11:22] == like[11:22] and down[-2:] == b"}}"
        assert (down[38:70] == wire.NO_SHARE) == (not SUITES[suites[0]].exchanges)
    for place in (1, 2, 3):
        first = answers[0][place]
        assert first
        assert all(answer[place] == first for answer in answers)
    randoms = [down[7:11] + down[22:38] + down[70:102] for down, *_ in answers]
    assert len(set(randoms)) == len(randoms)
    for known in (randoms[:1000], randoms[1000:2000]):
        for column in range(52):
            assert len({row[column] for row in known}) > 200  # of 256; 1,000 draws miss about 5
