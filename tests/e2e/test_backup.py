"""A backup taken while everything runs becomes a copy that meters find and bills replay in."""

import os
import subprocess

import pytest

from house import paths
from network import METERS, QUICK_LINK
from people import driver_with
from sessions import check_money, grows, look
from waiting import eventually

SEALED = True  # a restored root key must open the meters' keys
COPY = "e2e_backup_copy"
PASSPHRASE = "four words of a rhyme"


def script(network, tmp_path, name, *words, refuses=False):
    """Run scripts/backup or scripts/restore on the test's server; return what it said."""
    server = network.stage.server
    said = tmp_path / "passphrase"
    said.write_text(f"{PASSPHRASE}\n")
    done = subprocess.run(
        [
            paths.ROOT / "scripts" / name,
            *words,
            f"--data-dir={network.stage.odoo.data_dir}",
            f"--root-key-file={network.root_key}",
            f"--passphrase-file={said}",
        ],
        env={**os.environ, **server.env()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (2 if refuses else 0), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def copy(network):
    """The name of the copy, dropped in the end."""
    original = network.name
    network.stage.databases.drop(COPY)
    yield COPY
    if network.name == COPY:
        network.stack.stop()
        network.name = original
    network.stage.databases.drop(COPY)


def test_what_is_changed_or_there_already_is_refused(network, copy, tmp_path):
    folder = tmp_path / "backup"
    script(network, tmp_path, "backup", folder, f"--database={network.name}")
    words = (folder, f"--database={copy}")

    assert "exists already" in script(
        network, tmp_path, "restore", folder, f"--database={network.name}", refuses=True
    )
    assert "cannot be made" in script(
        network, tmp_path, "backup", folder, f"--database={network.name}", refuses=True
    )
    dump = folder / "database.dump"
    content = dump.read_bytes()
    dump.write_bytes(content[:-1] + bytes((content[-1] ^ 1,)))
    assert "database.dump" in script(network, tmp_path, "restore", *words, refuses=True)
    (folder / "manifest.json").unlink()
    assert "no finished backup" in script(network, tmp_path, "restore", *words, refuses=True)
    assert not network.stage.server.exists(copy)


def test_a_restored_copy_meters_and_replays_its_bills(network, copy, tmp_path):
    driver = driver_with(network, "keeper", 50_000)
    ended = driver.start("P001")
    grows(network, ended)
    driver.stop(ended)
    gross = check_money(network, ended)
    running = driver.start("P002")
    grows(network, running)
    root_key, kept = network.root_key, network.root_key.read_bytes()

    script(network, tmp_path, "backup", tmp_path / "backup", f"--database={network.name}")
    registered = network.meter_state("P002")["register"]
    root_key.unlink()
    script(network, tmp_path, "restore", tmp_path / "backup", f"--database={copy}")

    assert root_key.read_bytes() == kept
    assert root_key.stat().st_mode & 0o777 == 0o600
    assert kept not in (tmp_path / "backup" / "root.key.json").read_bytes()
    # The original goes, as after a fire; its meters dial the same address and find the copy there.
    network.link.stop()
    network.odoo.stop()
    network.name = network.stack.database = copy
    network.odoo = network.stack.start_odoo()
    network.link = network.stack.start_link(env=QUICK_LINK)
    eventually(network.all_online, f"all {METERS} meters found the copy and proved their keys", 60)
    query = "SELECT DISTINCT channel, proven_by FROM acrel_link_live WHERE online"
    assert network.rows(query) == [("sealed", "key")]
    staff = network.client("admin")
    bill = network.value("SELECT bill_id FROM acrel_bill_line WHERE session_id = %s LIMIT 1", ended)
    assert staff.call("acrel.bill", "action_replay", [bill])["params"]["type"] == "success"
    assert check_money(network, ended) == gross
    driver.client = network.client("keeper")
    last = driver.stop(running)
    assert last.end_register >= registered
    assert last.start_register == look(network, running).start_register
    assert check_money(network, running) > 0
