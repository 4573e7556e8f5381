"""What goes wrong on demand: with the network, with the gateway, with the answer."""

import contextlib
import http.client
import json
import socket
import threading
import time

import pytest

from gateways import keys

from ..running import Control, eventually, send
from .merchant import Merchant

NATIVE = "/v3/pay/transactions/native"


def _ask(merchant: Merchant, document=None):
    body = json.dumps(document or merchant.order()).encode()
    headers = merchant.headers(merchant.authorization("POST", NATIVE, body))
    return send(merchant.control.address, "POST", NATIVE, body, headers)


def _fault(control: Control, kind: str, **values) -> None:
    control("POST", "faults", path="/v3/pay/", kind=kind, **values)


@pytest.mark.parametrize(("kind", "done"), [("drop", False), ("drop_after", True)])
def test_no_answer(merchant: Merchant, control: Control, kind, done):
    document = merchant.order()
    _fault(control, kind)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        _ask(merchant, document)
    control("GET", f"orders/{document['out_trade_no']}", 200 if done else 404)
    assert _ask(merchant, document).status == 200


@pytest.mark.parametrize(
    ("kind", "status", "done"),
    [
        ("status500", 500, False),
        ("status500_after", 500, True),
        ("not_json", 200, False),
        ("not_json_after", 200, True),
    ],
)
def test_a_page_of_something_in_between(merchant: Merchant, control: Control, kind, status, done):
    document = merchant.order()
    _fault(control, kind)
    answer = _ask(merchant, document)
    assert answer.status == status
    assert answer.body.startswith(b"<html>")
    assert "Wechatpay-Signature" not in answer.headers
    control("GET", f"orders/{document['out_trade_no']}", 200 if done else 404)


def test_hanging_ends_with_the_gateway_or_its_time(merchant: Merchant, control: Control):
    _fault(control, "hang", seconds=0.2)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        _ask(merchant)


def test_delay_answers_later(merchant: Merchant, control: Control):
    _fault(control, "delay", seconds=0.2)
    began = time.monotonic()
    assert merchant.signed(_ask(merchant))
    assert time.monotonic() - began >= 0.2


def test_what_is_done_at_once_and_answered_later(merchant: Merchant, control: Control):
    _fault(control, "delay_after", seconds=60)
    document = merchant.order()
    asking = threading.Thread(target=_ask_and_be_cut_off, args=(merchant, document), daemon=True)
    asking.start()
    number = document["out_trade_no"]
    eventually(lambda: control("GET", "orders")["orders"][-1]["number"] == number)
    assert control("POST", f"orders/{number}/pay", notify=False)["state"] == "paid"
    assert asking.is_alive()


def _ask_and_be_cut_off(merchant: Merchant, document: dict) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        _ask(merchant, document)


def test_a_signed_error(merchant: Merchant, control: Control):
    _fault(control, "error", values={"status": 429, "code": "FREQUENCY_LIMITED", "message": "慢"})
    answer = _ask(merchant)
    assert (answer.status, answer.json) == (429, {"code": "FREQUENCY_LIMITED", "message": "慢"})
    assert merchant.signed(answer)


@pytest.mark.parametrize(
    "kind",
    ["other_key", "forged", "missing_signature", "unknown_serial", "changed_body", "probe"],
)
def test_answers_that_nobody_may_believe(merchant: Merchant, control: Control, kind):
    _fault(control, kind)
    answer = _ask(merchant)
    assert answer.status == 200
    assert not merchant.signed(answer)
    assert merchant.signed(_ask(merchant))


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("wrong_amount", ("amount", "total")),
        ("wrong_currency", ("amount", "currency")),
        ("wrong_merchant", ("mchid",)),
        ("wrong_app", ("appid",)),
        ("wrong_order", ("out_trade_no",)),
    ],
)
def test_a_rightly_signed_answer_that_is_about_something_else(
    merchant: Merchant, control: Control, kind, path
):
    number = merchant.paid()
    right = merchant.state(number)
    _fault(control, kind)
    wrong = merchant.state(number)
    for name in path:
        right, wrong = right[name], wrong[name]
    assert right != wrong


def test_a_fault_meets_its_path_and_method_and_is_used_up(merchant: Merchant, control: Control):
    control("POST", "faults", path="/v3/*/close", kind="status500", times=2)
    control("POST", "faults", path="/v3/pay/", method="GET", kind="status500", times=None)
    assert _ask(merchant).status == 200
    target = "/v3/pay/transactions/out-trade-no/T1/close"
    for status in (500, 500, 401):
        assert send(control.address, "POST", target, b"{}", merchant.headers("")).status == status
    for _ in range(3):
        assert send(control.address, "GET", NATIVE).status == 500
    left = {fault["path"]: fault["left"] for fault in control("GET", "faults")["faults"]}
    assert left == {"/v3/*/close": 0, "/v3/pay/": None}


