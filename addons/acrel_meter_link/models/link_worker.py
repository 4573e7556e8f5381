"""Processes that hold the connections."""

from odoo import fields, models
from odoo.tools import SQL

from ..fields import BigInteger
from .link import WORKER_DEAD_SECONDS


class AcrelLinkWorker(models.Model):
    """A link process, one row a start, as it describes itself. Read-only."""

    _name = "acrel.link.worker"
    _description = "Link Process"
    _auto = False
    # a name of its own, so that Odoo leaves the columns of the real table alone
    _table = "acrel_link_worker_seen"
    _log_access = False
    _order = "started_at desc, id desc"

    name = fields.Char(readonly=True)
    host = fields.Char(readonly=True)
    pid = fields.Integer("Process", readonly=True, aggregator=None)
    listen = fields.Char("Listens On", readonly=True)
    roots = fields.Char(
        "Root Keys Loaded", readonly=True, help="A roll waits until all processes have the new one."
    )
    started_at = fields.Datetime("Started", readonly=True)
    seen_at = fields.Datetime("Last Sign of Life", readonly=True)
    stopped_at = fields.Datetime("Stopped", readonly=True)
    alive = fields.Boolean(
        readonly=True, help="It gave a sign of life within the last half minute and did not stop."
    )
    connections = fields.Integer(readonly=True)
    readings = BigInteger("Readings Stored", readonly=True)
    rate = fields.Float(
        "Readings a Second",
        readonly=True,
        digits=(16, 1),
        help="Average over the time that the process has run.",
    )
    refused = BigInteger(
        "Refused", readonly=True, help="Connections refused: unknown, malformed, too many."
    )
    lag_ms = fields.Integer(
        "Lag (ms)",
        readonly=True,
        aggregator="max",
        help="How late the process's own loop was, the last time it looked.",
    )

    spool_records = BigInteger(
        "Kept on Disk",
        readonly=True,
        help="Readings and events that wait on the process's disk until PostgreSQL takes them.",
    )
    spool_bytes = BigInteger("Kept on Disk (bytes)", readonly=True)
    spool_oldest_at = fields.Datetime("Oldest Kept", readonly=True)

    @property
    def _table_query(self):
        """The processes' own rows, with what follows from them."""
        return SQL(
            """SELECT w.*,
                      w.stopped_at IS NULL AND w.seen_at
                          > now() AT TIME ZONE 'UTC' - %s * interval '1 second' AS alive,
                      w.readings / GREATEST(EXTRACT(epoch FROM w.seen_at - w.started_at), 1) AS rate
                 FROM acrel_link_worker w""",
            WORKER_DEAD_SECONDS,
        )
