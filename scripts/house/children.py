"""Processes that a command starts and must leave none of behind."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from . import paths
from .errors import Refused

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
STOP_SECONDS = 15

_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """One process with its log; it dies with us even when we are killed."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | os.PathLike],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ):
        self.name = name
        self.log = log
        self.stop_signal = stop_signal
        self.asked = False
        paths.make(log.parent)
        mother = os.getpid()

        def die_with_mother() -> None:
            _libc.prctl(PR_SET_PDEATHSIG, stop_signal)
            if os.getppid() != mother:
                os._exit(1)

        with open(log, "ab") as out:
            self.log_start = out.tell()
            self.process = subprocess.Popen(
                [os.fspath(word) for word in command],
                env=dict(env) if env is not None else None,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                # A Ctrl-C at the terminal reaches us alone; we stop the children in their order.
                start_new_session=True,
                preexec_fn=die_with_mother,
                **({"user": user, "group": _group_of(user), "extra_groups": []} if user else {}),
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def running(self) -> bool:
        """Say whether it still runs."""
        return self.process.poll() is None

    def output(self) -> str:
        """Give what it has logged since its start."""
        with open(self.log, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def last_words(self) -> str:
        """Give the end of its log, for the sentence about its death."""
        lines = [line for line in self.output().splitlines() if line.strip()]
        return " / ".join(lines[-3:])[-600:]

    def ask_to_stop(self) -> None:
        """Ask it to end, once: a second request would make Odoo drop what it is finishing."""
        if self.running() and not self.asked:
            self.asked = True
            self.process.send_signal(self.stop_signal)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask it to end; after the time given, end it and all it started."""
        self.ask_to_stop()
        if self.running():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def kill(self) -> None:
        """End it at once, as a fault would; what it started stays to be seen."""
        self.process.kill()
        self.process.wait()

    def wait_until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until something holds; refuse when the process dies or the time is over first."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running():
                raise Refused(f"{self.name} ended while starting: {self.last_words()}")
            if time.monotonic() > deadline:
                raise Refused(
                    f"{self.name}: {what} did not happen in {seconds:.0f} s; see {self.log}."
                )
            time.sleep(0.05)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, so that none gets lost."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)


def descendants(pid: int | None = None) -> list[int]:
    """List all processes below one (ourselves unless named), read from /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                stat = (entry / "stat").read_text()
                parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(
                    int(entry.name)
                )
    found, todo = [], [pid or os.getpid()]
    while todo:
        below = parents.get(todo.pop(), [])
        found += below
        todo += below
    return found


def end_orphans() -> list[str]:
    """Kill what is left below us and give its names; a clean stop leaves nothing to kill."""
    left = []
    for pid in descendants():
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
            os.kill(pid, signal.SIGKILL)
            if name:
                left.append(f"{pid} {name[:120]}")
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    return left


class Stop(BaseException):
    """Somebody asked the command to stop."""


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into `Stop`; later ones do not disturb the stop."""

    def stop(number: int, frame: object) -> None:
        for each in kinds:
            signal.signal(each, signal.SIG_IGN)
        raise Stop(signal.Signals(number).name)

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {kind: signal.signal(kind, stop) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid
