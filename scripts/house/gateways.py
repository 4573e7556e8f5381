"""The simulators of WeChat Pay and Alipay (tests/gateways), each a process of a stack."""

import json
import os
import urllib.error
import urllib.request
from pathlib import Path

from . import paths
from .children import Child
from .errors import Refused
from .stack import Stack

NAMES = ("wechatpay", "alipay")
READY_SECONDS = 30


class Gateway:
    """A simulator that runs: where it is, and how it is told what to do."""

    def __init__(self, name: str, child: Child, address: str):
        self.name = name
        self.child = child
        self.address = address

    def control(self, path: str, values: dict | None = None, method: str | None = None) -> dict:
        """Ask or order something by its control API; values are sent as JSON."""
        request = urllib.request.Request(
            f"{self.address}/_control/{path}",
            data=None if values is None else json.dumps(values).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(
                f"The simulator of {self.name} refuses {path}: {error.read().decode()[:500]}"
            ) from error


def start(stack: Stack, name: str, port: int = 0, state: Path | None = None) -> Gateway:
    """Start a gateway's simulator; with a folder it keeps orders and keys over restarts."""
    line = [str(paths.PYTHON), "-m", f"gateways.{name}", f"--port={port}"]
    if state:
        line.append(f"--state={paths.make(state)}")
    env = {**os.environ, "PYTHONPATH": str(paths.ROOT / "tests"), "PYTHONUNBUFFERED": "1"}
    child = stack.run(f"gateway_{name}", line, env)
    child.wait_until(lambda: _ready(child), READY_SECONDS, "accepting connections")
    return Gateway(name, child, _ready(child)["address"])


def _ready(child: Child) -> dict | None:
    """Give the line by which a simulator says where it listens."""
    lines = child.output().splitlines(keepends=True)
    ready = [line for line in lines if line.startswith('{"ready"') and line.endswith("\n")]
    return json.loads(ready[0]) if ready else None
