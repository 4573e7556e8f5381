"""Processes: stopped in the end, seen when they die, and never left behind."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from house import children
from house.errors import Refused

TALKS_AND_STAYS = "import sys, time; print('ready', flush=True); time.sleep(600)"
IGNORES_TERM = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ready', flush=True); time.sleep(600)"
)
MOTHER = """
import sys, time
from pathlib import Path
from house.children import Child
line = [sys.executable, "-c", "import time; time.sleep(600)"]
child = Child("child", line, log=Path(sys.argv[1]))
print(child.pid, flush=True)
time.sleep(600)
"""


def start(tmp_path, code):
    child = children.Child("child", [sys.executable, "-c", code], log=tmp_path / "log")
    child.wait_until(lambda: "ready" in child.output(), 20, "saying ready")
    return child


def gone(pid):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not (Path(f"/proc/{pid}").exists() and not zombie(pid)):
            return True
        time.sleep(0.02)
    return False


def zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_stops_on_request(tmp_path):
    child = start(tmp_path, TALKS_AND_STAYS)
    child.stop()
    assert child.process.returncode == -15


def test_ends_one_that_does_not_listen(tmp_path):
    child = start(tmp_path, IGNORES_TERM)
    child.stop(seconds=0.2)
    assert child.process.returncode == -9


def test_says_the_last_words_of_one_that_dies(tmp_path):
    child = children.Child(
        "child", [sys.executable, "-c", "raise SystemExit('no licence')"], log=tmp_path / "log"
    )
    with pytest.raises(Refused, match="child ended while starting: no licence"):
        child.wait_until(lambda: False, 20, "nothing")


def test_says_what_did_not_happen_in_time(tmp_path):
    child = start(tmp_path, TALKS_AND_STAYS)
    try:
        with pytest.raises(Refused, match="flying did not happen"):
            child.wait_until(lambda: False, 0.1, "flying")
    finally:
        child.stop()


def test_dies_with_its_mother_even_when_she_is_killed(tmp_path):
    mother = subprocess.Popen(
        [sys.executable, "-c", MOTHER, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(children.paths.ROOT / "scripts")},
    )
    with mother:
        pid = int(mother.stdout.readline())
        mother.kill()
    assert gone(pid)
