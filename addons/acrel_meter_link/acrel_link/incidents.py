"""Events of the link process: written once each, however often their cause is seen."""

import logging
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from .clock import Clock
from .events import LINK_KINDS
from .store import Writer

log = logging.getLogger(__name__)

PAUSE = timedelta(minutes=1)
MEMORY = 10_000

# The same statements again, after a commit whose answer was lost or from the spool, add nothing.
INSERT = """
INSERT INTO acrel_event (kind, severity, link_id, meter_id, output_id, begin_at, end_at, message)
SELECT %(kind)s::text, %(severity)s::text, %(link)s::integer, %(meter)s::integer,
       %(output)s::integer, %(begin)s::timestamp, %(end)s::timestamp, %(message)s::text
 WHERE NOT EXISTS (
       SELECT 1 FROM acrel_event
        WHERE kind = %(kind)s::text AND (end_at IS NULL OR begin_at = %(begin)s::timestamp)
          AND link_id IS NOT DISTINCT FROM %(link)s::integer
          AND meter_id IS NOT DISTINCT FROM %(meter)s::integer
          AND output_id IS NOT DISTINCT FROM %(output)s::integer)
"""
END = """
UPDATE acrel_event SET end_at = %(end)s::timestamp
 WHERE kind = %(kind)s::text AND end_at IS NULL AND begin_at <= %(end)s::timestamp
   AND link_id IS NOT DISTINCT FROM %(link)s::integer
   AND meter_id IS NOT DISTINCT FROM %(meter)s::integer
   AND output_id IS NOT DISTINCT FROM %(output)s::integer
"""


class Subject(NamedTuple):
    """What an event is about."""

    link: int | None = None
    meter: int | None = None
    output: int | None = None


class Incidents:
    """Raises events; a lasting one stays open until it is ended, the others end as they begin."""

    def __init__(self, writer: Writer, clock: Clock):
        self._writer, self._clock = writer, clock
        writer.keep("event", INSERT)
        writer.keep("event end", END)
        self._lasting: set[tuple[str, Subject]] = set()
        self._recent: dict[tuple[str, Subject], object] = {}
        self.counts: Counter[str] = Counter()  # events written, by kind
        self.serial_of: Callable[[Subject], str] = lambda subject: ""  # for the log

    def note(self, kind: str, subject: Subject, message: str) -> None:
        """Write an event that ends as it begins, once a minute at most for one subject."""
        now = self._clock.now()
        last = self._recent.get((kind, subject))
        if last is not None and timedelta() <= now - last < PAUSE:
            return
        if len(self._recent) >= MEMORY:
            self._recent.clear()
        self._recent[kind, subject] = now
        self._insert(kind, subject, message, now, now)

    def begin(self, kind: str, subject: Subject, message: str) -> None:
        """Open a lasting event, unless it is open already."""
        if (kind, subject) not in self._lasting:
            self._lasting.add((kind, subject))
            self._insert(kind, subject, message, self._clock.now(), None)

    def end(self, kind: str, subject: Subject) -> None:
        """End a lasting event that this process opened or found at its start."""
        if (kind, subject) in self._lasting:
            self._lasting.discard((kind, subject))
            arguments = {"kind": kind, "end": self._clock.now(), **subject._asdict()}
            self._writer.execute(END, arguments, kept="event end")

    def found(self, kind: str, subject: Subject) -> None:
        """Remember an event that an earlier process left open."""
        self._lasting.add((kind, subject))

    def _insert(self, kind, subject, message, begin, end) -> None:
        self.counts[kind] += 1
        about = {"serial": self.serial_of(subject)}
        log.warning("%s %s: %s", kind, _words(subject), message, extra=about)
        self._writer.execute(
            INSERT,
            {
                "kind": kind,
                "severity": LINK_KINDS[kind],
                "begin": begin,
                "end": end,
                "message": message,
                **subject._asdict(),
            },
            kept="event",
        )


def _words(subject: Subject) -> str:
    return ", ".join(f"{name} {value}" for name, value in subject._asdict().items() if value)
