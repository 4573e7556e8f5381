"""The demonstration's site without wireless modules: plain Modbus meters behind the meter agent."""

import subprocess
from pathlib import Path

from house import site
from house.children import Child
from house.settings import LOOPBACK
from house.stage import Stage
from network import LOAD_W, Network
from relay import Relay

PILE = "Y001"


class Courtyard(Network):
    """Its processes, and the line between agent and link, which can be cut."""

    links = 1

    def __init__(self, stage: Stage, name: str, root_key: Path, line: Relay):
        super().__init__(stage, name, root_key)
        self.line = line

    def start_meters(self) -> Child:
        """Start the meters, and the agent before them."""
        self.line.targets.append((LOOPBACK, self.stack.link_port))
        host, port = self.line.server_address
        return site.start(
            self.stack,
            f"--load={LOAD_W}",
            f"--control={self.control_port}",
            address=f"{host}:{port}",
            poll_closed=0.5,
        )

    def restart_agent(self, package: Path, passphrase: Path, iccid: str) -> None:
        """Put another SIM card into the agent's box, and import a package, as an installer does."""
        (agent,) = (child for child in self.stack.children if child.name == "meter_agent")
        agent.stop()
        self.stack.children.remove(agent)
        config = site.config_file(self.stack)
        config.write_text(config.read_text().replace("[site]\n", f'[site]\niccid = "{iccid}"\n'))
        subprocess.run(
            self.stack.agent_line(config, "import", package, "--passphrase-file", passphrase),
            env=self.stack.agent_env(),
            check=True,
            capture_output=True,
        )
        self.stack.start_agent(config)

    def serial(self, pile: str) -> str:
        """Return what the simulator calls the pile's meter: its first slave has the first name."""
        assert pile == PILE
        return site.SERIAL
