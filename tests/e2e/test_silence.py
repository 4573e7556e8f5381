"""A meter that vanishes in a session, for good or for a while; readings that lie."""

import pytest

from sessions import check_money, grows, look, wait_for
from waiting import eventually

OPEN_SECONDS = 5


@pytest.fixture
def one_minute(network, staff):
    """Let a pile wait one minute for its meter instead of thirty."""
    (pile,) = staff.search("acrel.pile", [("code", "=", "P001")])
    before = staff.read("acrel.pile", [pile], "silence_minutes")[0]["silence_minutes"]
    staff.call("acrel.pile", "write", [pile], {"silence_minutes": 1})
    yield
    staff.call("acrel.pile", "write", [pile], {"silence_minutes": before})


def outside_wh(network, session: int) -> int:
    """Return the energy recorded as outside sessions after a session, in Wh."""
    return int(
        network.value(
            "SELECT COALESCE(sum(wh), 0) FROM acrel_energy_outside WHERE session_before_id = %s",
            session,
        )
    )


def opened_after_registration(network, pile: str) -> float:
    """Wait until a returned meter's contactor is open; return the seconds since its registration.

    The first is seen at the meter, the other is in the link's record of the connection.
    """
    eventually(lambda: not network.meter_state(pile)["contactor"], f"{pile}'s contactor open", 30)
    opened_at_ns, closed = network.meter_state(pile)["relay_writes"][-1]
    assert not closed
    registered_at = network.value(
        """SELECT extract(epoch FROM l.connected_at AT TIME ZONE 'UTC') FROM acrel_link_live l
           JOIN acrel_link k ON k.id = l.link_id WHERE k.serial = %s""",
        network.serial(pile),
    )
    return opened_at_ns / 1e9 - float(registered_at)


def test_silent_meter_ends_the_session_on_the_last_measured_register(network, driver, one_minute):
    session = driver.start("P001")
    grows(network, session)
    serial = network.serial("P001")
    network.meter(do="fault", serial=serial, name="vanish", value=0)

    ended = wait_for(network, session, "finished", seconds=110)

    assert ended.flag_silent
    assert ended.end_reason == "silence"
    last_heard = network.value(
        """SELECT e_forward FROM acrel_meter_live l JOIN acrel_meter m ON m.id = l.meter_id
           WHERE m.serial = %s""",
        serial,
    )
    assert ended.end_register == last_heard
    assert check_money(network, session) > 0
    assert network.meter_state("P001")["contactor"], "nobody could open it yet"

    network.meter(do="clear", serial=serial)

    assert opened_after_registration(network, "P001") < OPEN_SECONDS
    # what the car took after the last reading is no driver's: the next start accounts for it
    following = driver.start("P001")
    driver.stop(following)
    between = look(network, following).start_register - ended.measured_register
    assert between > 0
    assert outside_wh(network, session) == between * ended.unit_wh


def test_stop_while_the_meter_is_away_ends_on_the_returned_register(network, driver):
    session = driver.start("P002")
    grows(network, session)
    serial = network.serial("P002")
    network.meter(do="fault", serial=serial, name="vanish", value=0)
    eventually(lambda: not network.meter_state("P002")["connected"], "the meter gone")
    page = f"/my/charging/{session}"
    driver.client.submit(page, f"{page}/stop")
    assert look(network, session).state == "stopping"

    network.meter(do="clear", serial=serial)
    ended = wait_for(network, session, "finished")

    assert opened_after_registration(network, "P002") < OPEN_SECONDS
    assert ended.end_register == network.meter_state("P002")["register"]
    assert not ended.flag_silent
    check_money(network, session)


@pytest.mark.parametrize("fault", ["zero_register", "no_reply"])
def test_a_zero_or_missing_start_reading_never_becomes_the_lifetime_register(
    network, driver, fault
):
    """Whatever the meter answers at the start, a session's energy is what flowed in it."""
    serial = network.serial("P003")
    lifetime = network.meter_state("P003")["register"]
    driver.wait_until_free("P003")
    times = 2 if fault == "zero_register" else 0
    network.meter(do="fault", serial=serial, name=fault, value=times)
    session = driver.press_start("P003")
    first = wait_for(network, session, "charging", "cancelled", "faulted", seconds=60)
    network.meter(do="clear", serial=serial)
    if first.state == "charging":
        driver.stop(session)
        ended = look(network, session)
        assert ended.start_register >= lifetime
        flowed = network.meter_state("P003")["register"] - lifetime
        assert ended.energy_wh <= flowed * ended.unit_wh
    else:
        ended = look(network, session)
        assert ended.energy_wh in (0, None)
        assert ended.end_message
        assert not network.rows("SELECT 1 FROM acrel_bill_line WHERE session_id = %s", session)
        eventually(lambda: not network.meter_state("P003")["contactor"], "the contactor is open")

    second = driver.start("P003")
    grows(network, second)
    assert driver.stop(second).energy_wh < 5_000
