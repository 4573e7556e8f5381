"""The keys that the link process knows, kept from the database and held in memory.

All are unwrapped when they are read, so that finding one costs the same whether it exists or not,
and so that links keep working while a root key is changed.
"""

import asyncio
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from ..clock import Clock
from ..database import Database
from ..settings import SettingsError
from ..store import Writer
from .actions import key_name
from .check import check_value
from .errors import KeysError, RootKeyError
from .root import VARIABLE, RootKeys, load

log = logging.getLogger(__name__)

# Whatever changes what this process must know changes one of these sums.
FINGERPRINT = """
SELECT (SELECT coalesce(sum(hashtextextended(
                   concat_ws('|', k.id, k.state, k.answered_at IS NULL, k.root_id), 0)), 0)
          FROM acrel_link_key k JOIN acrel_link l ON l.id = k.link_id AND l.serial = k.serial
         WHERE k.wrapped IS NOT NULL AND l.active)
     , (SELECT coalesce(sum(hashtextextended(concat_ws('|', c.id, c.state), 0)), 0)
          FROM acrel_link_certificate c JOIN acrel_link l ON l.id = c.link_id
           AND l.serial = c.serial
         WHERE c.state = 'valid' AND l.active AND c.not_after > clock_timestamp())
"""
KEYS = """
SELECT k.id, k.link_id, k.serial, k.version, k.state, k.root_id, k.wrapped,
       k.boot_counter::text, k.over_air AND k.answered_at IS NULL
  FROM acrel_link_key k JOIN acrel_link l ON l.id = k.link_id AND l.serial = k.serial
 WHERE k.wrapped IS NOT NULL AND l.active
"""
CERTIFICATES = """
SELECT c.fingerprint, c.link_id, c.not_after
  FROM acrel_link_certificate c JOIN acrel_link l ON l.id = c.link_id AND l.serial = c.serial
 WHERE c.state = 'valid' AND l.active AND c.not_after > clock_timestamp()
"""
REVOKED = "SELECT DISTINCT link_id FROM acrel_link_key WHERE id = ANY(%s) AND state = 'revoked'"

# The same statement again, after a commit whose answer was lost, counts as done.
OPENED = """
WITH mine AS (
    SELECT id, link_id, serial, version, state FROM acrel_link_key
     WHERE id = %(id)s AND wrapped IS NOT NULL
       AND (boot_counter < %(counter)s OR boot_counter = %(counter)s AND boot_at = %(at)s)
), moved AS (
    UPDATE acrel_link_key k
       SET boot_counter = CASE WHEN k.id = mine.id THEN %(counter)s ELSE k.boot_counter END,
           boot_at = CASE WHEN k.id = mine.id THEN %(at)s ELSE k.boot_at END,
           state = CASE WHEN k.id <> mine.id THEN 'retired'
                        WHEN k.state = 'next' THEN 'current' ELSE k.state END,
           wrapped = CASE WHEN k.id = mine.id THEN k.wrapped END,
           root_id = CASE WHEN k.id = mine.id THEN k.root_id END,
           answered_at = CASE WHEN k.id = mine.id AND k.state = 'next'
                              THEN coalesce(k.answered_at, %(at)s) ELSE k.answered_at END,
           since = CASE WHEN k.id <> mine.id OR k.state = 'next' THEN %(at)s ELSE k.since END
      FROM mine
     WHERE k.id = mine.id
        OR mine.state = 'next' AND k.link_id = mine.link_id AND k.state = 'current'
    RETURNING k.id
), told AS (
    INSERT INTO acrel_key_log (actor, action, company_id, link_id, serial, version)
    SELECT 'link process', 'rotated', l.company_id, mine.link_id, mine.serial, mine.version
      FROM mine LEFT JOIN acrel_link l ON l.id = mine.link_id WHERE mine.state = 'next'
)
SELECT count(*) FROM moved WHERE id = %(id)s
"""
ANSWERED = """
WITH answered AS (
    UPDATE acrel_link_key SET answered_at = %(at)s
     WHERE id = %(id)s AND state = 'next' AND answered_at IS NULL
    RETURNING link_id, serial, version
)
INSERT INTO acrel_key_log (actor, action, company_id, link_id, serial, version)
SELECT 'link process', 'stored_by_meter', l.company_id, a.link_id, a.serial, a.version
  FROM answered a LEFT JOIN acrel_link l ON l.id = a.link_id
"""


