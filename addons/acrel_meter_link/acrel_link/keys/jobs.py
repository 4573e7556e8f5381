"""Carrying out what was ordered: one job in one transaction with all its effects.

A process that dies in between leaves the job queued and nothing done; two processes take turns by
a lock, and the second finds the job's row ended. So each job happens exactly once.
"""

import logging
from collections.abc import Callable

import psycopg

from . import actions, certificates, roll
from .errors import KeysError
from .root import RootKeys
from .work import LOG, Job, Outcome, Work

log = logging.getLogger(__name__)

ACTIONS: dict[str, Callable[[Work], Outcome]] = {
    "issue": actions.issue,
    "reissue": actions.reissue,
    "hand_over": actions.hand_over,
    "rotate": actions.rotate,
    "revoke": actions.revoke,
    "accept_sim": actions.accept_sim,
    "roll": roll.roll,
    "start_over": roll.start_over,
    "authority": certificates.authority,
    "certificate": certificates.certificate,
    "listener_certificate": certificates.listener_certificate,
    "revoke_certificate": certificates.revoke_certificate,
    "revocation_list": certificates.revocation,
}
WITHOUT_ROOT = ("revoke", "revoke_certificate", "accept_sim", "start_over")
"""What is done at once also by a process that has no root key: nothing is unwrapped for it."""

KEPT_DAYS = 7

TAKE_TURNS = "SELECT pg_advisory_xact_lock(hashtext('acrel_key_jobs'))"
NEXT = """
SELECT id, kind, company_id, link_ids, parameters, recipient, actor FROM acrel_key_job
 WHERE state = 'queued' AND id = coalesce(%s, id) AND (%s OR kind = ANY(%s))
 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
END = """
UPDATE acrel_key_job SET state = %s, message = %s, result = %s, result_name = %s,
       recipient = NULL, worker_id = %s, finished_at = clock_timestamp() WHERE id = %s
"""
WAKE = "SELECT pg_notify('acrel_link', '')"
# What nobody fetched is deleted: the key in it counts as handed over and is issued anew.
EXPIRE = """
WITH expired AS (
    UPDATE acrel_key_job SET result = NULL, ticket = NULL,
           message = message || ' Nobody fetched the file within a week: it was deleted.'
     WHERE result IS NOT NULL AND finished_at < clock_timestamp() - %s * interval '1 day'
    RETURNING id, company_id
)
INSERT INTO acrel_key_log (actor, action, company_id, job_id)
SELECT 'link process', 'package_expired', company_id, id FROM expired
"""


def carry_out(
    connection: psycopg.Connection,
    roots: RootKeys,
    worker_id: int | None = None,
    job_id: int | None = None,
) -> tuple[int, bool] | None:
    """Carry out the oldest job that waits, or a certain one.

    :param connection: in autocommit mode
    :return: the job's id and whether it was done; None when none waits
    """
    with connection.transaction():
        connection.execute(TAKE_TURNS)
        row = connection.execute(NEXT, (job_id, bool(roots), list(WITHOUT_ROOT))).fetchone()
        if row is None:
            return None
        job = Job(*row)
        state, outcome = _act(Work(connection, roots, job))
        connection.execute(
            END, (state, outcome.message, outcome.result, outcome.name, worker_id, job.id)
        )
        connection.execute(WAKE)
    return job.id, state == "done"


def _act(work: Work) -> tuple[str, Outcome]:
    """Do it, or undo all of it and say why not."""
    connection, job = work.connection, work.job
    try:
        with connection.transaction():
            return "done", ACTIONS[job.kind](work)
    except KeysError as error:
        reason = str(error)
    except psycopg.OperationalError:
        raise
    except Exception:
        log.exception("Key job %d (%s) failed.", job.id, job.kind)
        reason = "It could not be carried out; the link process's log says why."
    row = {"actor": job.actor, "action": f"{job.kind}_refused", "company_id": job.company_id}
    empty = dict.fromkeys(("link_id", "serial", "version"))
    connection.execute(LOG, row | empty | {"job_id": job.id, "detail": reason})
    return "failed", Outcome(reason)


def expire(connection: psycopg.Connection) -> None:
    """Delete packages that nobody fetched."""
    connection.execute(EXPIRE, (KEPT_DAYS,))
