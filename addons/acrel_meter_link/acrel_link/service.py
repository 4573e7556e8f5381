"""What a service manager is told: ready, reloading, alive, stopping (sd_notify of systemd).

The protocol is one datagram of lines, so no library is asked for; without NOTIFY_SOCKET nothing is
sent and nobody misses it.
"""

import logging
import os
import socket
import time

log = logging.getLogger(__name__)


class ServiceManager:
    """The service manager that started this process, if one did."""

    def __init__(self, environment: dict[str, str] | None = None):
        environment = os.environ if environment is None else environment
        address = environment.get("NOTIFY_SOCKET", "")
        # an abstract socket is written with @ for its leading NUL
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        # The variable that names one process is the supervisor's; its children are meant as well.
        self.wants_signs_of_life = bool(self._address and environment.get("WATCHDOG_USEC"))

    def ready(self, status: str) -> None:
        """Tell that peers can connect, at first and after a reload."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Tell that settings are read again; `ready` ends it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def alive(self) -> None:
        """Give a sign of life, without which the manager starts the service anew."""
        if self.wants_signs_of_life:
            self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Tell a sentence for the person who asks for the service's status."""
        self._tell(f"STATUS={text}")

    def stopping(self) -> None:
        """Tell that the end has begun."""
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("The service manager cannot be told %s: %s", lines[0], error)
