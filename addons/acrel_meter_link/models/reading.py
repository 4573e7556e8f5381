"""Readings, seen through Odoo."""

from datetime import datetime, timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from .. import schema
from ..fields import BigInteger

# Partitions are made this many days ahead, so that a night without maintenance costs nothing.
PARTITIONS_AHEAD = 7
RETENTION_PARAMETER = "acrel_meter_link.reading_retention_days"
RETENTION_DAYS = 400
# A partition is dropped under a lock that the link process waits for: not for long.
LOCK_TIMEOUT = "5s"

# Table, its time, how long it is kept.
SHORT_LIVED = (
    ("acrel_reading_quarantine", "received_at", "90 days"),
    ("acrel_meter_snapshot", "received_at", "31 days"),
    ("acrel_link_worker", "seen_at", "30 days"),
    ("acrel_read_at", "at", "1 day"),
)
# A meter agent sends one upload at a time, and the one on its way again when its line is back, be
# that after days: so the newest identity of a link stays until another one follows.
FORGET_UPLOADS = """
DELETE FROM acrel_upload_seen s USING (
       SELECT o.link_id,
              CASE WHEN l.id IS NULL OR EXISTS (
                        SELECT FROM acrel_upload_seen n
                         WHERE n.link_id = o.link_id AND n.received_at >= %(limit)s)
                   THEN %(limit)s ELSE max(o.received_at) END AS since
         FROM acrel_upload_seen o LEFT JOIN acrel_link l ON l.id = o.link_id
        WHERE o.received_at < %(limit)s
        GROUP BY o.link_id, l.id) old
 WHERE s.link_id = old.link_id AND s.received_at < old.since
"""
UPLOADS_KEPT = timedelta(hours=24)
# Table without a foreign key, since the link process writes it; its key; whose rows they are.
OWNED = (
    ("acrel_meter_live", "meter_id", "acrel_meter"),
    ("acrel_meter_snapshot", "meter_id", "acrel_meter"),
    ("acrel_alarm_watch", "meter_id", "acrel_meter"),
    ("acrel_meter_poll", "meter_id", "acrel_meter"),
    ("acrel_read_at", "meter_id", "acrel_meter"),
    ("acrel_meter_month", "meter_id", "acrel_meter"),
    ("acrel_engine_meter_mark", "meter_id", "acrel_meter"),
    ("acrel_link_live", "link_id", "acrel_link"),
    ("acrel_output_wanted", "output_id", "acrel_output"),
    ("acrel_output_live", "output_id", "acrel_output"),
    ("acrel_engine_output_mark", "output_id", "acrel_output"),
)


