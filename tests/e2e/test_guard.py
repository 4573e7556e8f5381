"""A driver's limit holds at the meter: with everything up, and with Odoo and PostgreSQL away."""

from people import driver_with
from sessions import check_money, look, wait_for
from waiting import eventually


def wallet_fen(network, login: str) -> int:
    """Return the balance of a user's wallet."""
    return network.value(
        """SELECT w.balance_fen FROM acrel_wallet w JOIN res_users u ON u.partner_id = w.partner_id
           WHERE u.login = %s""",
        login,
    )


def test_session_stops_by_itself_before_the_hold_is_used_up(network):
    driver = driver_with(network, "poor1", 120)
    session = driver.start("P004")

    ended = wait_for(network, session, "finished", seconds=100)

    assert ended.end_reason in ("credit", "guard_energy")
    assert not network.meter_state("P004")["contactor"]
    gross = check_money(network, session)
    assert 0 < gross <= 120
    assert wallet_fen(network, "poor1") == 120 - gross


def test_link_opens_at_the_guard_while_odoo_and_postgresql_are_down(network):
    driver = driver_with(network, "poor2", 200)
    session = driver.start("P003")
    guard = eventually(
        lambda: network.value(
            """SELECT guard_register FROM acrel_output_live l JOIN acrel_session s
               ON s.output_id = l.output_id WHERE s.id = %s""",
            session,
        ),
        "the link enforces a guard",
    )
    network.odoo.stop()
    with network.postgres_down():
        eventually(
            lambda: not network.meter_state("P003")["contactor"],
            "the contactor is opened without Odoo and PostgreSQL",
            120,
        )
        stopped_at = network.meter_state("P003")["register"]
        assert stopped_at >= guard
    network.odoo = network.stack.start_odoo()

    ended = wait_for(network, session, "finished", seconds=60)

    assert ended.end_register <= ended.billed_register_limit
    assert ended.measured_register == stopped_at
    gross = check_money(network, session)
    assert 0 < gross <= 200
    assert wallet_fen(network, "poor2") == 200 - gross
    over = (ended.measured_register - ended.end_register) * ended.unit_wh
    outside = network.value(
        "SELECT COALESCE(sum(wh), 0) FROM acrel_energy_outside WHERE session_before_id = %s",
        session,
    )
    assert outside == over


def test_meter_that_returns_past_its_guard_bills_at_most_the_guard(network):
    driver = driver_with(network, "poor3", 200)
    session = driver.start("P002")
    serial = network.serial("P002")
    limit = eventually(
        lambda: look(network, session).billed_register_limit, "the session has a limit"
    )
    network.meter(do="fault", serial=serial, name="vanish", value=0)
    eventually(
        lambda: network.meter_state("P002")["register"] > limit + 10,
        "the car took more than is paid for",
        150,
    )
    network.meter(do="clear", serial=serial)

    ended = wait_for(network, session, "finished", seconds=60)

    assert ended.flag_capped
    assert not network.meter_state("P002")["contactor"]
    assert ended.end_register <= ended.billed_register_limit
    assert check_money(network, session) <= 200
    outside = network.value(
        "SELECT COALESCE(sum(wh), 0) FROM acrel_energy_outside WHERE session_before_id = %s",
        session,
    )
    assert outside == (ended.measured_register - ended.end_register) * ended.unit_wh > 0
