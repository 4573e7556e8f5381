"""Drivers top up their wallets of acrel_billing by WeChat Pay and Alipay."""

import html
import re

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


def begin_topup(branch: Branch, name: str, fen: int) -> tuple[int, str]:
    """Begin a top-up as the wallet's page does; return the payment's id and reference."""
    page = html.unescape(branch.customer.page(f"/my/wallet/pay?amount={fen // 100}").text)
    _, method = PROVIDERS[name]
    values = branch.customer.rpc(
        re.search(r'data-transaction-route="([^"]+)"', page)[1],
        access_token=re.search(r'data-access-token="([^"]+)"', page)[1],
        provider_id=branch.provider(name),
        payment_method_id=branch.value("SELECT id FROM payment_method WHERE code = %s", method),
        token_id=None,
        amount=fen / 100,
        flow="redirect",
        tokenization_requested=False,
        landing_route="/my/wallet",
    )
    branch.customer.follow(values["redirect_form_html"])
    transaction = newest_topup(branch)
    return transaction, values["reference"]


@pytest.fixture(params=["keep", "refund"])
def late_payment(branch, name, request):
    """What the provider is told to do with money for a canceled order."""
    field = f"{PROVIDERS[name][0]}_late_payment"
    provider = branch.provider(name)
    ((before,),) = branch.rows(f"SELECT {field} FROM payment_provider WHERE id = %s", provider)
    branch.staff.call("payment.provider", "write", [provider], {field: request.param})
    yield request.param
    branch.staff.call("payment.provider", "write", [provider], {field: before})


def test_a_late_top_up_is_in_the_wallet_once(shop, branch, name, late_payment):
    """A wallet's payment is never refunded by itself, so that it is kept by either setting."""
    before = balance(branch)
    gateway = shop.gateways[name]
    gateway.control("notifications/mode", {"mode": "held"})
    transaction, reference = begin_topup(branch, name, 7_000)
    branch.execute("UPDATE payment_transaction SET state = 'cancel' WHERE id = %s", transaction)
    gateway.control(f"orders/{reference}/pay", {})
    for _ in range(2):
        told = {"order": reference, "connections": 2}
        deliveries = gateway.control("notifications/deliver", told)["deliveries"]
        assert [each["accepted"] for each in deliveries] == [True] * 2, deliveries
        # Odoo's page asks so after a payment, and thereby books it.
        branch.poll()
        assert branch.state(transaction) == "done"
        assert balance(branch) == before + 7_000
        entries = [Entry(BANK, 7_000, 0), Entry(LIABILITY, 0, 7_000)]
        assert branch.entries(transaction) == entries
    assert branch.refunds(transaction) == []
    assert shop.order(name, reference)["refunded"] == 0