class AcrelReading(models.Model):
    """Stored readings in physical units of the primary side, valued by their installation.

    Read-only over the partitioned table of raw integers that the link process writes. A reading
    without an installation has no energy: nobody knows the ratios, nor whose it was.
    """

    _name = "acrel.reading"
    _description = "Meter Reading"
    _auto = False
    _log_access = False
    _order = "received_at desc, id desc"
    _rec_name = "received_at"

    received_at = fields.Datetime("Received", readonly=True)
    meter_id = fields.Many2one("acrel.meter", readonly=True)
    installation_id = fields.Many2one("acrel.installation", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    source = fields.Selection(
        [("poll", "Poll"), ("upload", "Upload")],
        readonly=True,
        help="Poll: asked for by the platform. Upload: sent by the meter by itself.",
    )
    meter_clock = fields.Char(
        readonly=True,
        help="Local time by the meter's own clock, as it sent it.",
    )
    register = BigInteger(
        "Energy Register",
        readonly=True,
        aggregator="max",
        help="Forward active energy as counted by the meter, in 0.01 kWh of its secondary side.",
    )
    energy_wh = BigInteger("Energy (Wh)", readonly=True, aggregator="max")
    energy_kwh = fields.Float("Energy (kWh)", readonly=True, digits=(16, 2), aggregator="max")
    reverse_kwh = fields.Float(
        "Reverse Energy (kWh)", readonly=True, digits=(16, 2), aggregator="max"
    )
    power_kw = fields.Float("Power (kW)", readonly=True, digits=(16, 3), aggregator="avg")
    reactive_kvar = fields.Float(
        "Reactive Power (kvar)", readonly=True, digits=(16, 3), aggregator="avg"
    )
    power_factor = fields.Float(readonly=True, digits=(16, 3), aggregator="avg")
    frequency = fields.Float("Frequency (Hz)", readonly=True, digits=(16, 2), aggregator="avg")
    temperature = fields.Float("Temperature (°C)", readonly=True, digits=(16, 1), aggregator="max")
    voltage_a = fields.Float("Voltage A (V)", readonly=True, digits=(16, 1), aggregator="avg")
    voltage_b = fields.Float("Voltage B (V)", readonly=True, digits=(16, 1), aggregator="avg")
    voltage_c = fields.Float("Voltage C (V)", readonly=True, digits=(16, 1), aggregator="avg")
    current_a = fields.Float("Current A (A)", readonly=True, digits=(16, 2), aggregator="avg")
    current_b = fields.Float("Current B (A)", readonly=True, digits=(16, 2), aggregator="avg")
    current_c = fields.Float("Current C (A)", readonly=True, digits=(16, 2), aggregator="avg")

    @property
    def _table_query(self):
        """The one place where raw counts of a reading become physical units."""
        return SQL(
            """SELECT r.id, r.received_at, r.meter_id, i.id AS installation_id,
                      COALESCE(i.company_id, m.company_id) AS company_id,
                      CASE r.source WHEN 144 THEN 'poll' WHEN 145 THEN 'upload' END AS source,
                      to_char(r.meter_clock, 'YYYY-MM-DD HH24:MI:SS') AS meter_clock,
                      r.e_forward AS register,
                      r.e_forward * 10 * i.pt * i.ct AS energy_wh,
                      r.e_forward * i.pt * i.ct / 100.0 AS energy_kwh,
                      r.e_reverse * i.pt * i.ct / 100.0 AS reverse_kwh,
                      r.p::bigint * i.pt * i.ct / 1000.0 AS power_kw,
                      r.q::bigint * i.pt * i.ct / 1000.0 AS reactive_kvar,
                      r.pf / 1000.0 AS power_factor,
                      r.frequency / 100.0 AS frequency,
                      r.temperature_n / 10.0 AS temperature,
                      r.ua * i.pt / 10.0 AS voltage_a,
                      r.ub * i.pt / 10.0 AS voltage_b,
                      r.uc * i.pt / 10.0 AS voltage_c,
                      r.ia * i.ct / 100.0 AS current_a,
                      r.ib * i.ct / 100.0 AS current_b,
                      r.ic * i.ct / 100.0 AS current_c
                 FROM acrel_reading_raw r
                 JOIN acrel_meter m ON m.id = r.meter_id
            LEFT JOIN acrel_installation i
                   ON i.meter_id = r.meter_id AND i.date_from <= r.received_at
                  AND (i.date_to IS NULL OR r.received_at < i.date_to)"""
        )

    def init(self):
        """Create the tables outside the ORM, and the rights on them once the ORM's are made."""
        schema.apply(self.env.cr)
        self.pool.post_init(schema.grant, self.env.cr)

    @api.model
    def _ensure_partitions(self):
        """Make the partitions of today and of the days to come."""
        today = fields.Datetime.now().date()
        for ahead in range(-1, PARTITIONS_AHEAD + 1):
            self.env.cr.execute(
                "SELECT acrel_reading_ensure_partition(%s)", [today + timedelta(days=ahead)]
            )

    @api.model
    def _reading_floor(self):
        """Return the moment since which every reading is still needed, or None.

        To be extended by `_inherit`, so that no reading is dropped that is still to be billed.
        """
        return None

    @api.model
    def _drop_old_partitions(self):
        """Drop the days that are older than the retention says, rolled up and needed no more.

        :return: names of the dropped partitions
        """
        days = int(
            self.env["ir.config_parameter"].sudo().get_param(RETENTION_PARAMETER, RETENTION_DAYS)
        )
        if days <= 0:
            return []
        quarters = self.env["acrel.reading.quarter"]
        rolled_up, kept_since = quarters._mark()
        limit = quarters._now().date() - timedelta(days=days)
        for moment in (self._reading_floor(), rolled_up or datetime.min):
            limit = min(limit, moment.date()) if moment else limit
        self.env.cr.execute(
            r"""SELECT to_date(right(c.relname, 8), 'YYYYMMDD')
                  FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
                 WHERE h.inhparent = 'acrel_reading_raw'::regclass
                   AND c.relname ~ '^acrel_reading_raw_\d{8}$' AND right(c.relname, 8) < %s
              ORDER BY 1""",
            [f"{limit:%Y%m%d}"],
        )
        old = [day for (day,) in self.env.cr.fetchall()]
        gone = {
            day
            for day in old
            if (kept_since and day < kept_since.date()) or not quarters._missing(day)
        }
        if not gone:
            return []
        self.env.cr.execute("SELECT set_config('lock_timeout', %s, TRUE)", [LOCK_TIMEOUT])
        names = [f"acrel_reading_raw_{day:%Y%m%d}" for day in sorted(gone)]
        for name in names:
            self.env.cr.execute(SQL("DROP TABLE %s", SQL.identifier(name)))
        self.env.cr.execute(
            """UPDATE acrel_engine_quarter_mark
                  SET kept_since = GREATEST(kept_since, %s::timestamp)""",
            [max(gone) + timedelta(days=1)],
        )
        return names

    @api.model
    def _purge(self):
        """Forget what is only kept for a while, and what belonged to deleted records."""
        for table, column, age in SHORT_LIVED:
            self.env.cr.execute(
                SQL(
                    "DELETE FROM %s WHERE %s < now() AT TIME ZONE 'UTC' - %s::interval",
                    SQL.identifier(table),
                    SQL.identifier(column),
                    age,
                )
            )
        self.env.cr.execute(FORGET_UPLOADS, {"limit": fields.Datetime.now() - UPLOADS_KEPT})
        for table, key, owner in OWNED:
            self.env.cr.execute(
                SQL(
                    "DELETE FROM %(table)s t WHERE NOT EXISTS "
                    "(SELECT FROM %(owner)s o WHERE o.id = t.%(key)s)",
                    table=SQL.identifier(table),
                    owner=SQL.identifier(owner),
                    key=SQL.identifier(key),
                )
            )

    @api.model
    def _cron_maintain(self):
        """Partitions ahead, old partitions and short-lived rows away."""
        self._ensure_partitions()
        self._drop_old_partitions()
        self.env["acrel.reading.quarter"]._drop_old_partitions()
        self._purge()
