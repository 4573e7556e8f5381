"""What people ordered to be done with keys."""

import secrets
from hashlib import sha256

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ..access import require
from ..acrel_link.keys.requests import ask
from .link import WORKER_DEAD_SECONDS

GROUP = "group_key_officer"
TICKET_SECONDS = 60

TICKET = """
UPDATE acrel_key_job SET ticket = %s,
       ticket_until = now() AT TIME ZONE 'UTC' + %s * interval '1 second'
 WHERE id = %s AND result IS NOT NULL
"""
# What was fetched is gone from here; a second request of the same ticket finds nothing.
FETCH = """
UPDATE acrel_key_job j SET result = NULL, ticket = NULL, ticket_until = NULL,
       fetched_at = now() AT TIME ZONE 'UTC', fetched_by = %s
  FROM acrel_key_job old
 WHERE j.id = %s AND old.id = j.id AND old.result IS NOT NULL AND old.ticket = %s
   AND old.ticket_until > now() AT TIME ZONE 'UTC'
RETURNING old.result, old.result_name, old.company_id
"""
LOG_FETCHED = """
INSERT INTO acrel_key_log (actor, action, company_id, job_id, detail)
VALUES (%s, 'fetched', %s, %s, %s)
"""


class AcrelKeyJob(models.Model):
    """An order to the link processes, which alone hold the root key. Read-only here.

    A package that results stands encrypted in the row until it is fetched, once.
    """

    _name = "acrel.key.job"
    _description = "Key Job"
    _auto = False
    # a name of its own, so that Odoo leaves the columns of the real table alone
    _table = "acrel_key_job_seen"
    _log_access = False
    _order = "id desc"
    _rec_name = "kind"

    kind = fields.Selection(
        [
            ("issue", "Issue Key"),
            ("reissue", "Revoke and Issue Anew"),
            ("hand_over", "Hand Over Key"),
            ("rotate", "Rotate Key"),
            ("revoke", "Revoke"),
            ("accept_sim", "Accept SIM Card"),
            ("certificate", "Issue Certificate"),
            ("revoke_certificate", "Revoke Certificates"),
            ("authority", "Make Authority"),
            ("listener_certificate", "Issue Listener Certificate"),
            ("revocation_list", "Export Revocation List"),
            ("roll", "Roll Root Key"),
            ("start_over", "Give Up Lost Root Key"),
        ],
        readonly=True,
    )
    state = fields.Selection(
        [
            ("queued", "Queued"),
            ("done", "Done"),
            ("failed", "Failed"),
            ("cancelled", "Cancelled"),
        ],
        readonly=True,
    )
    company_id = fields.Many2one("res.company", readonly=True)
    link_ids = fields.Many2many("acrel.link", compute="_compute_link_ids", string="Links")
    link_count = fields.Integer("Number of Links", readonly=True, aggregator=None)
    actor = fields.Char("Ordered By", readonly=True)
    requested_by_id = fields.Many2one("res.users", "User", readonly=True)
    requested_at = fields.Datetime("Ordered", readonly=True)
    finished_at = fields.Datetime("Finished", readonly=True)
    message = fields.Text("Result", readonly=True)
    to_fetch = fields.Boolean(
        "Package to Fetch", readonly=True, help="It can be fetched once, within a week."
    )
    result_name = fields.Char("File", readonly=True)
    fetched_at = fields.Datetime("Fetched", readonly=True)
    fetched_by = fields.Char(readonly=True)
    stuck = fields.Boolean(
        compute="_compute_stuck",
        help="No living link process has a root key, so nobody carries this out.",
    )

    @property
    def _table_query(self):
        """All of a job but the package itself and what belongs to its fetching."""
        return """SELECT id, kind, state, company_id, cardinality(link_ids) AS link_count, actor,
                         requested_by AS requested_by_id, requested_at, finished_at, message,
                         result IS NOT NULL AS to_fetch, result_name, fetched_at, fetched_by
                    FROM acrel_key_job"""

    def _compute_link_ids(self):
        """Name the links of each job that still exist."""
        self.env.cr.execute(
            SQL("SELECT id, link_ids FROM acrel_key_job WHERE id = ANY(%s)", self.ids)
        )
        named = dict(self.env.cr.fetchall())
        links = self.env["acrel.link"].with_context(active_test=False)
        for job in self:
            job.link_ids = links.search([("id", "in", named.get(job._origin.id, []))])

    def _compute_stuck(self):
        """Tell whether anybody is there who could carry the job out."""
        self.env.cr.execute(
            SQL(
                """SELECT EXISTS (SELECT FROM acrel_link_worker WHERE stopped_at IS NULL
                          AND roots <> '' AND seen_at > now() AT TIME ZONE 'UTC'
                              - %s * interval '1 second')""",
                WORKER_DEAD_SECONDS,
            )
        )
        served = self.env.cr.fetchone()[0]
        for job in self:
            job.stuck = job.state == "queued" and not served

    # === ORDERS === #

    @api.model
    def _ask(self, kind, links=None, recipient=None, parameters=None):
        """Order an action of the link process.

        :param Recipient recipient: who can open the package that results
        :return: the job
        """
        require(self.env, GROUP)
        links = self.env["acrel.link"] if links is None else links
        links.check_access("read")
        if len(links.company_id) > 1:
            raise UserError(
                self.env._(
                    "These links belong to several companies (%(names)s). Order it for each "
                    "company alone.",
                    names=", ".join(links.company_id.mapped("name")),
                )
            )
        statement, arguments = ask(
            kind,
            f"{self.env.user.name} ({self.env.user.login})",
            links.ids,
            parameters=parameters,
            recipient=recipient,
            company_id=links.company_id.id or None,
            requested_by=self.env.uid,
        )
        self.env.cr.execute(statement, arguments)
        return self.browse(self.env.cr.fetchone()[0])

    def _action_open(self):
        """Open the job's form."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "acrel.key.job",
            "res_id": self.id,
            "view_mode": "form",
        }

    def action_cancel(self):
        """Take back what nobody has carried out yet."""
        require(self.env, GROUP)
        self.check_access("read")
        self.env.cr.execute(
            SQL(
                """UPDATE acrel_key_job SET state = 'cancelled', recipient = NULL,
                          finished_at = now() AT TIME ZONE 'UTC'
                    WHERE id = ANY(%s) AND state = 'queued'""",
                self.ids,
            )
        )
        self.invalidate_recordset()

    # === THE PACKAGE === #

    def action_fetch(self):
        """Give a one-time address under which the browser fetches the package."""
        self.ensure_one()
        require(self.env, GROUP)
        self.check_access("read")
        ticket = secrets.token_urlsafe(32)
        self.env.cr.execute(TICKET, (_digest(ticket), TICKET_SECONDS, self.id))
        if not self.env.cr.rowcount:
            raise UserError(
                self.env._(
                    "There is nothing to fetch: a package is fetched once and then deleted. When "
                    "it was lost, revoke and issue anew."
                )
            )
        return {
            "type": "ir.actions.act_url",
            "url": f"/acrel_meter_link/key_package/{self.id}/{ticket}",
            "target": "self",
        }

    def _fetch(self, ticket):
        """Take the package out of the row.

        :return: name and bytes; None when the ticket is not, or no more, good for it
        """
        self.ensure_one()
        if not self.env.user.has_group(f"acrel_meter_link.{GROUP}"):
            raise AccessError(self.env._("Only key officers fetch packages."))
        self.check_access("read")
        actor = f"{self.env.user.name} ({self.env.user.login})"
        self.env.cr.execute(FETCH, (actor, self.id, _digest(ticket)))
        row = self.env.cr.fetchone()
        if row is None:
            return None
        package, name, company_id = row
        self.env.cr.execute(LOG_FETCHED, (actor, company_id, self.id, name))
        self.invalidate_recordset()
        return name, bytes(package)


def _digest(ticket):
    return sha256(ticket.encode()).digest()
