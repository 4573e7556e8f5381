"""Every NOTIFY is lost: sweeps bring each effect about all the same, within ten seconds."""

from network import QUICK_LINK
from pg_proxy import deaf_server
from sessions import check_money, wait_for
from waiting import eventually

SECONDS = 10


def test_all_effects_come_within_ten_seconds(network, driver):
    server = network.stage.server
    with deaf_server(server.host, server.port) as (host, proxy):
        dsn = server.link_dsn(network.name).replace(server.host, host)
        network.link.stop()
        shipped = {name: value for name, value in QUICK_LINK.items() if "SWEEP" not in name}
        network.link = network.stack.start_link(
            f"--db_host={host}", env={**shipped, "ACREL_LINK_DSN": dsn}
        )
        eventually(network.all_online, "all simulated meters registered", 60)

        session = driver.press_start("P001")
        eventually(
            lambda: network.meter_state("P001")["contactor"], "the contactor closes", SECONDS
        )
        wait_for(network, session, "charging", seconds=SECONDS)
        page = f"/my/charging/{session}"
        driver.client.submit(page, f"{page}/stop")
        eventually(
            lambda: not network.meter_state("P001")["contactor"], "the contactor opens", SECONDS
        )
        wait_for(network, session, "finished", seconds=SECONDS)
        assert check_money(network, session) >= 0
        assert proxy.dropped > 0, "there was something to lose"
        network.link.stop()
