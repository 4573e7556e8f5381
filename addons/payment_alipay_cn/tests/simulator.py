"""Alipay's gateway as a process of its own, started from the repository's tests folder."""

import json
import subprocess
import sys
import unittest
from pathlib import Path
from urllib.parse import quote

import requests

TESTS_FOLDER = Path(__file__).resolve().parents[3] / "tests"
READY_SECONDS = 20


class Simulator:
    """The process and its control API."""

    def __init__(self):
        if not (TESTS_FOLDER / "gateways" / "alipay").is_dir():
            raise unittest.SkipTest(
                f"Alipay's simulator is not there: {TESTS_FOLDER / 'gateways' / 'alipay'}. These "
                "tests run from a checkout of the whole repository."
            )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateways.alipay", "--port", "0", "--notifications", "held"],
            cwd=TESTS_FOLDER,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = json.loads(self._process.stdout.readline())["address"]
        self.gateway = f"{self.address}/gateway.do"

    def stop(self):
        """End the process and wait for it."""
        self._process.terminate()
        self._process.wait(READY_SECONDS)
        self._process.stdout.close()

    def control(self, path, values=None, method=None):
        """Call the control API; its refusal is an AssertionError with its sentence."""
        answer = requests.request(
            method or ("GET" if values is None else "POST"),
            f"{self.address}/_control/{path}",
            json=values,
            timeout=READY_SECONDS,
        )
        if not answer.ok:
            raise AssertionError(f"{path}: {answer.status_code} {answer.text}")
        return answer.json()

    def order(self, number, do=None, **values):
        """Return an order, after `do` (pay, close, scan) where given."""
        path = f"orders/{quote(number, safe='')}"
        return self.control(f"{path}/{do}", values) if do else self.control(path)

    def fault(self, kind, times=1, **values):
        """Have the gateway misbehave."""
        return self.control(
            "faults", {"path": "/gateway.do", "times": times, "kind": kind, **values}
        )

    def reset(self):
        """End all faults, clock offsets and policies of a test."""
        self.control("faults", method="DELETE")
        self.control("clock", {"offset_seconds": 0})
        self.control("refunds/policy", {"automatic": True})
        self.control("requests/clear", {})

    def calls(self):
        """Return how many requests reached the gateway since `reset`."""
        return len(
            [r for r in self.control("requests")["requests"] if r["path"].startswith("/gateway.do")]
        )
