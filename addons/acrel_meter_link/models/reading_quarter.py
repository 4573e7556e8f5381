"""Readings rolled up to quarter hours, which are kept for years."""

from datetime import datetime, timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from ..fields import BigInteger

QUARTER = timedelta(minutes=15)
# A reading is stored within a second or two; one that comes later marks its quarter hour itself.
GRACE = timedelta(minutes=2)
DUE_AT_ONCE = 5_000
YEARS_PARAMETER = "acrel_meter_link.quarter_retention_years"
YEARS = 10

MEASURED = (
    *("readings", "first_at", "last_at", "first_register", "last_register", "p_avg", "p_max"),
    *("ua_min", "ua_max", "ub_min", "ub_max", "uc_min", "uc_max"),
)
# Readings whose register fell below what was known are counted, but move no register. Each meter's
# readings lie together in the index by meter and time, not in the table: hence meter by meter.
ROLL_UP = """
INSERT INTO acrel_reading_quarter (meter_id, quarter, %(measured)s, energy)
SELECT m.id, %(quarter)s, n.*, n.last_register - COALESCE(before.last_register, n.first_register)
  FROM unnest(%(meters)s) AS m (id)
  LEFT JOIN LATERAL (
       SELECT q.last_register FROM acrel_reading_quarter q
        WHERE q.meter_id = m.id AND q.quarter < %(quarter)s AND q.last_register IS NOT NULL
        ORDER BY q.quarter DESC LIMIT 1) AS before ON TRUE
 CROSS JOIN LATERAL (
       SELECT count(*), min(r.received_at), max(r.received_at),
              min(r.e_forward) FILTER (WHERE r.e_forward >= COALESCE(before.last_register, 0)),
              max(r.e_forward) FILTER (WHERE r.e_forward >= COALESCE(before.last_register, 0)),
              round(avg(r.p))::integer, max(r.p),
              min(r.ua), max(r.ua), min(r.ub), max(r.ub), min(r.uc), max(r.uc)
         FROM acrel_reading_raw r
        WHERE r.meter_id = m.id AND r.received_at >= %(quarter)s
          AND r.received_at < %(quarter)s + interval '15 min'
       HAVING count(*) > 0) AS n (%(measured)s)
    ON CONFLICT (meter_id, quarter) DO UPDATE
   SET (%(measured)s, energy) = (%(excluded)s, excluded.energy)
"""
# What a quarter hour's register means to the one after it, when it was rolled up again.
FOLLOWING = """
SELECT n.meter_id, n.quarter
  FROM acrel_reading_quarter q CROSS JOIN LATERAL (
       SELECT f.* FROM acrel_reading_quarter f
        WHERE f.meter_id = q.meter_id AND f.quarter > q.quarter AND f.last_register IS NOT NULL
        ORDER BY f.quarter LIMIT 1) AS n
 WHERE q.meter_id = ANY(%s) AND q.quarter = %s
   AND n.last_register - q.last_register IS DISTINCT FROM n.energy
"""


