"""The change to another root key: everything is wrapped anew in one transaction."""

from time import sleep

from .actions import key_name
from .authority import authority_name
from .errors import KeysError
from .root import RootKey
from .work import Outcome, Work

PAUSE_EVERY = 20
PAUSE_SECONDS = 0.002

KEYS = """
SELECT id, serial, version, root_id, wrapped FROM acrel_link_key WHERE wrapped IS NOT NULL
"""
AUTHORITIES = "SELECT id, fingerprint, root_id, wrapped FROM acrel_key_authority"
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
