"""Alarms that the meter itself does not watch for: rules over its newest reading."""

from odoo import api, fields, models
from odoo.tools import SQL

from ..access import require
from ..acrel_link.events import RULE_KINDS
from .event import KIND_LABELS

# Kind: whether what is above the limit is wrong, and the value, NULL where it cannot be told.
# u_min, u_max: V of the phases that the meter has; lost phases are no low voltage.
KINDS = {
    "rule_voltage_high": (True, "CASE WHEN l.un IS NULL THEN 0 ELSE l.u_max * 100 / l.un END"),
    "rule_voltage_low": (False, "CASE WHEN l.un IS NULL THEN 100 ELSE l.u_low * 100 / l.un END"),
    "rule_frequency": (True, "abs(l.frequency / 100.0 - 50)"),
    "rule_unbalance": (
        True,
        """CASE WHEN l.phases <> '3' OR l.un IS NULL OR l.u_min * 5 < l.un THEN 0
                ELSE greatest(l.u_max - l.u_mean, l.u_mean - l.u_min) * 100 / l.u_mean END""",
    ),
    "rule_phase_loss": (
        False,
        """CASE WHEN l.phases <> '3' OR l.un IS NULL OR l.u_max * 5 < l.un * 4 THEN 100
                ELSE l.u_min * 100 / l.un END""",
    ),
    "rule_overcurrent": (True, "CASE WHEN l.rated IS NULL THEN 0 ELSE l.i_max * 100 / l.rated END"),
    "rule_reversed_phase": (
        True,
        "CASE WHEN l.phases = '3' AND l.p_max > -l.p_min THEN greatest(-l.p_min, 0) ELSE 0 END",
    ),
    "rule_current_without_session": (
        True,
        "CASE WHEN l.i_max = 0 OR l.wanted THEN 0 ELSE l.i_max END",
    ),
}

# What the kinds compare, of some meters, in a type of number. Periods of a meter's installations do
# not overlap, so that at most one joins. A phase below a fifth of the nominal voltage is lost.
VALUES = """
    SELECT r.meter_id, r.received_at, r.frequency, r.phases, r.un, r.rated,
           least(r.ua, r.ub, r.uc) * r.pt / 10.0 AS u_min,
           greatest(r.ua, r.ub, r.uc) * r.pt / 10.0 AS u_max,
           (COALESCE(r.ua, 0) + COALESCE(r.ub, 0) + COALESCE(r.uc, 0)) * r.pt / 10.0
               / NULLIF(num_nonnulls(r.ua, r.ub, r.uc), 0) AS u_mean,
           least(CASE WHEN r.ua > r.u_lost THEN r.ua END, CASE WHEN r.ub > r.u_lost THEN r.ub END,
                 CASE WHEN r.uc > r.u_lost THEN r.uc END) * r.pt / 10.0 AS u_low,
           greatest(r.ia, r.ib, r.ic) * r.ct / 100.0 AS i_max,
           least(r.pa, r.pb, r.pc) * r.pt * r.ct / 1000.0 AS p_min,
           greatest(r.pa, r.pb, r.pc) * r.pt * r.ct / 1000.0 AS p_max,
           EXISTS (SELECT FROM acrel_output x JOIN acrel_output_wanted w ON w.output_id = x.id
                    WHERE x.meter_id = r.meter_id AND x.active AND w.wanted = 'closed')
           OR NOT EXISTS (SELECT FROM acrel_output x
                           WHERE x.meter_id = r.meter_id AND x.active) AS wanted
      FROM (SELECT l.meter_id, l.received_at, l.frequency::%(number)s AS frequency, m.phases,
                   NULLIF(m.nominal_voltage, 0)::%(number)s AS un,
                   NULLIF(m.rated_current, 0)::%(number)s AS rated,
                   l.ua, CASE WHEN m.phases <> '1' THEN l.ub END AS ub,
                   CASE WHEN m.phases <> '1' THEN l.uc END AS uc,
                   l.ia, l.ib, l.ic, l.pa, l.pb, l.pc,
                   COALESCE(i.pt, 1)::%(number)s AS pt, COALESCE(i.ct, 1)::%(number)s AS ct,
                   m.nominal_voltage * 2 / COALESCE(i.pt, 1) AS u_lost
              FROM acrel_meter_live l
              JOIN acrel_meter m ON m.id = l.meter_id
         LEFT JOIN acrel_installation i
                ON i.meter_id = l.meter_id AND i.date_from <= l.received_at
               AND (i.date_to IS NULL OR i.date_to > l.received_at)
             WHERE l.meter_id = ANY(%(meters)s)) r
"""

