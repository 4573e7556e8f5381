"""Which channel a link may use.

A link names its channel. Once it has completed a secured one, plain in its name is refused until
an operator allows it again, whatever channel it names.
"""

from datetime import datetime
from typing import NamedTuple

from .master import LinkSpec, Master


class Refusal(NamedTuple):
    """Why a connection may not be a link's; `kind` is the event."""

    kind: str
    message: str


class Policy:
    """Judges by what is in memory."""

    def __init__(self, master: Master):
        self._master = master

    def refusal(self, link: LinkSpec, channel: str) -> Refusal | None:
        """Return why a link may not use a channel; None when it may."""
        if channel == "plain" and (secured := self._secured_since_allowed(link)) is not None:
            return Refusal(
                "plain_refused",
                f"A plain connection in the name of {link.serial} was refused, because the link "
                f"has proven itself on a secured channel ({secured:%Y-%m-%d %H:%M} UTC). If its "
                "module was exchanged for one that speaks plain only, allow plain again at the "
                "link.",
            )
        if link.channel == channel:
            return None
        kind = "plain_refused" if channel == "plain" else "channel_refused"
        return Refusal(
            kind,
            f"A connection in the name of {link.serial} came over the channel {channel} and was "
            f"refused: the link's channel is {link.channel}.",
        )

    def _secured_since_allowed(self, link: LinkSpec) -> datetime | None:
        secured, allowed = self._master.secured.get(link.id), link.plain_allowed_at
        return secured if secured and (allowed is None or allowed < secured) else None
