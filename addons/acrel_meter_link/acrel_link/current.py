"""A contactor that is open by its relay and closed by its current or feedback: it is stuck."""

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
        measured = [reading.get(name) for name in ("ia", "ib", "ic")]
        currents = [current for current in measured if current is not None]
        if passed < self._context.settings.poll_closed:
            return
        if not currents or max(currents) < STUCK_CURRENT:
            self._context.incidents.end("contactor_stuck", self._subject)
            return
        self.stuck(f"{max(currents) / 100:.2f} A flow on the meter's side")

    def stuck(self, sign: str) -> None:
        """Tell that the contactor is closed although its relay is open, and what to do."""
        self._context.incidents.begin(
            "contactor_stuck",
            self._subject,
            f"The relay is open, but {sign}: the contactor's contacts may be welded, or it is "
            "bridged, and nobody can switch it from here. Switch the supply off upstream, lock it "
            "and let an electrician replace the contactor; then open the output once more.",
        )
