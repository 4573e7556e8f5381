"""The whole product on one database: its processes, its meters, and handles on them."""

import json
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from house import provisioning
from house.children import Child, descendants
from house.settings import LOOPBACK, free_port
from house.stage import Stage
from served import Served
from waiting import eventually

FIRST_SERIAL = 99_000_000_000_001
METERS = 6
#: What each car takes, and what each pile may give: strong, so that tests need not wait for energy.
LOAD_W = 200_000
RATED_W = 240_000

# The shipped intervals suit a mobile network; a test has less patience.
QUICK_LINK = {
    "ACREL_LINK_POLL_CLOSED": "0.5",
    "ACREL_LINK_POLL_IDLE": "5",
    "ACREL_LINK_SWEEP": "1",
    "ACREL_LINK_REGISTER_TIMEOUT": "2",
    "ACREL_LINK_FRAME_TIMEOUT": "2",
    "ACREL_LINK_REQUEST_TIMEOUT": "1",
    "ACREL_LINK_PROBE_TIMEOUT": "2",
    "ACREL_LINK_RETRY_FIRST": "0.2",
}


class Network(Served):
    """Processes on a clone of the demonstration's database; everything in it may be disturbed.

    Its meters speak on the channel sealed where a root key is named, else on plain.
    """

    #: How many links there shall be, once all meters are connected.
    links = METERS

    def __init__(self, stage: Stage, name: str, root_key: Path | None = None):
        super().__init__(stage, name)
        self.root_key = root_key
        self.control_port = free_port()

    def __enter__(self) -> "Network":
        self.stack = self.stage.stack(self.name)
        self.url = self.stack.url
        self.stack.root_key = self.root_key
        try:
            self.odoo = self.stack.start_odoo()
            self._make_piles_strong()
            self._serials = dict(
                self.rows(
                    """SELECT p.code, m.serial FROM acrel_pile p
                       JOIN acrel_installation i ON i.id = p.installation_id
                       JOIN acrel_meter m ON m.id = i.meter_id"""
                )
            )
            self.link = self.stack.start_link(env=QUICK_LINK)
            self.simulator = self.start_meters()
            eventually(self.all_online, "all simulated meters registered", 60)
        except BaseException:
            self.stack.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close_clients()
        self.stack.stop()
        self.stage.databases.drop(self.name)

    def start_meters(self) -> Child:
        """Start the simulated meters, with modules of their own that call the link."""
        serials = [str(FIRST_SERIAL + number) for number in range(METERS)]
        return self.stack.start_simulator(
            *(provisioning.provision(self.stack, serials) if self.root_key else ()),
            f"--connect={self.stack.link_address}",
            f"--count={METERS}",
            f"--serial-start={FIRST_SERIAL}",
            f"--load={LOAD_W}",
            "--interval=10",
            "--retry=1",
            f"--control={self.control_port}",
        )

    def _make_piles_strong(self) -> None:
        admin = self.client("admin")
        piles = admin.search("acrel.pile", [])
        admin.call("acrel.pile", "write", piles, {"rated_power_w": RATED_W})

    # === What the database says === #

    def database_answers(self) -> bool:
        """Tell whether PostgreSQL can be reached."""
        try:
            with psycopg.connect(self.stage.server.link_dsn(self.name), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def all_online(self) -> bool:
        """Tell whether every link that shall be there is connected."""
        return (
            self.value("SELECT count(*) FROM acrel_link_live WHERE online AND seen_at IS NOT NULL")
            == self.links
        )

    # === The meters === #

    def meter(self, **command):
        """Ask the simulator; see acrel_link/simulator/control.py."""
        with socket.create_connection((LOOPBACK, self.control_port), 10) as connection:
            connection.sendall(json.dumps(command).encode() + b"\n")
            with connection.makefile("rb") as answers:
                answer = json.loads(answers.readline())
        assert answer["ok"], answer
        return answer["result"]

    def meter_state(self, pile: str) -> dict:
        """Return what an observer beside the meter of a pile would see."""
        return self.meter(do="state", serial=self.serial(pile))

    def serial(self, pile: str) -> str:
        """Return the serial number of the meter behind a pile."""
        return self._serials[pile]

    # === The processes === #

    def process(self, words: Sequence[str]) -> int:
        """Return the pid of the process below `meter_link` whose command line has all words."""

        def find() -> int | None:
            for pid in descendants(self.link.pid):
                try:
                    line = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                except OSError:  # it ended meanwhile
                    continue
                if all(any(word in part for part in line) for word in words):
                    return pid
            return None

        return eventually(find, f"a process with {words} below meter_link")

    def kill(self, *words: str) -> int:
        """End one of the processes below `meter_link` as a fault would; return its pid."""
        pid = self.process(words)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{pid}").exists() or self._is_zombie(pid), f"{pid} gone")
        return pid

    @staticmethod
    def _is_zombie(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    @contextmanager
    def postgres_down(self):
        """Stop PostgreSQL for a while."""
        self.stage.cluster.stop()
        try:
            yield
        finally:
            self.stage.cluster.start()
            eventually(self.database_answers, "PostgreSQL answers again")
