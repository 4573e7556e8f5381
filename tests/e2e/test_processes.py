"""Processes that die and a database that restarts, in the middle of sessions."""

import pytest

from sessions import check_money, grows, look, wait_for
from waiting import eventually


@pytest.mark.parametrize(
    "words", [("acrel_link",), ("meter_link", "engine")], ids=["link", "engine"]
)
def test_killed_process_costs_no_energy_and_no_money(network, driver, words):
    session = driver.start("P004")
    begun = look(network, session).start_register
    grows(network, session)

    killed = network.kill(*words)
    assert eventually(lambda: network.process(words) != killed, "a new one is started")
    eventually(network.all_online, "all meters registered again", 60)

    grows(network, session)
    assert network.meter_state("P004")["contactor"]
    ended = driver.stop(session)
    assert ended.end_register == network.meter_state("P004")["register"]
    assert ended.start_register == begun
    assert check_money(network, session) > 0


def test_driver_stops_while_the_link_is_dead(network, driver):
    session = driver.start("P003")
    grows(network, session)
    network.kill("acrel_link")
    page = f"/my/charging/{session}"
    driver.client.submit(page, f"{page}/stop")

    ended = wait_for(network, session, "finished", seconds=60)

    assert not network.meter_state("P003")["contactor"]
    assert ended.end_register == network.meter_state("P003")["register"]
    check_money(network, session)


def test_postgresql_restarted_under_load_loses_and_doubles_nothing(network, driver, staff):
    """Uploads go on; every acknowledged one is stored once, and the session ends right."""
    session = driver.start("P004")
    grows(network, session)
    network.meter(do="fault", serial="*", name="duplicate", value=1)
    acknowledged_before = network.meter(do="totals")["uploads_acknowledged"]
    for _ in range(3):
        for _ in range(20):
            network.meter(do="upload", serial="*")
        with network.postgres_down():
            network.meter(do="upload", serial="*")
            assert network.meter_state("P004")["contactor"], "no software opens it for this"
        eventually(
            lambda: staff.search("acrel.station", [], limit=1), "Odoo has its database again", 60
        )
    goal = acknowledged_before + 30
    eventually(
        lambda: network.meter(do="totals")["uploads_acknowledged"] >= goal,
        "uploads are acknowledged again",
        60,
    )
    network.meter(do="pause", serial="*")

    def totals() -> tuple[int, int]:
        found = network.meter(do="totals")
        return found["uploads_sent"], found["uploads_acknowledged"]

    eventually(lambda: len(set(totals())) == 1, "every upload is acknowledged in the end", 60)
    network.meter(do="clear", serial="*")
    grows(network, session)

    ended = driver.stop(session)

    assert ended.end_register == network.meter_state("P004")["register"]
    assert check_money(network, session) > 0
    stored = network.value("SELECT count(*) FROM acrel_reading_raw WHERE source = 145")
    assert stored == totals()[0], "each upload is stored exactly once"
    network.meter(do="pause", serial="*", paused=False)


def test_one_database_serves_one_engine(network):
    """The advisory lock lets one engine lead, also after restarts."""
    locks = network.value(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database ="
        " (SELECT oid FROM pg_database WHERE datname = %s)",
        network.name,
    )
    assert locks == 1
