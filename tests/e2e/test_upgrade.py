"""Add-ons are upgraded while meters upload and a car charges."""

import subprocess

import pytest

from sessions import check_money, grows, look
from waiting import eventually

ENGINE = ("meter_link", "engine")


def upgrade(network, addon: str) -> subprocess.Popen:
    """Start `odoo -u` beside the running server, as an administrator does."""
    odoo = network.stage.odoo
    words = (
        "server",
        "-d",
        network.name,
        "-u",
        addon,
        "--no-http",
        "--max-cron-threads=0",
        "--stop-after-init",
    )
    with open(network.stage.logs / "upgrade.log", "w") as log:
        return subprocess.Popen(
            odoo.line(*words), env=odoo.env(), cwd=odoo.folder, stdout=log, stderr=log
        )


def acknowledged(network) -> int:
    return network.meter(do="totals")["uploads_acknowledged"]


@pytest.mark.parametrize("addon", ["acrel_meter_link", "acrel_shore_power"])
def test_the_link_acknowledges_and_the_engine_resumes(network, driver, addon):
    session = driver.start("P002")
    grows(network, session)
    link, engine = network.process(["acrel_link"]), network.process(ENGINE)
    rounds = 0
    with upgrade(network, addon) as running:
        while running.poll() is None:
            before = acknowledged(network)
            network.meter(do="upload", serial="*")
            # The link's own time limit of a lock is 10 s: no upgrade holds up a meter for longer.
            eventually(lambda before=before: acknowledged(network) > before, "it acknowledges", 20)
            rounds += 1
    assert running.returncode == 0
    assert rounds > 5, "uploads were acknowledged all along"
    assert network.process(["acrel_link"]) == link, "the link was not touched"
    eventually(lambda: network.process(ENGINE) != engine, "an engine with the new code", 60)

    grows(network, session)
    assert network.meter_state("P002")["contactor"]
    ended = driver.stop(session)
    assert ended.end_register == network.meter_state("P002")["register"]
    assert look(network, session).flag_silent is not True
    assert check_money(network, session) > 0
