"""The main job in a browser: a new driver charges and pays; the accountant sees it posted."""

import re
from decimal import Decimal

from playwright.sync_api import Page, expect

from browser import DESK, PHONE, log_in, person, picture
from network import Network
from sessions import check_money, look, wait_for
from waiting import eventually

PILE = "P004"
LOGIN = "new.driver@example.com"
PASSWORD = "a long password of hers"
TOP_UP = 50


def sign_up(page: Page) -> None:
    """Become a driver from the page of a pile, and come back to it."""
    page.locator("a[href^='/web/signup']").first.click()
    page.fill("input[name=login]", LOGIN)
    page.fill("input[name=name]", "New Driver")
    page.fill("input[name=password]", PASSWORD)
    page.fill("input[name=confirm_password]", PASSWORD)
    page.locator(".oe_signup_form button[type=submit]").click()
    page.wait_for_url(f"**/charging/p/{PILE}**")


def top_up(page: Page) -> None:
    """Pay into the wallet with Odoo's demonstration provider, and come back to the pile."""
    page.locator("a[href^='/my/wallet']").first.click()
    page.locator(f"button[name=amount][value='{TOP_UP}']").click()
    form = page.locator("form#o_payment_form")
    expect(form).to_be_visible()
    form.locator("input[name=o_payment_radio]").first.check()
    form.locator("input#customer_input").fill("4111 1111 1111 1111")
    picture(page, "phone-top-up")
    page.locator("button[name=o_payment_submit_button]").click()
    page.wait_for_url(f"**/charging/p/{PILE}**")


def number(page: Page, key: str) -> Decimal:
    """Read a live figure of the page."""
    return Decimal(page.locator(f"[data-acrel={key}]").inner_text())


def grown(page: Page, key: str, least: Decimal) -> Decimal:
    """Wait until a live figure has passed a value; the page is not loaded again."""
    eventually(lambda: number(page, key) > least, lambda: f"{key} > {least}: {number(page, key)}")
    return number(page, key)


def check_prices_are_shown(page: Page, network: Network) -> None:
    """Every period of the day stands on the page with both prices and their sum."""
    periods = network.rows(
        """SELECT p.electricity_price, p.service_price FROM acrel_tariff_period p
           JOIN acrel_tariff_version v ON v.id = p.version_id AND v.state = 'active'
           JOIN acrel_station s ON s.tariff_id = v.tariff_id
           JOIN acrel_pile a ON a.station_id = s.id WHERE a.code = %s""",
        PILE,
    )
    assert len(periods) >= 4
    text = page.locator(".o_acrel_pile").inner_text()
    for electricity, service in periods:
        for price in (electricity, service, electricity + service):
            assert f"{price:.4f}" in text


def posted_ties(network: Network, gross: int) -> None:
    """Wallets, ledger and bills say the same, to the fen."""
    liability, revenue, tax = (
        network.value(
            """SELECT COALESCE(sum(l.balance), 0) FROM account_move_line l
               JOIN account_account a ON a.id = l.account_id
               WHERE l.parent_state = 'posted'
                 AND a.code_store ->> l.company_id::text LIKE %s""",
            code,
        )
        for code in ("2204%", "6001%", "2221%")
    )
    wallets = network.value("SELECT COALESCE(sum(balance_fen), 0) FROM acrel_wallet")
    billed = network.rows(
        """SELECT sum(l.gross_fen), sum(l.net_fen), sum(l.tax_fen) FROM acrel_bill_line l
           JOIN acrel_bill b ON b.id = l.bill_id AND b.state = 'posted'"""
    )[0]
    assert -round(liability * 100) == wallets
    assert (gross, -round(revenue * 100), -round(tax * 100)) == tuple(map(int, billed))


def test_new_driver_charges_and_the_accountant_sees_it_posted(network, chromium):
    with person(chromium, PHONE, network.stack.url) as page:
        page.goto(f"/charging/p/{PILE}")
        check_prices_are_shown(page, network)
        picture(page, "phone-pile")
        sign_up(page)
        check_prices_are_shown(page, network)
        top_up(page)
        picture(page, "phone-before-start")

        page.locator(".o_acrel_start_form button").click()
        page.wait_for_url(re.compile(r"/my/charging/\d+"))
        session = int(re.search(r"/my/charging/(\d+)", page.url).group(1))
        eventually(lambda: network.meter_state(PILE)["contactor"], "the contactor closes")
        page.evaluate("window.sameDocument = true")
        kwh = grown(page, "kwh", Decimal(0))
        amount = grown(page, "amount", Decimal(0))
        grown(page, "kwh", kwh + Decimal("0.2"))
        grown(page, "amount", amount)
        grown(page, "minutes", Decimal(-1))
        assert page.evaluate("window.sameDocument"), "the figures grew without a reload"
        picture(page, "phone-live-session")
        desk_sees_the_session(network, chromium, session)

        page.locator(".o_acrel_stop_form button").click()
        expect(page.locator(".o_acrel_session_bill")).to_be_visible()
        picture(page, "phone-stopped")
        page.locator("a[href^='/my/bills/']").first.click()
        picture(page, "phone-bill")

    ended = wait_for(network, session, "finished")
    state = network.meter_state(PILE)
    assert not state["contactor"]
    assert ended.end_register == state["register"]
    gross = check_money(network, session)
    balance, held = network.rows(
        """SELECT w.balance_fen, w.held_fen FROM acrel_wallet w
           JOIN res_users u ON u.partner_id = w.partner_id WHERE u.login = %s""",
        LOGIN,
    )[0]
    assert (balance, held) == (TOP_UP * 100 - gross, 0), "what was not used is free again"
    accountant_posts(network, chromium, gross)


def desk_sees_the_session(network: Network, chromium, session: int) -> None:
    """The operator's form of the session shows its curve growing."""
    with person(chromium, DESK, network.stack.url) as page:
        log_in(page, "operator", "/odoo")
        action = network.value(
            "SELECT res_id FROM ir_model_data WHERE module = 'acrel_charging'"
            " AND name = 'acrel_session_action'"
        )
        page.goto(f"/odoo/action-{action}/{session}")
        expect(page.locator(".o_form_view canvas")).to_be_visible()
        assert look(network, session).state == "charging"
        picture(page, "desk-live-session")


def accountant_posts(network: Network, chromium, gross: int) -> None:
    """The accountant posts the day's bills and reads the entry."""
    accountant = network.client("accountant")
    accountant.call("acrel.bill.posting", "action_post_now")
    posted_ties(network, gross)
    (move,) = network.rows(
        """SELECT m.id FROM account_move m JOIN account_move_line l ON l.move_id = m.id
           JOIN account_account a ON a.id = l.account_id
           WHERE m.state = 'posted' AND a.code_store ->> m.company_id::text LIKE '6001%%'"""
    )[0]
    with person(chromium, DESK, network.stack.url) as page:
        log_in(page, "accountant", "/odoo")
        page.goto(f"/odoo/account.move/{move}")
        expect(page.locator(".o_form_view")).to_be_visible()
        text = page.locator(".o_form_view").inner_text()
        for code in ("2204", "6001", "2221"):
            assert code in text
        picture(page, "desk-entry")
