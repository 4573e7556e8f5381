"""Actions of the operator's authority: make it, certify, revoke, list what is revoked."""

from datetime import UTC, datetime

from .authority import (
    Issued,
    authority_name,
    certify_link,
    certify_listener,
    make_authority,
    restore,
    revocation_list,
    scalar,
)
from .errors import KeysError
from .package import LinkCertificate, Payload
from .work import Outcome, Work

DAYS, MOST_DAYS = 1095, 3650
DEFAULT_NAME = "Meter link authority"

CURRENT = """
SELECT id, fingerprint, root_id, wrapped, certificate FROM acrel_key_authority
 WHERE state = 'current'
"""
RETIRE = """
UPDATE acrel_key_authority SET state = 'retired', wrapped = NULL, root_id = NULL
 WHERE state = 'current'
"""
MAKE = """
INSERT INTO acrel_key_authority (name, state, root_id, wrapped, certificate, fingerprint, made_at,
                                 not_after)
VALUES (%s, 'current', %s, %s, %s, %s, clock_timestamp(), %s)
"""
CERTIFY = """
INSERT INTO acrel_link_certificate (authority_id, link_id, serial, number, fingerprint,
                                    certificate, state, made_at, not_after)
VALUES (%s, %s, %s, %s, %s, %s, 'valid', clock_timestamp(), %s)
"""
REVOKE = """
UPDATE acrel_link_certificate SET state = 'revoked', revoked_at = clock_timestamp()
 WHERE link_id = %s AND state = 'valid' AND (%s::text IS NULL OR number = %s)
RETURNING number
"""
REVOKED = """
SELECT number, revoked_at FROM acrel_link_certificate
 WHERE authority_id = %s AND state = 'revoked' AND not_after > clock_timestamp() ORDER BY id
"""
NEXT_LIST = """
UPDATE acrel_key_authority SET crl_number = crl_number + 1 WHERE id = %s RETURNING crl_number
"""


def authority(work: Work) -> Outcome:
    """Make the authority; a second one only when told to replace the first."""
    name = work.job.parameters.get("name") or DEFAULT_NAME
    replace = bool(work.job.parameters.get("replace"))
    if work.fetch(CURRENT) and not replace:
        raise KeysError(
            "There is an authority already: use it, or say that it shall be replaced. "
            "Certificates that it made stay valid until they end or are revoked."
        )
    root, made = work.root(), make_authority(name)
    wrapped = root.wrap(authority_name(made.fingerprint), scalar(made))
    work.fetch(RETIRE)
    work.fetch(MAKE, name, root.id, wrapped, made.pem, made.fingerprint, made.not_after)
    work.log("authority_made", detail=f"{name}, {made.number}")
    return Outcome(f"The authority “{name}” is made.", made.pem.encode(), "authority.pem")


def certificate(work: Work) -> Outcome:
    """Make key and certificate of each link, and hand them over."""
    days = _days(work)
    authority_id, issuer = _authority(work)
    handed = []
    for link in work.links():
        made = certify_link(issuer, link.serial, days)
        work.fetch(
            CERTIFY,
            authority_id,
            link.id,
            link.serial,
            made.number,
            made.fingerprint,
            made.pem,
            made.not_after,
        )
        handed.append(LinkCertificate(link.serial, made.private_pem, made.pem, issuer.pem))
        work.log("certified", link, detail=made.number)
    result = work.package(Payload(certificates=tuple(handed)))
    which = handed[0].serial if len(handed) == 1 else work.job.id
    return Outcome(f"{len(handed)} certified.", result, f"certificates-{which}.json")


def listener_certificate(work: Work) -> Outcome:
    """Make key and certificate of a listener, and hand them over."""
    names = work.job.parameters.get("names") or []
    if not names:
        raise KeysError("No name or address is given by which meters reach the listener.")
    _, issuer = _authority(work)
    made = certify_listener(issuer, names, _days(work))
    handed = LinkCertificate(names[0], made.private_pem, made.pem, issuer.pem)
    work.log("listener_certified", detail=f"{', '.join(names)}, {made.number}")
    result = work.package(Payload(certificates=(handed,)))
    return Outcome(f"The listener {names[0]} is certified.", result, "listener.json")


def revoke_certificate(work: Work) -> Outcome:
    """Refuse the links' certificates from now on, or the one of that number."""
    number, reason = (work.job.parameters.get(name) for name in ("number", "reason"))
    count = 0
    for link in work.links():
        for (revoked,) in work.fetch(REVOKE, link.id, number, number):
            work.log("certificate_revoked", link, detail=f"{revoked} {reason or ''}".strip())
            count += 1
    if not count:
        raise KeysError("No valid certificate was there to be revoked.")
    return Outcome(f"{count} revoked; open connections are closed.")


def revocation(work: Work) -> Outcome:
    """Sign the list of revoked certificates: an export, nobody here reads it."""
    authority_id, issuer = _authority(work)
    [(number,)] = work.fetch(NEXT_LIST, authority_id)
    revoked = work.fetch(REVOKED, authority_id)
    listed = revocation_list(issuer, number, revoked, datetime.now(UTC))
    work.log("revocation_list", detail=f"number {number}, {len(revoked)} entries")
    return Outcome(f"{len(revoked)} revoked certificates listed.", listed, "revoked.pem")


def _authority(work: Work) -> tuple[int, Issued]:
    rows = work.fetch(CURRENT)
    if not rows:
        raise KeysError("There is no authority yet: make one first.")
    [(authority_id, fingerprint, root_id, wrapped, pem)] = rows
    return authority_id, restore(
        pem, work.roots[root_id].unwrap(authority_name(fingerprint), wrapped)
    )


def _days(work: Work) -> int:
    days = work.job.parameters.get("days") or DAYS
    if not 0 < days <= MOST_DAYS:
        raise KeysError(f"A certificate lasts 1 to {MOST_DAYS} days, not {days}.")
    return days