@dataclass(frozen=True)
class DeviceKey:
    """A key by which a link proves itself; `boot_counter` is the highest that it proved."""

    id: int
    link_id: int
    serial: str
    version: int
    key: bytes = field(repr=False)
    state: str
    boot_counter: int


@dataclass(frozen=True)
class RekeyOrder:
    """A next key to be sent to the meter, wrapped under the current one."""

    link_id: int
    version: int
    key: bytes = field(repr=False)
    current: DeviceKey


class KeyRing:
    """Finds keys and certificates; `on_revoked` and `on_rekey` are told the links concerned."""

    def __init__(self, root_key_file: str, database: Database, writer: Writer, clock: Clock):
        self._root_key_file, self._database = root_key_file, database
        self._writer, self._clock = writer, clock
        self.roots = RootKeys()
        self._keys: dict[tuple[str, int], DeviceKey] = {}
        self._by_link: dict[int, dict[str, DeviceKey]] = {}
        self._unanswered: set[int] = set()
        # what this process knows before its own statement is committed and read again
        self._promoted: set[int] = set()
        self._answered: set[int] = set()
        self._certificates: dict[bytes, tuple[int, datetime]] = {}
        self._fingerprint: tuple | None = None
        self.on_revoked: Callable[[set[int]], None] = lambda links: None
        self.on_rekey: Callable[[set[int]], None] = lambda links: None

    def __repr__(self) -> str:
        return f"KeyRing({len(self._keys)} keys, {len(self._certificates)} certificates)"

    # === ROOT KEYS === #

    def load_roots(self) -> None:
        """Read the root key files, at the start.

        :raise SettingsError: when one cannot be used
        """
        try:
            self.roots = load(self._root_key_file)
        except RootKeyError as error:
            raise SettingsError(f"acrel_link: {error}") from error

    def reload(self) -> bool:
        """Read the root key files again; what was loaded stays when that fails.

        :return: whether it did not
        """
        try:
            self.roots = load(self._root_key_file)
        except RootKeyError as error:
            log.error("The root keys stay as they were: %s", error)
            return False
        self._fingerprint = None
        log.info("Root keys loaded: %s.", ", ".join(self.roots) or "none")
        return True

    def require(self, channel: str) -> None:
        """Refuse to serve a secured channel without a root key.

        :raise SettingsError: with what to do
        """
        if not self.roots:
            raise SettingsError(
                f"acrel_link: the channel {channel} needs a root key and {VARIABLE} names none: "
                "make one with odoo meter_keys make-root --out FILE, keep a copy of it at another "
                f"place, and set {VARIABLE} to FILE."
            )

    # === WHAT IS KNOWN === #

    async def refresh(self) -> None:
        """Take over what changed in the database."""
        fingerprint = (await self._database.fetch(FINGERPRINT))[0]
        if fingerprint == self._fingerprint:
            return
        rows = await self._database.fetch(KEYS)
        certificates = await self._database.fetch(CERTIFICATES)
        known = {key.id: key for key in self._keys.values()}
        keys, unopened = await asyncio.to_thread(_opened, rows, known, self.roots)
        for reason, count in unopened.items():
            log.error("%d device keys cannot be used. %s", count, reason)
        gone = set(known) - {row[0] for row in rows}
        revoked = {row[0] for row in await self._database.fetch(REVOKED, (list(gone),))}
        left = set(self._certificates) - {row[0] for row in certificates}
        revoked |= {self._certificates[fingerprint][0] for fingerprint in left}
        before = self._unanswered
        self._take(keys, {row[0] for row in rows if row[8]})
        self._certificates = {row[0]: (row[1], row[2]) for row in certificates}
        self._fingerprint = fingerprint
        if revoked:
            self.on_revoked(revoked)
        ordered = {key.link_id for key in keys if key.id in self._unanswered - before}
        if ordered:
            self.on_rekey(ordered)

    def _take(self, read: list[DeviceKey], unanswered: set[int]) -> None:
        self._promoted &= {key.id for key in read if key.state == "next"}
        self._answered &= unanswered
        promoted = {key.link_id for key in read if key.id in self._promoted}
        counters = {key.id: key.boot_counter for key in self._keys.values()}
        self._keys, self._by_link = {}, {}
        for key in read:
            if key.state == "current" and key.link_id in promoted:
                continue
            self._hold(
                replace(
                    key,
                    state="current" if key.id in self._promoted else key.state,
                    boot_counter=max(key.boot_counter, counters.get(key.id, 0)),
                )
            )
        self._unanswered = unanswered - self._answered - self._promoted

    def _hold(self, key: DeviceKey) -> None:
        self._keys[key.serial, key.version] = key
        self._by_link.setdefault(key.link_id, {})[key.state] = key

    def find(self, serial: str, version: int) -> DeviceKey | None:
        """Return a key that may be used; None for an unknown or revoked one.

        One look-up in either case, so that its time tells nothing.
        """
        return self._keys.get((serial, version))

    def certificate(self, fingerprint: bytes) -> int | None:
        """Return the link whose valid certificate this is the SHA-256 of."""
        link_id, not_after = self._certificates.get(fingerprint, (None, None))
        return link_id if not_after and self._clock.now() < not_after else None

    # === WHAT A METER PROVED === #

    def opened(
        self, key: DeviceKey, boot_counter: int, refused: Callable[[], None] | None = None
    ) -> None:
        """Note a valid E3: the counter is used up, a next key becomes the current one.

        :param refused: called when the database knows better: a counter that another process has
            seen, or a key revoked meanwhile; the connection is to be closed
        """
        held = self._keys.get((key.serial, key.version))
        if held is not None and held.id == key.id:
            if held.state == "next":
                self._retire_current(held)
                held = replace(held, state="current")
            self._hold(replace(held, boot_counter=max(boot_counter, held.boot_counter)))

        def stored(count: int) -> None:
            if not count:
                self._promoted.discard(key.id)
                self._fingerprint = None
                if refused is not None:
                    refused()

        told = {"id": key.id, "counter": boot_counter, "at": self._clock.now()}
        self._writer.execute(OPENED, told, stored)

    def _retire_current(self, following: DeviceKey) -> None:
        """Empty both slots of a link whose meter uses its next key."""
        slots = self._by_link[following.link_id]
        retired = slots.pop("current", None)
        del slots["next"]
        if retired is not None:
            del self._keys[retired.serial, retired.version]
        self._promoted.add(following.id)
        self._unanswered.discard(following.id)

    def rekey_due(self, link_id: int) -> RekeyOrder | None:
        """Return the key to send to a meter that is open under its current one."""
        slots = self._by_link.get(link_id, {})
        current, following = slots.get("current"), slots.get("next")
        if current is None or following is None or following.id not in self._unanswered:
            return None
        return RekeyOrder(link_id, following.version, following.key, current)

    def rekeyed(self, link_id: int, version: int, kcv: bytes) -> bool:
        """Note that a meter has stored its next key, if its check value says so."""
        key = self._by_link.get(link_id, {}).get("next")
        if key is None or key.version != version:
            return False
        if not hmac.compare_digest(check_value(key.key, key.serial), kcv):
            return False
        self._answered.add(key.id)
        self._unanswered.discard(key.id)
        self._writer.execute(ANSWERED, {"id": key.id, "at": self._clock.now()})
        return True


def _opened(
    rows: list[tuple], known: dict[int, DeviceKey], roots: RootKeys
) -> tuple[list[DeviceKey], dict[str, int]]:
    """Unwrap the keys that are not known yet.

    :return: the keys, and why how many others do not open
    """
    keys, unopened = [], {}
    for row_id, link_id, serial, version, state, root_id, wrapped, counter, _ in rows:
        try:
            key = (
                known[row_id].key
                if row_id in known
                else roots[root_id].unwrap(key_name(serial, version), wrapped)
            )
        except KeysError as error:
            unopened[str(error)] = unopened.get(str(error), 0) + 1
            continue
        keys.append(DeviceKey(row_id, link_id, serial, version, key, state, int(counter)))
    return keys, unopened
