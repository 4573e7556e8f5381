"""Beijing time: the gateway's wall clock is UTC+8, whatever the server's zone is."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

BEIJING = ZoneInfo("Asia/Shanghai")


def beijing_text(moment):
    """Return an aware or naive-UTC moment as the gateway's `YYYY-MM-DD HH:MM:SS` in Beijing."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def utc_from_beijing(text):
    """Return the naive UTC moment of a gateway time; ValueError when it is none."""
    moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=BEIJING).astimezone(UTC).replace(tzinfo=None)
