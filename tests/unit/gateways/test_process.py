"""A gateway as a process of its own: it says where it is, remembers, and ends when told."""

import contextlib
import json
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateways import keys

from .running import Control, eventually, send, shop
from .wechatpay.merchant import Merchant

TESTS = Path(__file__).resolve().parents[2]
SECRET = "an-APIv3-key-of-32-bytes-exactly"


@contextlib.contextmanager
def _started(*arguments: str) -> Iterator[tuple[subprocess.Popen, Control]]:
    with subprocess.Popen(
        [sys.executable, "-m", "gateways.wechatpay", *arguments],
        cwd=TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            ready = json.loads(process.stdout.readline())
            assert ready["ready"] is True
            assert ready["cashier"] == ready["address"] + "/cashier"
            yield process, Control(ready["address"])
        finally:
            process.kill()


def _register(control: Control) -> dict:
    return control(
        "POST",
        "merchants",
        mchid="1900000001",
        name="岸电",
        appids=["wx1"],
        serial_no="A" * 40,
        public_key=keys.public_pem(keys.new_key().public_key()),
        apiv3_key=SECRET,
    )


def test_it_remembers_after_a_restart_and_keeps_secrets_to_itself(tmp_path: Path):
    folder = tmp_path / "state"
    with _started("--state", str(folder)) as (process, control):
        side = _register(control)
        control("POST", "bills", merchant="1900000001", day="2026-11-20", lines=3)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
        assert process.returncode == 0
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET.encode() not in errors
    with _started("--state", str(folder)) as (_, control):
        assert control("GET", "merchants/1900000001") == side


def test_orders_and_what_is_still_to_be_told_survive_a_restart(tmp_path: Path):
    state = ("--state", str(tmp_path))
    with shop() as opened:
        with _started(*state, "--notifications", "held") as (process, control):
            merchant = Merchant(control)
            number, _ = merchant.make(notify_url=f"{opened.address}/notify")
            unpaid, way = merchant.make()
            control("POST", f"orders/{number}/pay")
            document = merchant.refund(number, 345)
            merchant.ask("POST", "/v3/refund/domestic/refunds", document)
            before = merchant.state(number)
            process.kill()
        with _started(*state) as (_, merchant.control):
            heard = eventually(lambda: opened.heard)[0]
            assert json.loads(heard.body)["event_type"] == "TRANSACTION.SUCCESS"
            assert merchant.state(number) == before
            assert merchant.control("GET", f"orders/{way['code_url'][-9:]}")["number"] == unpaid
            merchant.control("GET", f"refunds/{document['out_refund_no']}")
            by_id = f"/v3/pay/transactions/id/{before['transaction_id']}?mchid={merchant.mchid}"
            assert merchant.ask("GET", by_id).json == before


def test_it_ends_although_a_request_hangs():
    with _started() as (process, control):
        control("POST", "faults", path="/", kind="hang", seconds=60)
        answers: list[str] = []

        def ask() -> None:
            try:
                send(control.address, "GET", "/v3/certificates")
            except OSError:
                answers.append("none")

        asking = threading.Thread(target=ask)
        asking.start()
        eventually(lambda: control("GET", "faults")["faults"][0]["left"] == 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        asking.join(10)
        assert answers == ["none"]


def test_it_ends_with_its_standard_input():
    with _started("--until-stdin-closes") as (process, _):
        process.stdin.close()
        assert process.wait(10) == 0


def test_without_that_it_lives_on():
    with _started() as (process, control):
        process.stdin.close()
        assert control("GET", "clock")["offset_seconds"] == 0
        assert process.poll() is None


def test_a_port_that_is_taken_is_one_sentence():
    with _started() as (_, control):
        port = control.address.rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "gateways.wechatpay", "--port", port],
            cwd=TESTS,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert second.returncode == 1
        assert second.stderr.count("\n") == 1
        assert f"cannot listen on port {port}" in second.stderr


@pytest.mark.parametrize(
    "arguments", [("--speed", "0"), ("--notifications", "never"), ("--port", "x")]
)
def test_wrong_arguments_are_refused(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "gateways.wechatpay", *arguments],
        cwd=TESTS,
        capture_output=True,
        timeout=30,
    )
    assert done.returncode == 2
