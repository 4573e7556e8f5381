"""Progress of the set-up, a line a step."""

import time


class Steps:
    """Numbered steps of one command: `[2/6] PostgreSQL … 3 s`."""

    def __init__(self, total: int, *, quiet: bool = False):
        self.total = total
        self.number = 0
        self.quiet = quiet
        self.began = time.monotonic()

    def step(self, text: str) -> None:
        """Begin the next step."""
        self.number += 1
        self.note(f"[{self.number}/{self.total}] {text}")

    def note(self, text: str) -> None:
        """Say something inside the running step."""
        if not self.quiet:
            print(text, flush=True)

    def seconds(self) -> float:
        """Say how long the command has taken so far."""
        return time.monotonic() - self.began