# What is to be done: begin to wait, open the event, or forget both. Between the limit and the
# hysteresis nothing changes, nor where the reading does not tell the value. Of nearly all meters no
# value is near a limit and nothing lasts: a first look, in float8, leaves them out.
STEPS = """
WITH rules AS MATERIALIZED (
    SELECT * FROM acrel_alarm_rule WHERE active
), looked AS MATERIALIZED (
    SELECT l.meter_id FROM (%(quick)s) l
     WHERE %(near)s
        OR l.meter_id IN (SELECT meter_id FROM acrel_alarm_watch)
        OR l.meter_id IN (SELECT e.meter_id FROM acrel_event e JOIN rules ON rules.kind = e.kind
                           WHERE e.end_at IS NULL)
), live AS MATERIALIZED (%(exact)s), seen AS (
    SELECT l.meter_id, l.received_at, rule.id AS rule_id, rule.kind, rule.severity,
           rule.delay_seconds, rule.limit_value, v.value,
           CASE WHEN v.above THEN v.value > rule.limit_value
                ELSE v.value < rule.limit_value END AS violated,
           CASE WHEN v.above THEN v.value <= rule.limit_value - rule.hysteresis
                ELSE v.value >= rule.limit_value + rule.hysteresis END AS clear
      FROM live l
      JOIN LATERAL (VALUES %(kinds)s) AS v (kind, above, value) ON TRUE
      JOIN rules rule ON rule.kind = v.kind AND rule.phases IN ('any', l.phases)
)
SELECT s.meter_id, s.received_at, s.rule_id, s.kind, s.severity, s.delay_seconds,
       trim_scale(s.limit_value)::text AS limit_value, trim_scale(round(s.value, 2))::text AS value,
       s.violated, w.since, e.id AS event_id
  FROM seen s
LEFT JOIN acrel_alarm_watch w ON w.meter_id = s.meter_id AND w.rule_id = s.rule_id
LEFT JOIN acrel_event e ON e.meter_id = s.meter_id AND e.kind = s.kind AND e.end_at IS NULL
 WHERE (s.violated AND e.id IS NULL)
    OR (s.clear AND (w.since IS NOT NULL OR e.id IS NOT NULL))
"""
# Whether a value is near or beyond the strictest limit of its kind; not, where no rule applies.
NEAR_ABOVE = "(%s) >= (SELECT min(limit_value)::float8 FROM rules WHERE kind = %s)"
NEAR_BELOW = "(%s) <= (SELECT max(limit_value)::float8 FROM rules WHERE kind = %s)"


