"""A customer pays invoices by WeChat Pay and Alipay in a browser; staff refund a part."""

import pytest
from playwright.sync_api import expect

from browser import DESK, PHONE, person, picture
from customers import check_paid, choose, open_wallet, press_pay, refund_a_part
from shop import BANK, PROVIDERS, RECEIVABLE, Entry, Shop


def pay_on_another_phone(chromium, shop: Shop, name: str, reference: str, fen: int) -> None:
    """Scan the code on the screen with a phone and pay there."""
    cashier = shop.order(name, reference)["cashier"]
    with person(chromium, PHONE, cashier) as phone:
        phone.goto(cashier)
        picture(phone, f"phone-{name}-cashier")
        press_pay(phone, fen)


@pytest.fixture
def code_on_the_screen(branch):
    """Alipay's provider shows a QR code instead of Alipay's page."""
    provider = [branch.provider("alipay")]
    branch.staff.call("payment.provider", "write", provider, {"alipay_cn_desk_page": "precreate"})
    yield
    branch.staff.call("payment.provider", "write", provider, {"alipay_cn_desk_page": "page"})


@pytest.mark.usefixtures("code_on_the_screen")
@pytest.mark.parametrize("name", PROVIDERS)
def test_an_invoice_is_paid_by_a_code_on_the_screen(shop, branch, chromium, name):
    fen = 8_888
    invoice, path = branch.invoice(fen)
    with person(chromium, DESK, branch.url) as page:
        choose(page, branch, path, name)
        code, _ = PROVIDERS[name]
        root = page.locator(f".o_{code}_pay")
        expect(root.locator(f"img.o_{code}_qr")).to_be_visible()
        picture(page, f"desk-{name}-code")
        _, reference = branch.transaction(invoice)
        page.reload()
        expect(root.locator(f"img.o_{code}_qr")).to_be_visible()
        assert branch.transaction(invoice)[1] == reference, "a reload makes no other order"
        pay_on_another_phone(chromium, shop, name, reference, fen)
        page.wait_for_url("**/my/invoices/**")
    check_paid(branch, invoice, fen)


@pytest.mark.parametrize("name", PROVIDERS)
def test_an_invoice_is_paid_on_a_phone(branch, chromium, name):
    fen = 12_345
    invoice, path = branch.invoice(fen)
    with person(chromium, PHONE, branch.url) as page:
        choose(page, branch, path, name)
        expect(page.locator(f"a.o_{PROVIDERS[name][0]}_open")).to_be_visible()
        picture(page, f"phone-{name}-open")
        open_wallet(page, name)
        press_pay(page, fen)
        page.wait_for_url("**/my/invoices/**")
    check_paid(branch, invoice, fen)


def test_an_invoice_is_paid_by_alipays_page_and_a_part_refunded(shop, branch, chromium):
    fen, back = 100_001, 33_334
    invoice, path = branch.invoice(fen)
    with person(chromium, DESK, branch.url, "zh-CN") as page:
        choose(page, branch, path, "alipay")
        press_pay(page, fen)
        page.wait_for_url("**/my/invoices/**")
    payment = check_paid(branch, invoice, fen)
    refund_a_part(branch, chromium, invoice, back)
    (refund,) = branch.refunds(payment)
    branch.wait_entries(refund, [Entry(BANK, 0, back), Entry(RECEIVABLE, back, 0)])
    assert branch.entries(payment) == [Entry(BANK, fen, 0), Entry(RECEIVABLE, 0, fen)]
    _, reference = branch.transaction(invoice)
    assert shop.order("alipay", reference)["refunded"] == back
