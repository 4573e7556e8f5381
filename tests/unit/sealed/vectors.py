"""One published exchange a suite, as bytes."""

import json
from pathlib import Path
from types import SimpleNamespace

_TEXT = ("serial", "key_version", "boot_counter", "server_time_ms")


def _decode(values: dict) -> dict:
    return {
        name: value if value is None or name in _TEXT else bytes.fromhex(value)
        for name, value in values.items()
    }


def _load() -> dict[int, SimpleNamespace]:
    content = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
    common = _decode(content["common"])
    return {
        int(number, 16): SimpleNamespace(suite=int(number, 16), **common, **_decode(values))
        for number, values in content["suites"].items()
    }


VECTORS = _load()
