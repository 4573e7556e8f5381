"""The spool of one link process: taken at its start, and what it goes through told as events."""

import socket

from .incidents import Incidents, Subject
from .settings import Settings, SettingsError
from .spool import Spool, SpoolTakenError
from .spooled import head
from .store import Writer

NOBODY = Subject()


def make_spool(settings: Settings) -> Spool | None:
    """Return the spool that the settings name, not opened yet."""
    if settings.spool is None:
        return None
    return Spool(settings.spool, settings.spool_bytes, head())


def open_spool(spool: Spool) -> None:
    """Take the folder; raise `SettingsError` when it cannot be had."""
    try:
        spool.open()
    except SpoolTakenError as error:
        raise SettingsError(
            f"acrel_link: {spool.folder} of ACREL_LINK_SPOOL is used by another link process: "
            "give each process a folder of its own."
        ) from error
    except OSError as error:
        raise SettingsError(
            f"acrel_link: {spool.folder} of ACREL_LINK_SPOOL cannot be used: "
            f"{error.strerror or error}."
        ) from error


def tell_of_spool(writer: Writer, incidents: Incidents) -> None:
    """Turn what happens to the spool into events."""
    detour, host = writer.detour, socket.gethostname()
    if detour is None:
        return
    folder = detour.spool.folder

    def on_way(taken: bool) -> None:
        if taken:
            incidents.begin(
                "spooling",
                NOBODY,
                f"PostgreSQL takes nothing: the link process on {host} keeps what arrives in "
                f"{folder} and stores it later, in order.",
            )
        else:
            incidents.end("spooling", NOBODY)

    def on_full(reason: str | None) -> None:
        if reason is None:
            incidents.end("spool_full", NOBODY)
            return
        incidents.begin(
            "spool_full",
            NOBODY,
            f"PostgreSQL takes nothing and the link process on {host} can keep nothing either: "
            f"{reason}. Nothing is acknowledged until one of them does; meters send it again.",
        )

    detour.on_way, detour.on_full = on_way, on_full
    detour.on_damage = lambda text: incidents.note("spool_damaged", NOBODY, f"On {host}: {text}")