class AcrelReadingQuarter(models.Model):
    """Quarter hours of each meter, in physical units, valued by the installation at their end.

    The energies of consecutive quarter hours add up to the register's difference: each counts from
    the last reading before it, so what was drawn while nothing was read falls to the quarter hour
    of the next reading.
    """

    _name = "acrel.reading.quarter"
    _description = "Meter Readings of 15 Minutes"
    # shown, not owned: of a table of its own name Odoo would drop what it does not know
    _table = "acrel_reading_quarter_seen"
    _auto = False
    _log_access = False
    _order = "quarter desc, meter_id"
    _rec_name = "quarter"

    quarter = fields.Datetime("From", readonly=True, help="Beginning of the quarter hour.")
    meter_id = fields.Many2one("acrel.meter", readonly=True)
    installation_id = fields.Many2one("acrel.installation", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    readings = fields.Integer(readonly=True, help="So many readings were stored.")
    first_register = BigInteger(readonly=True, aggregator="min")
    last_register = BigInteger(readonly=True, aggregator="max")
    energy_wh = BigInteger(
        "Energy (Wh)",
        readonly=True,
        help="Since the last reading before this quarter hour. Quarter hours add up to the "
        "difference of the register.",
    )
    energy_kwh = fields.Float("Energy (kWh)", readonly=True, digits=(16, 2))
    power_avg_kw = fields.Float(
        "Mean Power (kW)",
        readonly=True,
        digits=(16, 3),
        aggregator="avg",
        help="Mean of the readings.",
    )
    power_max_kw = fields.Float(
        "Highest Power (kW)", readonly=True, digits=(16, 3), aggregator="max"
    )
    voltage_min = fields.Float(
        "Lowest Voltage (V)",
        readonly=True,
        digits=(16, 1),
        aggregator="min",
        help="Of the phases that are connected.",
    )
    voltage_max = fields.Float(
        "Highest Voltage (V)", readonly=True, digits=(16, 1), aggregator="max"
    )

    @property
    def _table_query(self):
        """Raw counts in physical units."""
        return SQL(
            """SELECT q.id, q.quarter, q.meter_id, i.id AS installation_id,
                      COALESCE(i.company_id, m.company_id) AS company_id,
                      q.readings, q.first_register, q.last_register,
                      q.energy * 10 * i.pt * i.ct AS energy_wh,
                      q.energy * i.pt * i.ct / 100.0 AS energy_kwh,
                      q.p_avg::bigint * i.pt * i.ct / 1000.0 AS power_avg_kw,
                      q.p_max::bigint * i.pt * i.ct / 1000.0 AS power_max_kw,
                      LEAST(CASE WHEN q.ua_max > 0 THEN q.ua_min END,
                            CASE WHEN q.ub_max > 0 THEN q.ub_min END,
                            CASE WHEN q.uc_max > 0 THEN q.uc_min END) * i.pt / 10.0 AS voltage_min,
                      GREATEST(q.ua_max, q.ub_max, q.uc_max) * i.pt / 10.0 AS voltage_max
                 FROM acrel_reading_quarter q
                 JOIN acrel_meter m ON m.id = q.meter_id
            LEFT JOIN acrel_installation i
                   ON i.meter_id = q.meter_id AND i.date_from <= q.last_at
                  AND (i.date_to IS NULL OR q.last_at < i.date_to)"""
        )

    # === ENGINE === #

    @api.model
    def _roll_up(self):
        """Do the next quarter hour that is over, or one that late readings have reached.

        :return: whether there may be more to do
        """
        over = _quarter_of(self._now() - GRACE)
        done_until, kept_since = self._mark()
        if done_until is None:
            done_until = self._next_quarter() or over
        # a clock that was set back: what it wrote ahead of time is done again when it is over
        done_until = min(done_until, over)
        if done_until < over:
            self._ensure_partitions(done_until)
            self.env.cr.execute("SELECT array_agg(meter_id) FROM acrel_meter_live")
            meters = self.env.cr.fetchone()[0] or []
            found, following = self._roll_up_quarter(done_until, meters)
            self._add_due(following)
            done_until += QUARTER
            if not found:
                done_until = min(self._next_quarter(done_until) or over, over)
        self.env.cr.execute(
            """INSERT INTO acrel_engine_quarter_mark (done_until) VALUES (%s)
          ON CONFLICT (only_row) DO UPDATE SET done_until = EXCLUDED.done_until""",
            [done_until],
        )
        return self._roll_up_due(done_until, kept_since) or done_until < over

    @api.model
    def _roll_up_due(self, done_until, kept_since):
        """Roll the earliest marked quarter hour up again.

        :return: whether there was one
        """
        self.env.cr.execute(
            """SELECT quarter, array_agg(id), array_agg(DISTINCT meter_id)
                 FROM (SELECT * FROM acrel_quarter_due ORDER BY quarter, id LIMIT %s) AS due
             GROUP BY quarter ORDER BY quarter LIMIT 1""",
            [DUE_AT_ONCE],
        )
        row = self.env.cr.fetchone()
        if not row:
            return False
        quarter, marks, meters = row
        # an ordinary one is still to come; of one whose readings are dropped the roll-up stays
        if quarter < done_until and (kept_since is None or quarter >= kept_since):
            self._ensure_partitions(quarter)
            self._add_due(self._roll_up_quarter(quarter, meters)[1])
        self.env.cr.execute("DELETE FROM acrel_quarter_due WHERE id = ANY(%s)", [marks])
        return True

    @api.model
    def _roll_up_quarter(self, quarter, meters):
        """Roll up one quarter hour of some meters.

        :return: how many have readings in it, and ``[(meter id, quarter)]`` behind it, whose energy
            counts from another register now
        """
        self.env.cr.execute(
            SQL(
                ROLL_UP,
                quarter=quarter,
                meters=meters,
                measured=SQL(", ").join(map(SQL.identifier, MEASURED)),
                excluded=SQL(", ").join(SQL.identifier("excluded", name) for name in MEASURED),
            )
        )
        found = self.env.cr.rowcount
        self.env.cr.execute(FOLLOWING, [meters, quarter])
        return found, self.env.cr.fetchall()

    @api.model
    def _add_due(self, quarters):
        """Mark quarter hours to be rolled up again."""
        if quarters:
            self.env.cr.execute(
                """INSERT INTO acrel_quarter_due (meter_id, quarter)
                   SELECT * FROM unnest(%s, %s)""",
                [[meter for meter, _ in quarters], [quarter for _, quarter in quarters]],
            )

    @api.model
    def _mark(self):
        """Return up to when all is rolled up, and since when readings are kept; None: unknown."""
        self.env.cr.execute("SELECT done_until, kept_since FROM acrel_engine_quarter_mark")
        return self.env.cr.fetchone() or (None, None)

    @api.model
    def _next_quarter(self, since=datetime.min):
        """Return the quarter hour of the first reading since a moment; None when there is none."""
        self.env.cr.execute(
            """SELECT min(first.received_at) FROM acrel_meter_live l CROSS JOIN LATERAL (
                      SELECT r.received_at FROM acrel_reading_raw r
                       WHERE r.meter_id = l.meter_id AND r.received_at >= %s
                    ORDER BY r.received_at LIMIT 1) AS first""",
            [since],
        )
        first = self.env.cr.fetchone()[0]
        return first and _quarter_of(first)

    @api.model
    def _now(self):
        """Return the database's time, by which readings are stored."""
        self.env.cr.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
        return self.env.cr.fetchone()[0]

    # === KEEPING === #

    @api.model
    def _ensure_partitions(self, moment):
        """Make the partition of a moment's year."""
        name = f"acrel_reading_quarter_{moment.year}"
        self.env.cr.execute("SELECT to_regclass(%s) IS NULL", [name])
        if self.env.cr.fetchone()[0]:
            self.env.cr.execute(
                SQL(
                    "CREATE TABLE %s PARTITION OF acrel_reading_quarter "
                    "FOR VALUES FROM (%s) TO (%s)",
                    SQL.identifier(name),
                    datetime(moment.year, 1, 1),
                    datetime(moment.year + 1, 1, 1),
                )
            )

    @api.model
    def _drop_old_partitions(self):
        """Drop the years that the retention no longer wants; 0 keeps all."""
        years = int(self.env["ir.config_parameter"].sudo().get_param(YEARS_PARAMETER, YEARS))
        if years <= 0:
            return
        self.env.cr.execute(
            r"""SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
                 WHERE h.inhparent = 'acrel_reading_quarter'::regclass
                   AND right(c.relname, 4)::integer < %s""",
            [self._now().year - years],
        )
        for (name,) in self.env.cr.fetchall():
            self.env.cr.execute(SQL("DROP TABLE %s", SQL.identifier(name)))

    @api.model
    def _missing(self, day):
        """Mark what is not rolled up of a day whose readings are to be dropped.

        :param date day: day of UTC
        :return: whether anything is missing
        """
        self.env.cr.execute(
            """INSERT INTO acrel_quarter_due (meter_id, quarter)
               SELECT r.meter_id, r.quarter
                 FROM (SELECT meter_id, count(*) AS readings, date_trunc('hour', received_at)
                              + floor(extract(minute FROM received_at) / 15)
                                * interval '15 min' AS quarter
                         FROM acrel_reading_raw
                        WHERE received_at >= %(day)s AND received_at < %(day)s + interval '1 day'
                     GROUP BY 1, 3) AS r
            LEFT JOIN acrel_reading_quarter q ON q.meter_id = r.meter_id AND q.quarter = r.quarter
                WHERE q.readings IS DISTINCT FROM r.readings""",
            {"day": datetime(day.year, day.month, day.day)},
        )
        return self.env.cr.rowcount > 0


def _quarter_of(moment):
    """Return the beginning of a moment's quarter hour."""
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
