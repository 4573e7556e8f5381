"""The pages on which a person pays, and where they lead after."""

import re
from html import unescape
from urllib.parse import quote, urlsplit

from ..running import Answered, Control, send
from .merchant import Merchant

BACK = "http://shop.example/payment/status?a=1&b=2"


def _page(control: Control, path: str, language: str = "zh-CN,zh;q=0.9") -> Answered:
    return send(control.address, "GET", path, headers={"Accept-Language": language})


def _press(control: Control, path: str, button: str) -> Answered:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return send(control.address, "POST", path, f"{button}=1".encode(), headers)


def _cashier(control: Control, number: str) -> str:
    return urlsplit(control("GET", f"orders/{number}")["cashier"]).path


def test_a_phone_finds_the_order_and_pays_it(merchant: Merchant, control: Control):
    number, answer = merchant.make(description="一号桩 <script>alert(1)</script> & {2}")
    order = control("GET", f"orders/{number}")
    assert order["qr"] == answer["code_url"]
    path = _cashier(control, number)
    assert answer["code_url"].endswith(path.rpartition("/")[2])
    listed = _page(control, "/cashier").body.decode()
    assert f'href="{path}' in listed
    page = _page(control, path).body.decode()
    assert "<script>" not in page + listed
    assert "一号桩 <script>alert(1)</script> & {2}" in unescape(page)
    assert "岸电 &lt;b&gt;" in page
    assert 'data-amount="123.45"' in page
    assert 'data-state="open"' in page
    assert '<html lang="zh-CN">' in page
    assert re.findall(r'<button name="(\w+)"', page) == ["pay", "decline"]
    paid = _press(control, path, "pay")
    assert (paid.status, 'data-state="paid"' in paid.body.decode()) == (200, True)
    assert merchant.state(number)["trade_state"] == "SUCCESS"
    assert "<button" not in _page(control, path).body.decode()
    assert _page(control, f"/cashier/{number}").status == 200
    assert f'href="{path}' not in _page(control, "/cashier").body.decode()


def test_in_english_too(merchant: Merchant, control: Control):
    number, _ = merchant.make()
    path = _cashier(control, number)
    assert "Do not pay" in _page(control, path, "en-US").body.decode()
    assert "Do not pay" in _page(control, f"{path}?lang=en").body.decode()
    assert "不支付" in _page(control, path).body.decode()


def test_not_paying_leaves_the_order_open(merchant: Merchant, control: Control):
    number, _ = merchant.make()
    assert _press(control, _cashier(control, number), "decline").status == 200
    assert merchant.state(number)["trade_state"] == "NOTPAY"


def test_paying_twice_pays_once(merchant: Merchant, control: Control):
    number, _ = merchant.make()
    path = _cashier(control, number)
    _press(control, path, "pay")
    first = merchant.state(number)
    assert _press(control, path, "pay").status == 200
    assert merchant.state(number) == first


def test_a_browser_is_led_to_the_cashier_and_back(merchant: Merchant, control: Control):
    for button, state in (("decline", "NOTPAY"), ("pay", "SUCCESS")):
        number, answer = merchant.make("h5")
        url = urlsplit(answer["h5_url"])
        target = f"{url.path}?{url.query}&redirect_url={quote(BACK, safe='')}"
        led = _page(control, target)
        assert led.status == 303
        path = urlsplit(led.headers["Location"]).path
        assert path == _cashier(control, number)
        back = _press(control, path, button)
        assert (back.status, back.headers["Location"]) == (303, BACK)
        assert merchant.state(number)["trade_state"] == state


def test_a_browsers_link_runs_out_after_five_minutes(merchant: Merchant, control: Control):
    document = merchant.order("h5")
    url = urlsplit(merchant.ask("POST", "/v3/pay/transactions/h5", document).json["h5_url"])
    merchant.travel(301)
    stale = _page(control, f"{url.path}?{url.query}")
    assert (stale.status, "过期" in stale.body.decode()) == (400, True)
    again = urlsplit(merchant.ask("POST", "/v3/pay/transactions/h5", document).json["h5_url"])
    assert _page(control, f"{again.path}?{again.query}").status == 303


def test_a_script_is_no_return_address(merchant: Merchant, control: Control):
    number, answer = merchant.make("h5")
    url = urlsplit(answer["h5_url"])
    _page(control, f"{url.path}?{url.query}&redirect_url=javascript:alert(1)")
    assert _press(control, _cashier(control, number), "pay").status == 200


def test_orders_that_are_none(control: Control):
    assert _page(control, "/cashier/nothing").status == 404
    assert _page(control, "/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx1").status == 404
