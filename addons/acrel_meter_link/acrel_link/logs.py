"""Log lines for people (text) or for programs (json), both with the serial number concerned.

A call names what it is about by `extra={"serial": …, "peer": …}`, or by a value of its message that
has such a dictionary as `about` (a connection, a bus, a meter): it is asked only when a line is
really written.
"""

import json
import logging
import sys
from datetime import UTC, datetime

ABOUT = ("serial", "peer")
"""Attributes of a record that become fields of their own."""


def _about(record: logging.LogRecord) -> dict[str, str]:
    """Return what a record is about, as far as it is known."""
    values = record.args if isinstance(record.args, tuple) else ()
    named = next((value.about for value in values if hasattr(value, "about")), {})
    found = named | {name: getattr(record, name) for name in ABOUT if hasattr(record, name)}
    return {name: value for name, value in found.items() if value}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, serial, peer, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= _about(record)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """One line for a terminal or the journal, the serial number before a message without it."""

    def __init__(self):
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(about)s%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        serial = _about(record).get("serial", "")
        record.about = "" if serial in record.getMessage() else f"[{serial}] "
        return super().format(record)


FORMATTERS = {"text": TextFormatter, "json": JsonFormatter}


def start(level: str, form: str) -> None:
    """Send all log lines to standard error in one of `FORMATTERS`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATTERS[form]())
    logging.basicConfig(level=level, handlers=[handler])
