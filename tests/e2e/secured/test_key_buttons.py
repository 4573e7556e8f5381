"""What a key officer and a technician press in Odoo, in a browser, up to the meter and back."""

import pytest
from playwright.sync_api import Page, expect

from browser import DESK, PHONE, log_in, person, picture
from courtyard import PILE
from house import site
from waiting import eventually

PASSPHRASE = "a package of its own for the bench"
CARD, EARLIER_CARD = "89860100000000000001", "89860100000000000099"
LINK = "SELECT id FROM acrel_link WHERE serial = %s"
LIVE = """
SELECT v.online, v.key_version, v.bound_iccid FROM acrel_link_live v
  JOIN acrel_link l ON l.id = v.link_id WHERE l.serial = %s
"""
JOB_DONE = "SELECT bool_and(state = 'done') FROM acrel_key_job WHERE kind = %s"
METER = """
SELECT i.meter_id FROM acrel_installation i JOIN acrel_pile p ON p.installation_id = i.id
 WHERE p.code = %s
"""
WRITTEN = "SELECT state, payload FROM acrel_command WHERE meter_id = %s AND kind = 'write'"
OVER_VOLTAGE = 0x01D1


@pytest.fixture(autouse=True)
def english(officer):
    """Let buttons bear the words that stand here."""
    officer.call("res.users", "write", [officer.uid], {"lang": "en_US"})


def live(network) -> tuple:
    """Return whether the agent is online, under which key, and its SIM card."""
    return network.rows(LIVE, site.SERIAL)[0]


def press(page: Page, button: str) -> None:
    """Press a button of the form's header, which a phone keeps in a menu."""
    there = page.locator(".o_form_statusbar").get_by_role("button", name=button, exact=True)
    menu = page.locator(".o_form_statusbar .oi-ellipsis-v, .o_form_statusbar .fa-ellipsis-v")
    expect(there.or_(menu).first).to_be_visible()
    if there.count():
        there.click()
    else:
        menu.first.click()
        page.locator(".o-dropdown--menu, .o_bottom_sheet").get_by_text(button, exact=True).click()


def test_lost_key_is_revoked_and_issued_anew_at_a_desk(network, chromium, tmp_path):
    secret, package = tmp_path / "passphrase", tmp_path / "package.json"
    secret.write_text(PASSPHRASE)
    _, version, _ = live(network)
    with person(chromium, DESK, network.stack.url) as page:
        log_in(page, "admin", "/odoo")
        page.goto(f"/odoo/acrel.link/{network.value(LINK, site.SERIAL)}")
        press(page, "Revoke")
        wizard = page.locator(".modal")
        wizard.locator("[name=kind] input").click()
        page.get_by_text("Revoke everything and issue a new key", exact=True).click()
        wizard.locator("[name=passphrase] input").fill(PASSPHRASE)
        wizard.locator("[name=passphrase_again] input").fill(PASSPHRASE)
        picture(page, "desk-keys")
        wizard.get_by_role("button", name="Order", exact=True).click()
        expect(wizard).to_have_count(0)
        eventually(lambda: network.value(JOB_DONE, "reissue"), "a link process carries it out")
        eventually(lambda: not live(network)[0], "the connection under the lost key is closed")
        page.reload()
        with page.expect_download() as download:
            press(page, "Fetch Package")
        download.value.save_as(package)
    assert PASSPHRASE.encode() not in package.read_bytes()

    # the first contact of this link, says its row, was with another card
    network.execute("UPDATE acrel_link_live SET bound_iccid = %s", EARLIER_CARD)
    network.restart_agent(package, secret, CARD)

    eventually(lambda: live(network)[0], "the agent is back")
    assert live(network) == (True, version + 1, EARLIER_CARD)
    query = "SELECT count(*) FROM acrel_event WHERE kind = 'sim_changed' AND end_at IS NULL"
    eventually(lambda: network.value(query) == 1, "the other card is an event")


def test_other_sim_card_is_accepted_on_a_phone(network, chromium):
    assert live(network)[2] == EARLIER_CARD, "the test before this one put another card in"
    with person(chromium, PHONE, network.stack.url) as page:
        log_in(page, "admin", "/odoo")
        address = f"/odoo/acrel.link/{network.value(LINK, site.SERIAL)}"
        page.goto(address)
        press(page, "Accept SIM Card")
        page.locator(".modal").get_by_role("button", name="Ok").click()
        eventually(lambda: live(network)[2] == CARD, "the link is bound to it")
        page.goto(address)
        expect(page.locator("[name=bound_iccid]")).to_contain_text(CARD)
        expect(page.get_by_text("Accept SIM Card")).to_have_count(0)


def test_threshold_is_written_into_the_meter_from_a_phone(network, officer, chromium):
    meter = network.value(METER, PILE)
    officer.call("acrel.meter", "action_refresh", [meter])
    query = "SELECT count(*) FROM acrel_meter_snapshot WHERE meter_id = %s AND kind = 'settings'"
    eventually(lambda: network.value(query, meter), "its settings were read")
    with person(chromium, PHONE, network.stack.url) as page:
        log_in(page, "admin", "/odoo")
        page.goto(f"/odoo/acrel.meter/{meter}")
        press(page, "Alarms…")
        row = page.locator(".modal .o_data_row", has_text="Over-voltage").first
        row.locator("[name=threshold]").click()
        row.locator("[name=threshold] input").fill("255")
        picture(page, "phone-alarms")
        page.locator(".modal").get_by_role("button", name="Write to the Meter").click()
        expect(page.locator(".modal")).to_have_count(0)
    eventually(
        lambda: network.rows(WRITTEN, meter) == [("done", {"registers": {"alarm_over_u": 2550}})],
        lambda: f"it is written and read back: {network.rows(WRITTEN, meter)}",
    )
    assert network.meter_state(PILE)["writes"] == [OVER_VOLTAGE]
