"""Current through a contactor that reads open: its contacts are welded, or it is bridged."""

import asyncio

from .context import Context
from .incidents import Subject
from .reading import Reading

STUCK_CURRENT = 50  # raw, 0.5 A on the meter's side: more flows through no open contactor


class Current:
    """Watches one opened output."""

    def __init__(self, context: Context, subject: Subject):
        self._context, self._subject = context, subject
        self._opened_at = 0.0

    def opened(self) -> None:
        """Note that it opens now; the meter's values lag a little behind."""
        self._opened_at = asyncio.get_running_loop().time()

    def check(self, reading: Reading) -> None:
        """Tell when current flows although the output reads open."""
        passed = asyncio.get_running_loop().time() - self._opened_at
        currents = [reading.get(name) for name in ("ia", "ib", "ic")]
        if None in currents or passed < self._context.settings.poll_closed:
            return
        if max(currents) < STUCK_CURRENT:
            self._context.incidents.end("closed_itself", self._subject)
            return
        self._context.incidents.begin(
            "closed_itself",
            self._subject,
            f"{max(currents) / 100:.2f} A flow on the meter's side although the contactor reads "
            "open.",
        )
