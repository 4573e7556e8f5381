"""The change to another root key: everything is wrapped anew in one transaction."""

from time import sleep

from . import certificates
from .actions import key_name
from .authority import authority_name
from .errors import KeysError
from .root import RootKey
from .work import ROOT, Outcome, Work

PAUSE_EVERY = 20
PAUSE_SECONDS = 0.002

KEYS = """
SELECT id, serial, version, root_id, wrapped FROM acrel_link_key WHERE wrapped IS NOT NULL
"""
AUTHORITIES = """
SELECT id, fingerprint, root_id, wrapped FROM acrel_key_authority WHERE wrapped IS NOT NULL
"""
# A key that was retired or revoked meanwhile stays erased.
MOVE = """
UPDATE {} t SET wrapped = n.wrapped, root_id = %s
  FROM unnest(%s::integer[], %s::bytea[]) AS n (id, wrapped)
 WHERE t.id = n.id AND t.wrapped IS NOT NULL
"""
BEHIND = """
SELECT name || ' on ' || host FROM acrel_link_worker
 WHERE stopped_at IS NULL AND seen_at > clock_timestamp() - interval '30 s'
   AND roots <> '' AND NOT %s = ANY(string_to_array(roots, ' '))
"""
GIVE_UP_KEYS = """
UPDATE acrel_link_key SET state = 'revoked', wrapped = NULL, root_id = NULL,
       since = clock_timestamp() WHERE wrapped IS NOT NULL RETURNING id
"""
GIVE_UP_CERTIFICATES = """
UPDATE acrel_link_certificate SET state = 'revoked', revoked_at = clock_timestamp()
 WHERE state = 'valid' RETURNING id
"""
RETIRE = """
UPDATE acrel_root_key SET state = 'retired', retired_at = clock_timestamp() WHERE state = 'current'
"""
TAKE = """
INSERT INTO acrel_root_key (root_id, sentinel, state, made_at)
VALUES (%s, %s, 'current', clock_timestamp())
ON CONFLICT (root_id) DO UPDATE SET state = 'current', retired_at = NULL
"""


def roll(work: Work) -> Outcome:
    """Wrap everything under the root key named, or under the last one loaded.

    Rows are locked only by the statements at the end: a meter that connects meanwhile does not
    wait for the arithmetic.
    """
    old = work.root()
    new = _new_root(work, old)
    behind = [row[0] for row in work.fetch(BEHIND, new.id)]
    if behind:
        raise KeysError(
            f"These link processes have not loaded root key {new.id} yet: {', '.join(behind)}. "
            "Put its file where they read it, and send them SIGHUP."
        )
    # first the root that rows refer to
    work.fetch(RETIRE)
    work.fetch(TAKE, new.id, new.sentinel())
    keys = [
        (row, key_name(serial, version), root_id, wrapped)
        for row, serial, version, root_id, wrapped in work.fetch(KEYS)
    ]
    authorities = [
        (row, authority_name(fingerprint), root_id, wrapped)
        for row, fingerprint, root_id, wrapped in work.fetch(AUTHORITIES)
    ]
    for table, rows in (("acrel_link_key", keys), ("acrel_key_authority", authorities)):
        wrapped = _wrap_anew(work, rows, new)
        work.fetch(MOVE.format(table), new.id, [row[0] for row in rows], wrapped)
    work.log("root_rolled", detail=f"from {old.id} to {new.id}, {len(keys)} keys")
    return Outcome(
        f"{len(keys)} keys and {len(authorities)} authorities are wrapped under root key "
        f"{new.id}. Keep {old.id} as long as you keep backups of before."
    )


def start_over(work: Work) -> Outcome:
    """Give up a root key that is lost, with everything under it."""
    current = work.fetch(ROOT)
    if current and current[0][0] in work.roots:
        raise KeysError(
            f"The root key {current[0][0]} is not lost, it is loaded: roll it, or revoke keys."
        )
    keys = len(work.fetch(GIVE_UP_KEYS))
    certified = len(work.fetch(GIVE_UP_CERTIFICATES))
    work.fetch(certificates.RETIRE)
    work.fetch(RETIRE)
    work.log("started_over", detail=f"{keys} keys and {certified} certificates revoked")
    return Outcome(
        f"{keys} keys and {certified} certificates are revoked. Make a root key, and hand over "
        "every link anew."
    )


def _new_root(work: Work, old: RootKey) -> RootKey:
    root_id = work.job.parameters.get("root_id")
    if root_id is None:
        root_id = list(work.roots)[-1]
    if root_id == old.id:
        raise KeysError(
            f"There is no other root key than {old.id}: add one with odoo meter_keys make-root "
            "--add --out FILE, and send the link processes SIGHUP."
        )
    return work.roots[root_id]


def _wrap_anew(work: Work, rows: list[tuple], new: RootKey) -> list[bytes]:
    wrapped_anew = []
    for count, (_, name, root_id, wrapped) in enumerate(rows, 1):
        wrapped_anew.append(new.wrap(name, work.roots[root_id].unwrap(name, wrapped)))
        if count % PAUSE_EVERY == 0:
            # the loop that serves the meters shares the interpreter with this thread
            sleep(PAUSE_SECONDS)
    return wrapped_anew
