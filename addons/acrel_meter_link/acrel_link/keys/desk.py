"""What the link process does about keys beside its sockets: take over changes, carry out jobs."""

import asyncio
import logging
from time import monotonic

import psycopg

from ..database import AWAY, CONNECT, Database
from ..settings import SettingsError
from .errors import KeysError
from .jobs import carry_out, expire
from .ring import KeyRing
from .work import current_root

log = logging.getLogger(__name__)

PAUSE = 0.5  # s

WAITING = """
SELECT EXISTS (SELECT FROM acrel_key_job WHERE state = 'queued'),
       EXISTS (SELECT FROM acrel_key_job WHERE result IS NOT NULL
                  AND finished_at < clock_timestamp() - interval '7 days')
"""
TELL_ROOTS = "UPDATE acrel_link_worker SET roots = %s WHERE id = %s"


class KeyDesk:
    """Keeps the ring in step with the database and does what people ordered."""

    def __init__(self, ring: KeyRing, dsn: str, database: Database):
        self._ring, self._dsn, self._database = ring, dsn, database
        self._wake = asyncio.Event()
        self.worker_id: int | None = None
        self._told: str | None = None

    async def load(self) -> None:
        """Read the root keys, have the database prove them, read the device keys.

        :raise SettingsError: when the root keys are not this database's
        """
        self._ring.load_roots()
        if self._ring.roots:
            try:
                await asyncio.to_thread(self._prove)
            except KeysError as error:
                raise SettingsError(f"acrel_link: {error}") from error
        await self._ring.refresh()

    def _prove(self) -> None:
        with psycopg.connect(
            self._dsn, **CONNECT, application_name="acrel_link keys"
        ) as connection:
            current_root(connection, self._ring.roots)

    def wake(self) -> None:
        """Look soon whether something changed or was ordered."""
        self._wake.set()

    def reload(self) -> None:
        """Read the root key files again."""
        if self._ring.reload():
            self.wake()

    async def run(self) -> None:
        """Work whenever woken, but not again and again where many wake-ups come."""
        looked = -PAUSE
        while True:
            await self._wake.wait()
            await asyncio.sleep(max(0.0, looked + PAUSE - monotonic()))
            self._wake.clear()
            looked = monotonic()
            try:
                await self.work()
            except AWAY as error:
                if asyncio.current_task().cancelling():
                    # psycopg answers a cancellation with the error of its statement
                    raise asyncio.CancelledError from error
                log.warning("Keys wait for the database: %s", " ".join(str(error).split()))

    async def work(self) -> None:
        """Take over what changed, carry out what was ordered."""
        roots = " ".join(self._ring.roots)
        if roots != self._told:
            await self._database.fetch(TELL_ROOTS, (roots, self.worker_id))
            self._told = roots
        await self._ring.refresh()
        [(ordered, expired)] = await self._database.fetch(WAITING)
        if ordered or expired:
            await asyncio.to_thread(self._carry_out)
            await self._ring.refresh()

    def _carry_out(self) -> None:
        with psycopg.connect(
            self._dsn, **CONNECT, application_name="acrel_link keys"
        ) as connection:
            while (ended := carry_out(connection, self._ring.roots, self.worker_id)) is not None:
                log.info("Key job %d %s.", ended[0], "done" if ended[1] else "refused")
            expire(connection)
