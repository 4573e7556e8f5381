"""The demonstration's site behind a meter agent: plain Modbus meters, and the agent before them."""

import shutil
import subprocess
from pathlib import Path

from . import paths, provisioning
from .children import Child
from .errors import Refused
from .settings import LOOPBACK, free_port
from .stack import Stack

SERIAL = "99000001000001"
METERS = """
SELECT count(*) FROM acrel_meter m JOIN acrel_link l ON l.id = m.link_id
 WHERE l.serial = %s AND m.active
"""
ONLINE = """
SELECT coalesce(bool_or(v.online), false) FROM acrel_link_live v
  JOIN acrel_link l ON l.id = v.link_id WHERE l.serial = %s
"""
READY_SECONDS = 60


def start(
    processes: Stack, *words: str, address: str | None = None, poll_closed: float = 10
) -> Child | None:
    """Start the site's meters and its agent, where the database has such a site.

    :param words: what the meters' simulator is told besides
    :param address: where the agent calls, where that is not the link itself
    :param poll_closed: seconds between the agent's readings of a meter whose output is closed
    :return: the meters
    """
    meters = _ask(processes, METERS)
    if not meters:
        return None
    bus = free_port()
    config = config_file(processes)
    folder = paths.make(config.parent)
    simulator = processes.start_modbus_meters(
        bus,
        f"--count={meters}",
        f"--serial-start={SERIAL}",
        f"--state={folder / 'meters.json'}",
        *words,
    )
    told = f"poll_closed = {poll_closed:g}\n"
    parts = [
        f'[server]\naddress = "{address or processes.link_address}"\nchannel = "sealed"\n',
        f'[site]\nserial = "{SERIAL}"\nstate = "{folder / "state"}"\n',
        f'[[bus]]\nname = "courtyard"\nhost = "{LOOPBACK}"\ntcp_port = {bus}\n',
        *(f"[[bus.meter]]\nslave = {slave}\n{told}" for slave in range(1, meters + 1)),
    ]
    config.write_text("\n".join(parts))
    _hand_over(processes, folder, config)
    agent = processes.start_agent(config)
    agent.wait_until(lambda: _ask(processes, ONLINE), READY_SECONDS, "registering with the link")
    return simulator


def config_file(processes: Stack) -> Path:
    """Give the file in the site's folder that configures its agent."""
    return processes.odoo.folder / f"site-{processes.database}" / "meter-agent.toml"


def _ask(processes: Stack, query: str) -> int | bool:
    with processes.odoo.server.connect(processes.database) as connection:
        return connection.execute(query, (SERIAL,)).fetchone()[0]


def _hand_over(processes: Stack, folder: Path, config: Path) -> None:
    """Issue the link's key where it has none, and import it as an installer does."""
    provisioning.provision(processes, [SERIAL], "site")
    package, passphrase = provisioning.files(processes, "site")
    state = folder / "state"
    imported = state / "keys.json"
    if imported.exists() and imported.stat().st_mtime >= package.stat().st_mtime:
        return
    # what an agent of an earlier database knew is of no use to this one
    shutil.rmtree(state, ignore_errors=True)
    line = processes.agent_line(config, "import", package, "--passphrase-file", passphrase)
    env = processes.agent_env()
    done = subprocess.run(line, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"The meter agent's key cannot be imported: {done.stderr.strip()}")
