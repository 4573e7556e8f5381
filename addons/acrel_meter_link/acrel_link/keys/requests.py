"""Orders to do something with keys: rows of acrel_key_job, as Odoo and the command line put them.

The statement is written for both psycopg's and psycopg2's placeholders.
"""

import json
from collections.abc import Sequence
from typing import Any

from .package import Recipient

KINDS = (
    "issue",
    "reissue",
    "hand_over",
    "rotate",
    "revoke",
    "accept_sim",
    "roll",
    "start_over",
    "authority",
    "certificate",
    "listener_certificate",
    "revoke_certificate",
    "revocation_list",
)

_ASK = """
INSERT INTO acrel_key_job (kind, company_id, link_ids, parameters, recipient, requested_by, actor)
VALUES (%(kind)s, %(company_id)s, %(link_ids)s::integer[], %(parameters)s::jsonb,
        %(recipient)s::jsonb, %(requested_by)s, %(actor)s)
RETURNING id, pg_notify('acrel_link', '')
"""


def ask(
    kind: str,
    actor: str,
    link_ids: Sequence[int] = (),
    *,
    parameters: dict[str, Any] | None = None,
    recipient: Recipient | None = None,
    company_id: int | None = None,
    requested_by: int | None = None,
) -> tuple[str, dict[str, Any]]:
    """Return the statement that orders an action, and its arguments; it returns the job's id.

    :param actor: who asks, in words, for the log
    :param parameters: what the action needs beside links; nothing secret
    :param recipient: who can open the package that results
    """
    if kind not in KINDS:
        raise ValueError(f"{kind} is no action on keys")
    return _ASK, {
        "kind": kind,
        "actor": actor,
        "link_ids": list(link_ids),
        "parameters": json.dumps(parameters or {}),
        "recipient": json.dumps(recipient.as_record()) if recipient else None,
        "company_id": company_id,
        "requested_by": requested_by,
    }
