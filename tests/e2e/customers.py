"""What customers and staff do with payments in a browser."""

from playwright.sync_api import Browser, Page, expect

from browser import DESK, person, picture
from odoo_client import OdooClient
from shop import BANK, PROVIDERS, RECEIVABLE, Branch, Entry


def enter(page: Page, client: OdooClient, path: str) -> None:
    """Open a page as somebody who has logged in already."""
    session = client.http.cookies["session_id"]
    page.context.add_cookies([{"name": "session_id", "value": session, "url": client.url}])
    page.goto(path)


def choose(page: Page, branch: Branch, path: str, name: str) -> None:
    """Open an invoice on the portal and choose a way to pay it."""
    enter(page, branch.customer, path)
    page.locator("a[data-bs-target='#pay_with']").first.click()
    send_form(page, name)


def send_form(page: Page, name: str) -> None:
    """Choose a wallet in Odoo's payment form and send it."""
    code, _ = PROVIDERS[name]
    form = page.locator("form#o_payment_form")
    expect(form).to_be_visible()
    option = form.locator(f"input[name=o_payment_radio][data-provider-code={code}]")
    form.locator(f"label[for={option.get_attribute('id')}]").click()
    expect(option).to_be_checked()
    page.locator("button[name=o_payment_submit_button]").click()


def open_wallet(page: Page, name: str) -> None:
    """On a phone, press the button that opens the wallet."""
    code, _ = PROVIDERS[name]
    page.locator(f"a.o_{code}_open").click()


def press_pay(page: Page, fen: int) -> None:
    """Read the amount on the cashier's page and pay."""
    expect(page.locator("[data-amount]").first).to_contain_text(f"{fen / 100:.2f}")
    page.locator("button[name=pay]").click()


def check_paid(branch: Branch, invoice: int, fen: int) -> int:
    """The invoice is paid by one payment, whose journal entry is right; return the payment."""
    branch.wait_paid(invoice)
    ((reference, state, _),) = branch.payments_of(invoice)
    assert state == "done"
    transaction, _ = branch.transaction(invoice)
    assert branch.entries(transaction) == [Entry(BANK, fen, 0), Entry(RECEIVABLE, 0, fen)]
    residual = branch.value("SELECT amount_residual FROM account_move WHERE id = %s", invoice)
    assert residual == 0, reference
    return transaction


def refund_a_part(branch: Branch, chromium: Browser, invoice: int, fen: int) -> None:
    """From the form of a paid invoice, staff open its payment and refund a part."""
    with person(chromium, DESK, branch.url) as page:
        enter(page, branch.staff, f"/odoo/account.move/{invoice}")
        page.locator("button[name=open_payments]").click()
        page.locator("button[name=action_refund_wizard]").click()
        wizard = page.locator(".modal")
        wizard.locator("[name=amount_to_refund] input").fill(f"{fen / 100:.2f}")
        picture(page, "desk-refund")
        wizard.locator("button[name=action_refund]").click()
        expect(wizard).to_be_hidden()
