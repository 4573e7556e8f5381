"""An event loop whose time passes only when nothing is left to do, so hours are tested at once."""

import asyncio
import selectors


class _Selector(selectors.DefaultSelector):
    def __init__(self):
        super().__init__()
        self.passed = 0.0

    def select(self, timeout=None):
        """Let the time pass that the loop would have waited."""
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("the loop would wait for ever")
        if not ready:
            self.passed += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on a clock of its own; `time` starts at 0."""

    def __init__(self):
        self._virtual = _Selector()
        super().__init__(self._virtual)
        # a timer counts as due within the clock's resolution
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._virtual.passed
