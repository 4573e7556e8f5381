"""The processes of one database: the Odoo server, the link with its engine, simulated meters."""

import contextlib
import socket
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from . import paths
from .children import Child
from .odoo_command import OdooCommand
from .settings import LOOPBACK, free_port

READY_SECONDS = 120


class Stack:
    """Starts the shipped commands on one database and stops them again.

    Each `start_…` returns when the process is ready; `stop` ends all of them. A process can be
    started, stopped or killed alone, as the faults of the tests need it. Meters connect by the
    channel sealed where a root key is named, else by plain.
    """

    def __init__(
        self,
        odoo: OdooCommand,
        database: str,
        *,
        http_port: int | None = None,
        link_port: int | None = None,
        root_key: Path | None = None,
        logs: Path | None = None,
    ):
        self.odoo = odoo
        self.database = database
        self.http_port = http_port or free_port()
        self.link_port = link_port or free_port()
        self.root_key = root_key
        self.logs = paths.make(logs or paths.LOGS)
        self.children: list[Child] = []

    @property
    def url(self) -> str:
        """The one address of the pages."""
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def link_address(self) -> str:
        """What meters connect to."""
        return f"{LOOPBACK}:{self.link_port}"

    def env(self) -> dict[str, str]:
        """Give the environment of this database's processes."""
        listen = {"ACREL_LINK_LISTEN": self.link_address}
        if self.root_key is not None:
            listen = {
                "ACREL_LINK_LISTEN_SEALED": self.link_address,
                "ACREL_LINK_ROOT_KEY_FILE": str(self.root_key),
            }
        return {
            **self.odoo.env(),
            "ACREL_LINK_DSN": self.odoo.server.link_dsn(self.database),
            **listen,
        }

    def start_odoo(self, *words: str, wait: bool = True) -> Child:
        """Start the Odoo server; unless told not to wait, it answers when this returns."""
        # Links and the piles' QR codes carry this address.
        self.odoo.server.set_parameter(self.database, "web.base.url", self.url)
        child = self._start(
            "Odoo",
            "server",
            "-d",
            self.database,
            f"--db-filter=^{self.database}$",
            f"--http-port={self.http_port}",
            *words,
        )
        if wait:
            self.wait_for_odoo(child)
        return child

    def wait_for_odoo(self, child: Child) -> None:
        """Wait until pages and websockets answer."""
        child.wait_until(self.odoo_answers, READY_SECONDS, f"answering on {self.url}")

    def start_link(self, *words: str, env: Mapping[str, str] | None = None) -> Child:
        """Start `odoo meter_link`; meters can connect when this returns."""
        child = self._start("meter_link", "meter_link", "-d", self.database, *words, env=env)
        child.wait_until(self.link_answers, READY_SECONDS, f"listening on {self.link_address}")
        return child

    def start_simulator(self, *words: str) -> Child:
        """Start `odoo meter_simulator` against the link; its own --help says what it takes."""
        return self._start("meter_simulator", "meter_simulator", *words)

    def start_modbus_meters(self, port: int, *words: str) -> Child:
        """Start simulated meters on one Modbus bus; they can be asked when this returns."""
        where = f"--modbus={LOOPBACK}:{port}"
        child = self._start("modbus_meters", "meter_simulator", where, *words)
        child.wait_until(lambda: _answers(port), READY_SECONDS, f"listening on port {port}")
        return child

    def start_agent(self, config: Path) -> Child:
        """Start a meter agent, which keeps what it knows in the folder that its file names."""
        return self.run("meter_agent", self.agent_line(config, "run"), self.agent_env())

    def agent_line(self, config: Path, *words: str | Path) -> list[str]:
        """Give the command line `meter-agent words…`."""
        return [str(paths.PYTHON), "-m", "meter_agent", "--config", str(config), *map(str, words)]

    def agent_env(self) -> dict[str, str]:
        """Give the agent's environment: its package and the code that it shares with the link."""
        folders = paths.ROOT / "tools" / "meter_agent", paths.ADDONS / "acrel_meter_link"
        return {**self.odoo.env(), "PYTHONPATH": ":".join(map(str, folders))}

    def _start(self, name: str, *words: str, env: Mapping[str, str] | None = None) -> Child:
        return self.run(name, self.odoo.line(*words), {**self.env(), **(env or {})})

    def run(self, name: str, line: list[str], env: Mapping[str, str]) -> Child:
        """Start any program as one of this database's processes, with a log of its own."""
        child = Child(
            name,
            line,
            log=self.logs / f"{name.lower()}-{self.database}.log",
            env=env,
            cwd=self.odoo.folder,
        )
        self.children.append(child)
        return child

    def odoo_answers(self) -> bool:
        """Say whether the server serves pages."""
        try:
            answer = urllib.request.urlopen(f"{self.url}/web/health", timeout=10)
        except OSError:
            return False
        with answer:
            return answer.status == 200

    def link_answers(self) -> bool:
        """Say whether the link accepts connections."""
        return _answers(self.link_port)

    def stop(self) -> None:
        """Stop every process that still runs."""
        for child in reversed(self.children):
            child.ask_to_stop()
        while self.children:
            self.children.pop().stop()

    def __enter__(self) -> "Stack":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 2):
        return True
    return False
