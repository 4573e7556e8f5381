"""Device keys: issue, hand over, rotate, revoke."""

import os
from dataclasses import dataclass

from .check import check_value
from .errors import KeysError
from .package import LinkKey, Payload
from .work import Link, Outcome, Work

KEY_BYTES = 32
LAST_VERSION = 65535
TEST_VERSION = 0

SLOTS = "SELECT state, version FROM acrel_link_key WHERE link_id = %s AND wrapped IS NOT NULL"
LAST = "SELECT coalesce(max(version), 0) FROM acrel_link_key WHERE link_id = %s OR serial = %s"
INSERT = """
INSERT INTO acrel_link_key (link_id, serial, version, state, over_air, root_id, wrapped, made_at,
                            since)
VALUES (%s, %s, %s, %s, %s, %s, %s, clock_timestamp(), clock_timestamp())
"""
TO_HAND_OVER = """
UPDATE acrel_link_key SET handed_over_at = clock_timestamp()
 WHERE link_id = %s AND wrapped IS NOT NULL AND NOT over_air AND handed_over_at IS NULL
RETURNING version, root_id, wrapped
"""
FACTS = """
SELECT (SELECT bound_iccid FROM acrel_link_live WHERE link_id = %(link)s),
       (SELECT string_agg(DISTINCT profile, ',') FROM acrel_meter WHERE link_id = %(link)s
         AND active)
"""
REVOKE = """
UPDATE acrel_link_key SET state = 'revoked', wrapped = NULL, root_id = NULL,
       since = clock_timestamp()
 WHERE link_id = %s AND wrapped IS NOT NULL AND (%s::integer IS NULL OR version = %s)
RETURNING version
"""
REVOKE_CERTIFICATES = """
UPDATE acrel_link_certificate SET state = 'revoked', revoked_at = clock_timestamp()
 WHERE link_id = %s AND state = 'valid' RETURNING number
"""


# What is shown as the link's present card becomes the one that it is bound to.
ACCEPT_SIM = """
UPDATE acrel_link_live SET bound_iccid = nullif(iccid, '') WHERE link_id = %s RETURNING bound_iccid
"""


@dataclass(frozen=True)
class _Slots:
    """Which keys of a link can be used, by their version; None where the slot is empty."""

    current: int | None = None
    next: int | None = None
    lab: int | None = None


def key_name(serial: str, version: int) -> bytes:
    """Return the name under which a device key is wrapped."""
    return b"device key " + serial.encode() + b" " + str(version).encode()


def issue(work: Work) -> Outcome:
    """Make a new key for each link, and hand all of them over when a recipient is named."""
    links = work.links()
    lab = bool(work.job.parameters.get("lab"))
    versions = [_issue(work, link, lab) for link in links]
    made = _listed("Key", links, versions)
    if work.job.recipient is None:
        return Outcome(f"{made} issued; hand over to the bench is next.")
    return hand_over(work)


def reissue(work: Work) -> Outcome:
    """Revoke what the links have, and make new keys: the way after a key leaked or was lost."""
    for link in work.links():
        _revoke(work, link)
    return issue(work)


def hand_over(work: Work) -> Outcome:
    """Put the keys that nobody has seen yet into one package; each key is handed over once."""
    handed = []
    for link in work.links():
        iccid, model = work.connection.execute(FACTS, {"link": link.id}).fetchone()
        rows = work.fetch(TO_HAND_OVER, link.id)
        if not rows:
            raise KeysError(
                f"Link {link.serial} has no key that could be handed over: each is handed over "
                "once. Issue a new one; where a package was lost, reissue, which revokes it."
            )
        for version, root_id, wrapped in rows:
            key = work.roots[root_id].unwrap(key_name(link.serial, version), wrapped)
            handed.append(
                LinkKey(
                    link.serial,
                    iccid or "",
                    model or "",
                    version,
                    key,
                    check_value(key, link.serial),
                )
            )
            work.log("handed_over", link, version)
    result = work.package(Payload(links=tuple(handed)))
    name = f"keys-{handed[0].serial}.json" if len(handed) == 1 else f"keys-{work.job.id}.json"
    return Outcome(_plural(len(handed), "key") + " in a package, to be fetched once.", result, name)


