"""What comes twice, together or to the wrong database has its effect once or not at all."""

import re
from urllib.parse import urljoin

import pytest
import requests

from shop import BANK, PROVIDERS, RECEIVABLE, Entry, Shop, at_once

pytestmark = pytest.mark.parametrize("name", PROVIDERS)


def paid_entries(fen: int) -> list[Entry]:
    """The journal entry of one payment."""
    return [Entry(BANK, fen, 0), Entry(RECEIVABLE, 0, fen)]


def press_pay(shop: Shop, name: str, reference: str) -> str:
    """Pay on the cashier's page; return where the payer's browser is sent then."""
    cashier = shop.order(name, reference)["cashier"]
    with requests.Session() as phone:
        page = phone.get(cashier, timeout=30)
        action = re.search(r'<form[^>]+action="([^"]*)"', page.text)
        answer = phone.post(
            urljoin(cashier, action[1] if action else ""),
            data={"pay": "1"},
            allow_redirects=False,
            timeout=30,
        )
    return answer.headers.get("Location", "")


def deliver(shop: Shop, name: str, **what) -> list[dict]:
    """Have a gateway deliver a notification now; return its deliveries."""
    return shop.gateways[name].control("notifications/deliver", what)["deliveries"]


def hold_notifications(shop: Shop, name: str) -> None:
    """Have a gateway send notifications only when told."""
    shop.gateways[name].control("notifications/mode", {"mode": "held"})


def test_two_equal_notifications_at_the_same_instant(shop, branch, name):
    hold_notifications(shop, name)
    invoice, transaction, reference = branch.begin(name, 777)
    shop.gateways[name].control(f"orders/{reference}/pay", {})
    deliveries = deliver(shop, name, order=reference, connections=2, times=2)
    assert [each["accepted"] for each in deliveries] == [True] * 4, deliveries
    branch.poll()
    branch.wait_paid(invoice)
    assert branch.entries(transaction) == paid_entries(777)


def test_the_notification_and_the_browser_return_together(shop, branch, name):
    hold_notifications(shop, name)
    invoice, transaction, reference = branch.begin(name, 1_234)
    back = press_pay(shop, name, reference) or f"{branch.url}/payment/status"
    deliveries, page, *_ = at_once(
        lambda: deliver(shop, name, order=reference),
        lambda: branch.customer.http.get(back, timeout=60),
        branch.poll,
        branch.poll,
    )
    assert page.ok and deliveries[0]["accepted"], deliveries
    branch.poll()
    branch.wait_paid(invoice)
    assert branch.entries(transaction) == paid_entries(1_234)


def test_notifications_and_a_refund_race(shop, branch, name):
    hold_notifications(shop, name)
    invoice, transaction, reference = branch.begin(name, 5_000)
    shop.gateways[name].control(f"orders/{reference}/pay", {})
    deliver(shop, name, order=reference)
    branch.poll()
    branch.wait_paid(invoice)

    deliveries, _ = at_once(
        lambda: deliver(shop, name, order=reference, connections=3),
        lambda: branch.refund(transaction, 1_999),
    )
    assert all(each["accepted"] for each in deliveries), deliveries
    (refund,) = branch.refunds(transaction)
    number = shop.order(name, reference)["refunds"][0]
    first, second = at_once(
        lambda: deliver(shop, name, order=reference, connections=2),
        lambda: deliver(shop, name, refund=number, connections=2),
    )
    assert all(each["accepted"] for each in [*first, *second])
    branch.wait_entries(refund, [Entry(BANK, 0, 1_999), Entry(RECEIVABLE, 1_999, 0)])
    assert branch.state(transaction) == "done"
    assert branch.entries(transaction) == paid_entries(5_000)
    assert branch.refunds(transaction) == [refund]
    assert shop.order(name, reference)["refunded"] == 1_999


def test_two_databases_on_one_host(shop, name):
    hold_notifications(shop, name)
    begun = [branch.begin(name, 4_200) for branch in shop.branches]
    references = [reference for *_, reference in begun]
    assert len(set(references)) == 2, "two databases use one merchant"
    here, there = shop.branches
    shop.gateways[name].control(f"orders/{references[0]}/pay", {})
    made = shop.gateways[name].control("notifications/make", {"order": references[0], "count": 2})[
        "notifications"
    ]
    astray = {**made[0], "url": made[0]["url"].replace(here.url, there.url)}
    for message in (astray, made[1]):
        requests.post(message["url"], data=message["body"], headers=message["headers"], timeout=30)
    assert here.state(begun[0][1]) == "done"
    assert there.state(begun[1][1]) == "draft"
    assert not there.value(
        "SELECT count(*) FROM payment_transaction WHERE reference = %s", references[0]
    )
    here.poll()
    here.wait_paid(begun[0][0])
    assert here.entries(begun[0][1]) == paid_entries(4_200)
