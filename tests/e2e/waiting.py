"""Waiting for what processes do, without guessing how long they take."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def eventually(
    condition: Callable[[], Value], what: str | Callable[[], str], seconds: float = 30
) -> Value:
    """Return the first true value of `condition`; fail with `what` when none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            said = what() if callable(what) else what
            raise AssertionError(f"Not within {seconds:g} s: {said}")
        time.sleep(0.05)