def test_unknown_faults_are_refused(control: Control):
    told = control("POST", "faults", 400, path="/", kind="earthquake")
    assert "earthquake" in told["error"]
    assert "'path'" in control("POST", "faults", 400, kind="drop")["error"]


def test_what_reached_the_gateway_is_listed(merchant: Merchant, control: Control):
    control("POST", "requests/clear")
    _ask(merchant)
    (request,) = control("GET", "requests")["requests"]
    assert (request["method"], request["path"], request["status"]) == ("POST", NATIVE, 200)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Transfer-Encoding", "chunked", 411),
        ("Content-Length", "99999999", 413),
        ("Content-Length", "-1", 413),
    ],
)
def test_a_body_that_is_not_read_ends_the_connection(control: Control, name, value, status):
    host, port = control.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as line:
        line.sendall(f"POST {NATIVE} HTTP/1.1\r\nHost: x\r\n{name}: {value}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_many_requests_on_one_connection(merchant: Merchant, control: Control):
    host, port = control.address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port))
    sockets: set[socket.socket] = set()
    for _ in range(3):
        connection.request("GET", f"{NATIVE}?a=1", headers=merchant.headers(""))
        connection.getresponse().read()
        sockets.add(connection.sock)
    assert len(sockets) == 1
    connection.close()


def test_a_rotated_key_signs_from_now_on(control: Control):
    merchant = Merchant(control, "1900005555")
    old = merchant.side
    new = control("POST", "merchants/1900005555/keys")
    assert new["public_key_id"] != old["public_key_id"]
    assert not merchant.signed(_ask(merchant))
    merchant.side = new
    assert merchant.signed(_ask(merchant))
    again = Merchant(control, "1900005555")
    assert again.side == new


def test_the_gateway_signs_as_the_request_wishes(merchant: Merchant):
    serial = merchant.side["certificate_serial"]
    target = f"/v3/pay/transactions/out-trade-no/{merchant.paid()}?mchid={merchant.mchid}"
    answer = merchant.ask("GET", target, **{"Wechatpay-Serial": serial})
    assert answer.headers["Wechatpay-Serial"] == serial
    headers = merchant.headers(
        merchant.authorization("GET", target, b""), **{"Wechatpay-Serial": "PUB_KEY_ID_0"}
    )
    assert send(merchant.control.address, "GET", target, b"", headers).status == 400


def test_older_merchants_fetch_certificates(control: Control):
    old = Merchant(control, "1900004444", mode="certificate")
    answer = old.ask("GET", "/v3/certificates")
    assert answer.headers["Wechatpay-Serial"] == old.side["certificate_serial"]
    (listed,) = answer.json["data"]
    assert listed["serial_no"] == old.side["certificate_serial"]
    assert listed["encrypt_certificate"]["associated_data"] == "certificate"
    pem = old.decrypt(listed["encrypt_certificate"]).decode()
    assert pem == old.side["certificate"]
    assert keys.serial_of(keys.load_certificate(pem)) == listed["serial_no"]
    assert listed["effective_time"] < listed["expire_time"]

    announced = control("POST", "merchants/1900004444/keys", use=False)
    answer = old.ask("GET", "/v3/certificates")
    assert len(answer.json["data"]) == 2
    assert answer.headers["Wechatpay-Serial"] == listed["serial_no"]
    control("POST", "merchants/1900004444/keys", use=announced["certificate_serial"])
    old.side = announced
    answer = old.ask("GET", "/v3/certificates")
    assert answer.headers["Wechatpay-Serial"] == announced["certificate_serial"]


def test_new_merchants_have_no_certificates(merchant: Merchant):
    merchant.refused("GET", "/v3/certificates", None, 404, "RESOURCE_NOT_EXISTS")


def test_a_merchant_is_registered_by_its_certificate(control: Control):
    key = keys.new_key()
    certificate = keys.certificate(key.public_key(), "1900003333", key, "Tenpay.com Root CA")
    merchant = Merchant(control, "1900003333", certificate=keys.certificate_pem(certificate))
    merchant.key = key
    target = f"/v3/pay/transactions/out-trade-no/T00000?mchid={merchant.mchid}"
    signed = merchant.authorization("GET", target, b"", serial_no=keys.serial_of(certificate))
    answer = send(control.address, "GET", target, b"", merchant.headers(signed))
    assert (answer.status, answer.json["code"]) == (404, "ORDER_NOT_EXIST")


@pytest.mark.parametrize(
    "changed",
    [
        {"mchid": "12"},
        {"apiv3_key": "short"},
        {"mode": "v2"},
        {"public_key": "no key"},
        {"fee_rate": "0.6"},
    ],
)
def test_a_merchant_that_cannot_be_is_refused(control: Control, merchant: Merchant, changed):
    values = {
        "mchid": "1900002222",
        "appids": ["wx1"],
        "serial_no": "A" * 40,
        "public_key": keys.public_pem(merchant.key.public_key()),
        "apiv3_key": "k" * 32,
    }
    assert control("POST", "merchants", 400, **values | changed)["error"]
    control("GET", "merchants/1900002222", 404)
