"""The spool: nothing that was appended is lost, whatever happens to its last bytes or its disk."""

import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrel_link import spool as spool_module
from acrel_link.spool import Spool, SpoolFullError, SpoolTakenError, frame, split

LIMIT = 64 << 20
MARK = frame(b"")[:4]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def opened(folder):
    made = []

    def make(limit=LIMIT) -> Spool:
        made.append(Spool(folder, limit, b"head"))
        made[-1].open()
        return made[-1]

    yield make
    for each in made:
        each.close()


def drained(spool: Spool) -> list[bytes]:
    """Take everything out, as the link does."""
    found = []
    while (segment := spool.oldest()) is not None:
        assert segment.head == b"head"
        found += segment.records
        spool.drop(segment)
    return found


def test_records_come_out_in_order(opened, monkeypatch):
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 1000)
    spool = opened()
    records = [b"%d" % number * 50 for number in range(100)]
    for at in range(0, 100, 7):
        spool.append(records[at : at + 7])
    assert spool.records == 100
    assert drained(spool) == records
    assert (spool.records, spool.bytes, bool(spool)) == (0, 0, False)


def test_what_comes_while_the_oldest_is_read_comes_after_it(opened):
    spool = opened()
    spool.append([b"1", b"2"])
    segment = spool.oldest()
    spool.append([b"3"])
    assert segment.records == [b"1", b"2"]
    spool.drop(segment)
    assert drained(spool) == [b"3"]


def test_the_next_process_finds_what_was_left(opened):
    spool = opened()
    spool.append([b"1"])
    spool.append([b"2", b"3"])
    size = spool.bytes
    spool.close()
    later = opened()
    assert (later.records, later.bytes) == (3, size)
    later.append([b"4"])
    assert drained(later) == [b"1", b"2", b"3", b"4"]


def test_a_segment_that_was_not_dropped_is_read_again(opened):
    spool = opened()
    spool.append([b"1"])
    spool.oldest()
    spool.close()
    assert drained(opened()) == [b"1"]


def test_two_processes_cannot_have_one_folder(opened, folder):
    opened()
    other = Spool(folder, LIMIT, b"head")
    with pytest.raises(SpoolTakenError):
        other.open()


def test_it_takes_no_more_than_it_may(opened):
    spool = opened(limit=2000)
    spool.append([b"x" * 900])
    with pytest.raises(SpoolFullError):
        spool.append([b"y" * 1200])
    spool.append([b"z" * 900])
    assert drained(spool) == [b"x" * 900, b"z" * 900]
    spool.append([b"y" * 1200])


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8), st.data())
def test_a_file_cut_at_any_byte_gives_the_records_before_it(payloads, data):
    frames = [frame(payload) for payload in payloads]
    whole = b"".join(frames)
    cut = data.draw(st.integers(0, len(whole)))
    complete, end = 0, 0
    while complete < len(frames) and end + len(frames[complete]) <= cut:
        end += len(frames[complete])
        complete += 1
    assert split(whole[:cut]) == (payloads[:complete], 0)
    # blocks that the disk never wrote read as zeros
    assert split(whole[:cut] + bytes(30)) == (payloads[:complete], 0)


@given(st.lists(st.binary(max_size=40) | st.just(MARK * 3), min_size=3, max_size=8), st.data())
def test_a_damaged_byte_costs_its_record_only(payloads, data):
    hit = data.draw(st.integers(0, len(payloads) - 2))
    frames = [bytearray(frame(payload)) for payload in payloads]
    frames[hit][data.draw(st.integers(0, len(frames[hit]) - 1))] ^= data.draw(st.integers(1, 255))
    found, damaged = split(b"".join(frames))
    assert found == payloads[:hit] + payloads[hit + 1 :]
    assert damaged == len(frames[hit])


def test_a_damaged_segment_is_kept_for_a_person(opened, folder):
    spool = opened()
    spool.append([b"1" * 100, b"2" * 100, b"3" * 100])
    spool.close()
    [path] = folder.glob("*.spool")
    content = bytearray(path.read_bytes())
    content[content.index(b"2" * 100)] ^= 1
    path.write_bytes(content)
    later = opened()
    segment = later.oldest()
    assert segment.records == [b"1" * 100, b"3" * 100]
    assert segment.damaged > 100
    later.drop(segment)
    assert not later
    assert [each.suffix for each in folder.iterdir() if each.name != "lock"] == [".damaged"]


APPENDER = """
import sys
from pathlib import Path
from acrel_link.spool import Spool
spool = Spool(Path(sys.argv[1]), 1 << 30, b"head")
spool.open()
number = 0
while True:
    spool.append([b"%012d" % (number + at) * 20 for at in range(5)])
    number += 5
    print(number, flush=True)
"""


def test_killed_at_any_moment_it_keeps_what_append_returned_for(opened, folder):
    """SIGKILL at a random place of a process that appends; what it printed was appended."""
    chance = random.Random(4711)
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", APPENDER, folder],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as process:
            for _ in range(chance.randrange(1, 60)):
                process.stdout.readline()
            process.kill()
            printed = process.stdout.read().split()
            assert process.wait() < 0
        spool = opened()
        found = drained(spool)
        spool.close()
        assert [int(each[:12]) for each in found] == list(range(len(found)))
        if printed:
            assert len(found) >= int(printed[-1])


WRITER_AT_A_LIMIT = """
import resource, sys
from pathlib import Path
from acrel_link.spool import Spool
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
spool = Spool(Path(sys.argv[1]), 1 << 30, b"head")
spool.open()
spool.append([b"a" * 1000])
try:
    spool.append([b"b" * 1000, b"c" * 5000])
except OSError as error:
    print(type(error).__name__, error.errno)
spool.append([b"d" * 1000])
spool.append([b"e" * 1000])
"""


def test_a_file_that_cannot_grow_keeps_what_it_has(opened, folder):
    """The system refuses to write on, as a full disk does, in the middle of a record."""
    done = subprocess.run(
        [sys.executable, "-c", WRITER_AT_A_LIMIT, folder],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[0] == "OSError"
    spool = opened()
    assert drained(spool) == [b"a" * 1000, b"d" * 1000, b"e" * 1000]