class AcrelAlarmRule(models.Model):
    """A limit of a quantity, evaluated on every new reading of every meter that it concerns.

    The event begins when the limit was passed for the delay, and ends when the value is back
    behind the hysteresis. What a meter's nominal values are stands on the meter.
    """

    _name = "acrel.alarm.rule"
    _description = "Alarm Rule"
    _order = "kind, phases"
    _rec_name = "kind"

    kind = fields.Selection(
        [(kind, KIND_LABELS[kind]) for kind in RULE_KINDS], string="Alarm", required=True
    )
    phases = fields.Selection(
        [("any", "All"), ("1", "Single-phase"), ("3", "Three-phase")],
        string="Meters",
        required=True,
        default="any",
    )
    limit_value = fields.Float("Limit", required=True, digits=(16, 3), aggregator=None)
    unit = fields.Char(compute="_compute_unit")
    hysteresis = fields.Float(
        digits=(16, 3),
        aggregator=None,
        help="How far the value must come back behind the limit before the alarm ends.",
    )
    delay_seconds = fields.Integer(
        "Delay (s)",
        aggregator=None,
        help="How long the limit must be passed before the alarm begins.",
    )
    severity = fields.Selection(
        [("info", "Information"), ("warning", "Warning"), ("alarm", "Alarm")],
        required=True,
        default="warning",
    )
    active = fields.Boolean(default=True)

    _positive = models.Constraint(
        "CHECK (limit_value > 0 AND hysteresis >= 0 AND delay_seconds >= 0)",
        "A limit is above zero; hysteresis and delay are not negative.",
    )
    _one_each = models.UniqueIndex(
        "(kind, phases) WHERE active", "There is such a rule for these meters already."
    )

    @api.depends("kind")
    def _compute_unit(self):
        """Say in what the limit is given."""
        percent = self.env._("percent of the nominal value")
        units = {
            "rule_voltage_high": percent,
            "rule_voltage_low": percent,
            "rule_frequency": self.env._("Hz off 50 Hz"),
            "rule_unbalance": self.env._("percent of the mean"),
            "rule_phase_loss": percent,
            "rule_overcurrent": self.env._("percent of the rated current"),
            "rule_reversed_phase": "kW",
            "rule_current_without_session": "A",
        }
        for rule in self:
            rule.unit = units.get(rule.kind)

    def write(self, vals):
        """Override to end what a rule that is not applied any more began."""
        if not vals.get("active", True) or "kind" in vals or "phases" in vals:
            self._forget()
        return super().write(vals)

    def unlink(self):
        """Override to end what the rule began."""
        self._forget()
        return super().unlink()

    def _forget(self):
        """End the events of these rules' kinds; a rule that still applies begins them anew."""
        require(self.env, "group_maintenance")
        self.env.cr.execute("DELETE FROM acrel_alarm_watch WHERE rule_id = ANY(%s)", [self.ids])
        self.env["acrel.event"].sudo().search(
            [("kind", "in", self.mapped("kind")), ("end_at", "=", False)]
        ).end_at = fields.Datetime.now()

    @api.model
    def _evaluate(self, meters):
        """Compare the newest readings of meters with the rules; begin and end events."""
        kinds = SQL(", ").join(
            SQL("(%s, %s, (%s)::numeric)", kind, above, SQL(value))
            for kind, (above, value) in KINDS.items()
        )
        near = SQL(" OR ").join(
            SQL(NEAR_ABOVE if above else NEAR_BELOW, SQL(value), kind)
            for kind, (above, value) in KINDS.items()
        )
        quick = SQL(VALUES, number=SQL("float8"), meters=meters.ids)
        looked = SQL("ARRAY(SELECT meter_id FROM looked)")
        exact = SQL(VALUES, number=SQL("numeric"), meters=looked)
        self.env.flush_all()
        self.env.cr.execute(SQL(STEPS, quick=quick, near=near, exact=exact, kinds=kinds))
        begin, wait, over, ended = [], [], [], {}
        for row in self.env.cr.dictfetchall():
            key = (row["meter_id"], row["rule_id"])
            if not row["violated"]:
                over.append(key)
                if row["event_id"]:
                    ended.setdefault(row["received_at"], []).append(row["event_id"])
                continue
            since = row["since"] or row["received_at"]
            if row["since"] is None:
                wait.append((*key, since))
            if (row["received_at"] - since).total_seconds() >= row["delay_seconds"]:
                begin.append(self._event_values(row, since))
        if wait:
            self.env.cr.execute_values(
                "INSERT INTO acrel_alarm_watch (meter_id, rule_id, since) VALUES %s"
                " ON CONFLICT DO NOTHING",
                wait,
            )
        if over:
            self.env.cr.execute_values(
                "DELETE FROM acrel_alarm_watch w USING (VALUES %s) AS o (meter_id, rule_id)"
                " WHERE w.meter_id = o.meter_id AND w.rule_id = o.rule_id",
                over,
            )
        Event = self.env["acrel.event"]
        if begin:
            Event.create(begin)
        for moment, ids in ended.items():
            Event.browse(ids).end_at = moment

    @api.model
    def _event_values(self, row, since):
        """Return the event of a limit that was passed for its delay."""
        rule = self.browse(row["rule_id"])
        return {
            "kind": row["kind"],
            "severity": row["severity"],
            "meter_id": row["meter_id"],
            "begin_at": since,
            "message": self.env._(
                "%(value)s %(unit)s; the limit is %(limit)s.",
                value=row["value"],
                unit=rule.unit,
                limit=row["limit_value"],
            ),
        }
