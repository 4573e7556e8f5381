"""What systemd is told: that the agent is ready, and now and then that it lives."""

import asyncio
import os
import socket


def notify(state: str) -> None:
    """Send one line to systemd; nothing where it did not start this process."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.sendto(state.encode(), address)


async def watchdog() -> None:
    """Tell systemd from within the loop that it still turns, twice as often as it asks for."""
    microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
    while microseconds:
        notify("WATCHDOG=1")
        await asyncio.sleep(microseconds / 2_000_000)
