"""What every action on keys has at hand: the transaction, the root keys, the order, the log."""

from dataclasses import dataclass
from typing import Any

import psycopg

from .errors import KeysError, RootKeyError
from .package import Payload, Recipient, seal
from .root import VARIABLE, RootKey, RootKeys

NO_ROOT = (
    "There is no root key: make one with odoo meter_keys make-root --out FILE, keep a copy of it "
    f"at another place, and name the file in {VARIABLE}."
)

ROOT = "SELECT root_id, sentinel FROM acrel_root_key WHERE state = 'current'"
ADOPT = """
INSERT INTO acrel_root_key (root_id, sentinel, state, made_at)
VALUES (%s, %s, 'current', clock_timestamp()) ON CONFLICT DO NOTHING
"""
LINKS = """
SELECT id, serial, company_id FROM acrel_link WHERE id = ANY(%s) AND active ORDER BY serial
"""
LOG = """
INSERT INTO acrel_key_log (actor, action, company_id, link_id, serial, version, job_id, detail)
VALUES (%(actor)s, %(action)s, %(company_id)s, %(link_id)s, %(serial)s, %(version)s, %(job_id)s,
        %(detail)s)
"""


@dataclass(frozen=True)
class Link:
    """A link that keys are made for."""

    id: int
    serial: str
    company_id: int | None


@dataclass(frozen=True)
class Job:
    """An order, as its row says."""

    id: int
    kind: str
    company_id: int | None
    link_ids: list[int]
    parameters: dict[str, Any]
    recipient: dict[str, str] | None
    actor: str


@dataclass(frozen=True)
class Outcome:
    """What an action ended with: a sentence, and perhaps bytes to hand over."""

    message: str
    result: bytes | None = None
    name: str | None = None


@dataclass(frozen=True)
class Work:
    """One order being carried out; everything happens in its one transaction."""

    connection: psycopg.Connection
    roots: RootKeys
    job: Job

    def fetch(self, sql: str, *arguments: Any) -> list[tuple]:
        """Run a statement and return its rows."""
        cursor = self.connection.execute(sql, arguments)
        return cursor.fetchall() if cursor.description else []

    def log(
        self,
        action: str,
        link: Link | None = None,
        version: int | None = None,
        detail: str | None = None,
    ) -> None:
        """Add to the log what was done."""
        row = {
            "actor": self.job.actor,
            "action": action,
            "company_id": link.company_id if link else self.job.company_id,
            "link_id": link.id if link else None,
            "serial": link.serial if link else None,
            "version": version,
            "job_id": self.job.id,
            "detail": detail,
        }
        self.connection.execute(LOG, row)

    def links(self) -> list[Link]:
        """Return the links of the order.

        :raise KeysError: when there is none, or one is archived or gone
        """
        links = [Link(*row) for row in self.fetch(LINKS, self.job.link_ids)]
        missing = set(self.job.link_ids) - {link.id for link in links}
        if missing or not links:
            which = ", ".join(map(str, sorted(missing))) or "none named"
            raise KeysError(f"A link is archived or gone ({which}): nothing was done.")
        return links

    def root(self) -> RootKey:
        """Return the root key that the database works with."""
        return current_root(self.connection, self.roots)

    def package(self, payload: Payload) -> bytes:
        """Encrypt what is handed over to the one whom the order names."""
        if self.job.recipient is None:
            raise KeysError(
                "Nobody is named who could open the package: give a passphrase or the "
                "installer's public key."
            )
        return seal(payload, Recipient.of_record(self.job.recipient))


def current_root(connection: psycopg.Connection, roots: RootKeys) -> RootKey:
    """Return the database's root key; a database that has none yet takes the first loaded.

    :raise RootKeyError: when it is not among those loaded
    """
    if not roots:
        raise RootKeyError(NO_ROOT)
    if connection.execute(ROOT).fetchone() is None:
        connection.execute(ADOPT, (roots.first.id, roots.first.sentinel()))
    root_id, sentinel = connection.execute(ROOT).fetchone()
    if root_id not in roots:
        raise RootKeyError(
            f"This database's keys are wrapped under root key {root_id}, and {VARIABLE} names "
            f"another ({', '.join(roots)}): name the file that holds it."
        )
    if not roots[root_id].proves(sentinel):
        raise RootKeyError(
            f"The sentinel of root key {root_id} in the database does not open: the row in "
            "acrel_root_key was changed. Restore the database from a backup."
        )
    return roots[root_id]
