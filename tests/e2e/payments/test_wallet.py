"""Drivers top up their wallets of acrel_billing by WeChat Pay and Alipay."""

import pytest

from browser import PHONE, person
from customers import enter, open_wallet, press_pay, send_form
from shop import BANK, PAYER, PROVIDERS, Branch, Entry

LIABILITY = "220400"

pytestmark = pytest.mark.parametrize("name", PROVIDERS)


def balance(branch: Branch) -> int:
    """Return what the driver's wallet holds, in fen."""
    return branch.value(
        """SELECT w.balance_fen FROM acrel_wallet w
             JOIN res_users u ON u.partner_id = w.partner_id WHERE u.login = %s""",
        PAYER,
    )


def newest_topup(branch: Branch) -> int:
    """Return the payment that was begun last for a wallet."""
    return branch.value("SELECT max(id) FROM payment_transaction WHERE acrel_wallet_id IS NOT NULL")


def test_a_wallet_is_topped_up_on_a_phone(branch, chromium, name):
    before = balance(branch)
    with person(chromium, PHONE, branch.url) as page:
        enter(page, branch.customer, "/my/wallet")
        page.locator("button[name=amount][value='50']").click()
        send_form(page, name)
        open_wallet(page, name)
        press_pay(page, 5_000)
        page.wait_for_url("**/my/wallet**")
    assert balance(branch) == before + 5_000
    assert branch.entries(newest_topup(branch)) == [
        Entry(BANK, 5_000, 0),
        Entry(LIABILITY, 0, 5_000),
    ]
