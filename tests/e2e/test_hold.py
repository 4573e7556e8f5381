"""A ship on shore power: no software opens its outlet, whatever fails; a person does."""

from typing import NamedTuple

import pytest

from sessions import grows, look, wait_for
from waiting import eventually

OUTLET = "S001"


class Ship(NamedTuple):
    """A ship that is energised: its connection, its session, and the person who is asked."""

    connection: int
    session: int
    responsible: int


@pytest.fixture(scope="module")
def ship(network, staff):
    """Energise the demonstration's ship, as the port's operator does."""
    (outlet,) = staff.search("acrel.shore.outlet", [("pile_id.code", "=", OUTLET)])
    (call,) = staff.search("acrel.berth.call", [("state", "=", "alongside")])
    (pile,) = staff.search("acrel.pile", [("code", "=", OUTLET)])
    staff.call("acrel.pile", "write", [pile], {"silence_minutes": 1})
    connection = staff.call(
        "acrel.shore.connection",
        "create",
        {
            "call_id": call,
            "outlet_id": outlet,
            "parameters_shore": True,
            "parameters_ship": True,
            "cable_connected": True,
            "interlock_ok": True,
            "shore_responsible_id": staff.uid,
            "ship_responsible": "Chief engineer",
        },
    )
    staff.call("acrel.shore.connection", "action_confirm", [connection])
    staff.call("acrel.shore.connection", "action_energise", [connection])
    (session,) = staff.search("acrel.session", [("shore_connection_id", "=", connection)])
    wait_for(network, session, "charging")
    grows(network, session)
    return Ship(connection, session, staff.uid)


def is_supplied(network) -> bool:
    """Tell whether the ship has power, seen beside the meter: never opened since it was closed."""
    state = network.meter_state(OUTLET)
    (_, closed), *later = state["relay_writes"]
    return bool(closed) and not later and state["contactor"] and state["power"] > 0


def asked_people(network, ship) -> list[int]:
    """Return who has been asked to decide about the session."""
    rows = network.rows(
        """SELECT user_id FROM mail_activity
           WHERE res_model = 'acrel.session' AND res_id = %s AND active""",
        ship.session,
    )
    return [user for (user,) in rows]


def alarm(network, ship) -> str | None:
    """Return why a person was called for."""
    return network.value("SELECT alarm_reason FROM acrel_session WHERE id = %s", ship.session)


def test_silence_calls_a_person(network, ship):
    serial = network.serial(OUTLET)
    network.meter(do="fault", serial=serial, name="vanish", value=0)
    eventually(lambda: alarm(network, ship) == "silence", "the alarm of silence", 110)
    assert ship.responsible in asked_people(network, ship)
    assert look(network, ship.session).state == "charging"
    network.meter(do="clear", serial=serial)
    grows(network, ship.session)
    assert is_supplied(network)


@pytest.mark.parametrize(
    "words", [("acrel_link",), ("meter_link", "engine")], ids=["link", "engine"]
)
def test_killed_process(network, ship, words):
    killed = network.kill(*words)
    eventually(lambda: network.process(words) != killed, "a new one is started")
    eventually(network.all_online, "all meters registered again", 60)
    grows(network, ship.session)
    assert is_supplied(network)


def test_guard_past_with_odoo_and_postgresql_down(network, ship):
    network.execute(
        """UPDATE acrel_output_wanted SET guard_energy = 1, change = nextval('acrel_change_seq')
           WHERE output_id = (SELECT output_id FROM acrel_session WHERE id = %s)""",
        ship.session,
    )
    held = "SELECT count(*) FROM acrel_event WHERE kind = 'guard_held' AND severity = 'alarm'"
    eventually(lambda: network.value(held) == 1, "the link says that the guard was reached")
    assert is_supplied(network)
    network.odoo.stop()
    with network.postgres_down():
        before = network.meter_state(OUTLET)["polls_answered"]
        eventually(
            lambda: network.meter_state(OUTLET)["polls_answered"] > before + 5,
            "the link goes on polling",
        )
        assert is_supplied(network)
    network.odoo = network.stack.start_odoo()
    eventually(network.all_online, "all meters are seen again", 60)
    grows(network, ship.session)
    assert is_supplied(network)


def test_a_person_opens_and_the_agent_is_billed(network, ship, staff):
    assert is_supplied(network)
    staff.call("acrel.shore.connection", "action_deenergise", [ship.connection])
    ended = wait_for(network, ship.session, "finished")
    assert not network.meter_state(OUTLET)["contactor"]
    assert ended.end_register == network.meter_state(OUTLET)["register"]

    staff.call("acrel.shore.connection", "action_end", [ship.connection])

    lines = network.rows(
        """SELECT l.fee_kind, l.energy_wh, l.gross_fen FROM acrel_bill_line l
           WHERE l.session_id = %s ORDER BY l.sequence""",
        ship.session,
    )
    wh = (ended.end_register - ended.start_register) * ended.unit_wh
    for fee in ("electricity", "service"):
        assert sum(energy for kind, energy, _ in lines if kind == fee) == wh
    ((gross, state),) = network.rows(
        """SELECT sum(l.gross_fen), min(b.state) FROM acrel_bill b JOIN acrel_bill_line l
           ON l.bill_id = b.id WHERE l.session_id = %s""",
        ship.session,
    )
    assert state == "posted"
    invoiced = network.value(
        """SELECT m.amount_total FROM account_move m JOIN acrel_berth_call c
           ON c.agent_id = m.commercial_partner_id
           WHERE m.move_type = 'out_invoice' AND m.state = 'posted'
           ORDER BY m.id DESC LIMIT 1"""
    )
    assert round(invoiced * 100) == gross > 0
