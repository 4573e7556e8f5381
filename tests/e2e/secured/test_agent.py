"""A paid session at a meter that cannot encrypt: it stands on a bus behind the meter agent."""

from datetime import timedelta

from acrel_link.commands import UPLOAD
from courtyard import PILE
from sessions import check_money, grows, look, measured_since
from waiting import eventually

ONLINE = "SELECT bool_or(online) FROM acrel_link_live"
NOW = "SELECT now() AT TIME ZONE 'Asia/Shanghai'"
#: What the agent measured of the pile's meter between two moments by its own clock, as received.
UPLOADS = """
SELECT r.meter_clock, r.e_forward FROM acrel_reading_raw r
  JOIN acrel_installation i ON i.meter_id = r.meter_id JOIN acrel_pile p ON p.installation_id = i.id
 WHERE p.code = %s AND r.source = %s AND r.meter_clock BETWEEN %s AND %s ORDER BY r.received_at
"""


def test_session_behind_the_agent_is_billed_to_the_fen_over_a_cut_of_the_line(network, driver):
    session = driver.start(PILE)
    assert network.rows("SELECT channel FROM acrel_link_live WHERE online") == [("sealed",)]
    grows(network, session)

    network.line.cut()
    eventually(lambda: not network.value(ONLINE), "the link knows that the line is away")
    cut_at, cut_register = network.value(NOW), network.meter_state(PILE)["register"]
    eventually(
        lambda: measured_since(network, PILE, cut_register) >= 20, "energy flows all the same"
    )
    assert network.meter_state(PILE)["contactor"]
    assert look(network, session).state == "charging"
    back_at = network.value(NOW)
    network.line.mend()
    eventually(lambda: network.value(ONLINE), "the agent is back")

    margin = timedelta(seconds=1)
    window = cut_at + margin, back_at - margin
    kept = eventually(
        lambda: network.rows(UPLOADS, PILE, UPLOAD, *window),
        "what the agent measured meanwhile arrives, with the time when it was measured",
    )
    assert kept == sorted(set(kept)), "each once, in order"
    grows(network, session)

    ended = driver.stop(session)

    state = network.meter_state(PILE)
    assert not state["contactor"]
    assert ended.end_register == ended.measured_register == state["register"]
    assert ended.start_register < kept[0][1] <= kept[-1][1] < ended.end_register
    assert not ended.flag_silent and not ended.flag_capped
    assert check_money(network, session) > 0
    outside = network.value(
        "SELECT count(*) FROM acrel_energy_outside WHERE session_before_id = %s", session
    )
    assert outside == 0, "all of it belongs to the session"
