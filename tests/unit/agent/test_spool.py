"""What waits for the server: in order, on the disk, bounded."""

import os
import signal
import stat
import subprocess
import sys
from itertools import pairwise

from acrel_link.commands import ALARM, UPLOAD
from meter_agent.spool import Spool

PLENTY = 2**20

WRITER = """
import sys
from pathlib import Path
from meter_agent.spool import Spool
spool = Spool(Path(sys.argv[1]), 2**20, 0x91)
number = 0
while True:
    number += 1
    spool.add(1, 0x91, number.to_bytes(4, "big"))
    print(number, flush=True)
"""


def bodies(spool: Spool) -> list[bytes]:
    """Take everything off, as acknowledgements do."""
    found = []
    while frame := spool.first():
        found.append(frame.body)
        spool.acknowledged(frame.id)
    return found


def test_gives_frames_in_order_and_keeps_what_was_not_acknowledged(tmp_path):
    file = tmp_path / "spool"
    spool = Spool(file, PLENTY, UPLOAD)
    for number in range(5):
        spool.add(1, UPLOAD, b"%d" % number)
    spool.acknowledged(spool.first().id)
    spool.acknowledged(10_000)  # none of its own
    spool.close()

    spool = Spool(file, PLENTY, UPLOAD)
    assert spool.frames == 4
    assert bodies(spool) == [b"1", b"2", b"3", b"4"]
    assert spool.frames == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_frames_of_a_meter_that_the_server_refuses_let_the_others_pass(tmp_path):
    spool = Spool(tmp_path / "spool", PLENTY, UPLOAD)
    spool.add(7, UPLOAD, b"refused")
    spool.add(1, UPLOAD, b"good")

    assert spool.first({7}).body == b"good"
    assert spool.first({1, 7}) is None
    assert spool.first().body == b"refused"


def test_full_spool_keeps_the_newest_the_oldest_and_every_alarm(tmp_path):
    spool = Spool(tmp_path / "spool", 20_000, UPLOAD)
    spool.add(1, ALARM, b"alarm")
    for number in range(1000):
        spool.add(1 + number % 2, UPLOAD, number.to_bytes(4, "big") + bytes(96))

    assert spool.frames * 100 < 20_000
    found = bodies(spool)
    assert found[0] == b"alarm"
    numbers = [int.from_bytes(body[:4], "big") for body in found[1:]]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 999
    assert {number % 2 for number in numbers} == {0, 1}  # of both meters
    assert numbers[0] < 2
    gaps = [after - before for before, after in pairwise(numbers)]
    assert max(gaps[-10:]) == 1  # what is new stays whole


def test_kill_at_any_instant_loses_nothing_that_was_added(tmp_path):
    file = tmp_path / "spool"
    for told in (3, 41, 200):
        file.unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as writer:
            for line in writer.stdout:
                added = int(line)
                if added >= told:
                    break
            writer.send_signal(signal.SIGKILL)
            added = max([added, *map(int, writer.stdout.read().split())])
        spool = Spool(file, PLENTY, UPLOAD)
        found = [int.from_bytes(body, "big") for body in bodies(spool)]
        spool.close()
        assert found[:added] == list(range(1, added + 1))
        assert len(found) - added <= 1  # one may be stored and not told


def test_damaged_file_is_put_aside_and_a_new_one_begins(tmp_path, caplog):
    file = tmp_path / "spool.sqlite3"
    file.write_bytes(b"no database, and longer than a header of one is" * 100)

    spool = Spool(file, PLENTY, UPLOAD)
    spool.add(1, UPLOAD, b"new")

    assert "damaged" in caplog.text
    assert bodies(spool) == [b"new"]
    assert (tmp_path / "spool.damaged").read_bytes().startswith(b"no database")