def rotate(work: Work) -> Outcome:
    """Put a new key into each link's second slot; the link process sends it to the meter."""
    links = work.links()
    versions = []
    for link in links:
        slots = _slots(work, link)
        if slots.current is None:
            raise KeysError(
                f"Link {link.serial} has no key that could be rotated: issue one and hand it "
                "over at the bench."
            )
        _check_no_next(link, slots)
        versions.append(_insert(work, link, "next", over_air=True))
        work.log("rotation_begun", link, versions[-1])
    return Outcome(
        f"{_listed('Key', links, versions)} waits for its meter; the present one works until the "
        "meter has used the new one."
    )


def revoke(work: Work) -> Outcome:
    """Refuse from now on what the links have; without a version also their certificates."""
    version = work.job.parameters.get("version")
    count = sum(_revoke(work, link, version) for link in work.links())
    if not count:
        raise KeysError("Nothing was there to be revoked.")
    return Outcome(f"{_plural(count, 'credential')} revoked; open connections are closed.")


def accept_sim(work: Work) -> Outcome:
    """Bind the links to the SIM cards that they registered with last."""
    cards = []
    for link in work.links():
        for (iccid,) in work.fetch(ACCEPT_SIM, link.id):
            cards.append(iccid or "none")
            work.log("sim_accepted", link, detail=cards[-1])
    if not cards:
        raise KeysError("No link registered yet, so there is no SIM card to accept.")
    return Outcome(f"Bound to {', '.join(cards[:3])}{' and more' if len(cards) > 3 else ''}.")


def _issue(work: Work, link: Link, lab: bool) -> int:
    slots = _slots(work, link)
    if lab:
        if slots.lab is not None:
            raise KeysError(f"Link {link.serial} already has a key of the test range: revoke it.")
        state = "lab"
    else:
        _check_no_next(link, slots)
        state = "current" if slots.current is None else "next"
    version = _insert(work, link, state, over_air=False)
    work.log("issued", link, version)
    return version


def _insert(work: Work, link: Link, state: str, over_air: bool) -> int:
    [(last,)] = work.fetch(LAST, link.id, link.serial)
    version = TEST_VERSION if state == "lab" else last + 1
    if version > LAST_VERSION:
        raise KeysError(
            f"Link {link.serial} has used up all {LAST_VERSION} key versions: give its module a "
            "new serial number."
        )
    root = work.root()
    wrapped = root.wrap(key_name(link.serial, version), os.urandom(KEY_BYTES))
    work.fetch(INSERT, link.id, link.serial, version, state, over_air, root.id, wrapped)
    return version


def _slots(work: Work, link: Link) -> _Slots:
    return _Slots(**dict(work.fetch(SLOTS, link.id)))


def _check_no_next(link: Link, slots: _Slots) -> None:
    if slots.next is not None:
        raise KeysError(
            f"Link {link.serial} already has a next key (version {slots.next}) that its meter has "
            "not used yet: wait for it, or revoke that version."
        )


def _revoke(work: Work, link: Link, version: int | None = None) -> int:
    detail = work.job.parameters.get("reason")
    versions = [row[0] for row in work.fetch(REVOKE, link.id, version, version)]
    for one in versions:
        work.log("revoked", link, one, detail)
    numbers = [] if version is not None else work.fetch(REVOKE_CERTIFICATES, link.id)
    for (number,) in numbers:
        work.log("certificate_revoked", link, detail=f"{number} {detail or ''}".strip())
    return len(versions) + len(numbers)


def _listed(what: str, links: list[Link], versions: list[int]) -> str:
    """Name the first few."""
    named = ", ".join(
        f"{link.serial} version {version}"
        for link, version in zip(links[:3], versions, strict=False)
    )
    return f"{what} {named}" + (f" and {len(links) - 3} more" if len(links) > 3 else "")


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
