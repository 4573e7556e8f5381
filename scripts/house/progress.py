"""Progress of the set-up, a line a step."""

import sys
import time


class Steps:
    """Numbered steps of one command: `[2/6] PostgreSQL … 3 s`."""

    def __init__(self, total: int):
        self.total = total
        self.number = 0
        self.began = time.monotonic()

    def step(self, text: str) -> None:
        """Begin the next step."""
        self.number += 1
        self.note(f"[{self.number}/{self.total}] {text}")

    def note(self, text: str) -> None:
        """Say something inside the running step."""
        # Standard output is for what a command was asked for.
        print(text, file=sys.stderr, flush=True)

    def seconds(self) -> float:
        """Say how long the command has taken so far."""
        return time.monotonic() - self.began
