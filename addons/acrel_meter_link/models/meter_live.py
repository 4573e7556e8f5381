"""What a meter measures now."""

from odoo import fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..fields import BigInteger
from ..records import LiveReading, columns

# Field, raw column, raw counts in one unit, ratios from the secondary to the primary side.
LIVE_VALUES = (
    ("voltage_a", "ua", 10, "ratio_pt"),
    ("voltage_b", "ub", 10, "ratio_pt"),
    ("voltage_c", "uc", 10, "ratio_pt"),
    ("current_a", "ia", 100, "ratio_ct"),
    ("current_b", "ib", 100, "ratio_ct"),
    ("current_c", "ic", 100, "ratio_ct"),
    ("power_kw", "p", 1000, "ratio_pt * ratio_ct"),
    ("reactive_kvar", "q", 1000, "ratio_pt * ratio_ct"),
    ("power_factor", "pf", 1000, "1"),
    ("frequency", "frequency", 100, "1"),
    ("temperature", "temperature_n", 10, "1"),
    ("energy_kwh", "e_forward", 100, "ratio_pt * ratio_ct"),
)


class AcrelMeterLive(models.Model):
    """Live values: the newest reading, in physical units of the primary side.

    Ratios are those of the installation valid now; without one the values are the meter's own.
    """

    _inherit = "acrel.meter"

    last_reading_at = fields.Datetime(compute="_compute_live", string="Last Reading")
    register = BigInteger(
        compute="_compute_live",
        string="Energy Register",
        aggregator=None,
        help="Forward active energy as the meter counts it, in 0.01 kWh of its secondary side.",
    )
    energy_kwh = fields.Float(
        compute="_compute_live",
        string="Energy (kWh)",
        digits=(16, 2),
        aggregator=None,
        help="Forward active energy over the meter's life, with the ratios of its installation.",
    )
    power_kw = fields.Float(compute="_compute_live", string="Power (kW)", digits=(16, 3))
    reactive_kvar = fields.Float(
        compute="_compute_live", string="Reactive Power (kvar)", digits=(16, 3)
    )
    power_factor = fields.Float(compute="_compute_live", digits=(16, 3), aggregator=None)
    frequency = fields.Float(
        compute="_compute_live", string="Frequency (Hz)", digits=(16, 2), aggregator=None
    )
    temperature = fields.Float(
        compute="_compute_live", string="Temperature (°C)", digits=(16, 1), aggregator=None
    )
    voltage_a = fields.Float(
        compute="_compute_live", string="Voltage A (V)", digits=(16, 1), aggregator=None
    )
    voltage_b = fields.Float(
        compute="_compute_live", string="Voltage B (V)", digits=(16, 1), aggregator=None
    )
    voltage_c = fields.Float(
        compute="_compute_live", string="Voltage C (V)", digits=(16, 1), aggregator=None
    )
    current_a = fields.Float(
        compute="_compute_live", string="Current A (A)", digits=(16, 2), aggregator=None
    )
    current_b = fields.Float(
        compute="_compute_live", string="Current B (A)", digits=(16, 2), aggregator=None
    )
    current_c = fields.Float(
        compute="_compute_live", string="Current C (A)", digits=(16, 2), aggregator=None
    )
    online = fields.Boolean(
        related="link_id.online",
        related_sudo=False,
        string="Connected",
        help="The meter's link has a living connection now.",
    )
    silent_since = fields.Datetime(
        compute="_compute_silent_since",
        search="_search_silent_since",
        help="Last reading before the meter fell silent; empty while readings arrive.",
    )
    contactor_state = fields.Selection(
        [("open", "Open"), ("closed", "Closed"), ("unknown", "Unknown")],
        compute="_compute_contactor_state",
        string="Contactor",
        help="Observed state of the contactor on the meter's first output.",
    )

    def _compute_live(self):
        """Show the newest reading of each meter."""
        values = SQL(", ").join(
            SQL("l.%s * %s / %s::float8 AS %s", SQL.identifier(raw), SQL(ratio), scale, SQL(name))
            for name, raw, scale, ratio in LIVE_VALUES
        )
        self.env["acrel.installation"].flush_model(["meter_id", "date_from", "date_to", "pt", "ct"])
        self.env.cr.execute(
            SQL(
                """WITH live AS (
                       SELECT r.*, COALESCE(i.pt, 1)::bigint AS ratio_pt,
                              COALESCE(i.ct, 1)::bigint AS ratio_ct
                         FROM acrel_meter_live r
                    LEFT JOIN acrel_installation i
                           ON i.meter_id = r.meter_id
                          AND i.date_from <= %(now)s AND (i.date_to IS NULL OR i.date_to > %(now)s)
                        WHERE r.meter_id = ANY(%(ids)s)
                   )
                   SELECT l.meter_id, l.received_at AS last_reading_at, l.e_forward AS register,
                          %(values)s
                     FROM live l""",
                now=fields.Datetime.now(),
                ids=self.ids,
                values=values,
            )
        )
        live = {row["meter_id"]: row for row in self.env.cr.dictfetchall()}
        for meter in self:
            row = live.get(meter._origin.id, {})
            meter.last_reading_at = row.get("last_reading_at")
            meter.register = row.get("register")
            for name, *_rest in LIVE_VALUES:
                meter[name] = row.get(name)

    def _compute_silent_since(self):
        """Show since when nothing was heard, as the engine found it."""
        events = self.env["acrel.event"].sudo()._open("meter_silent", self)
        for meter in self:
            event = events.get(meter._origin)
            meter.silent_since = event and event.begin_at

    def _search_silent_since(self, operator, value):
        """Find meters by whether they are silent, and since when."""
        lasting = Domain("kind", "=", "meter_silent") & Domain("end_at", "=", False)
        if operator == "in" and set(value) == {False}:
            return ~Domain("id", "in", self._silent_ids(lasting))
        if operator == "not in" and set(value) == {False}:
            return Domain("id", "in", self._silent_ids(lasting))
        if operator in ("<", ">", "<=", ">="):
            return Domain(
                "id", "in", self._silent_ids(lasting & Domain("begin_at", operator, value))
            )
        return NotImplemented

    def _silent_ids(self, domain):
        """Return the ids of the meters with such an event of silence."""
        return self.env["acrel.event"].sudo().search(domain).meter_id.ids

    def _compute_contactor_state(self):
        """Show what the contactor on the first output is."""
        outputs = self.env["acrel.output"].search(
            [("meter_id", "in", self.ids)], order="meter_id, number"
        )
        first = {}
        for output in outputs:
            first.setdefault(output.meter_id, output)
        for meter in self:
            output = first.get(meter._origin)
            meter.contactor_state = output.state if output else False

    def _live(self):
        """Return the newest reading of each meter that was ever heard.

        :return: {meter id: LiveReading}, raw integers
        """
        self.env.cr.execute(
            SQL(
                "SELECT %s FROM acrel_meter_live WHERE meter_id = ANY(%s)",
                SQL(", ").join(map(SQL.identifier, columns(LiveReading))),
                self.ids,
            )
        )
        return {row[0]: LiveReading(*row) for row in self.env.cr.fetchall()}

    def _registers_between(self, since, until):
        """Return the energy register's course of this meter.

        :param datetime since: first moment (UTC), included
        :param datetime until: last moment (UTC), included
        :return: [(received_at, e_forward)] in the order of arrival
        """
        self.ensure_one()
        self.env.cr.execute(
            """SELECT received_at, e_forward FROM acrel_reading_raw
                WHERE meter_id = %s AND received_at BETWEEN %s AND %s AND e_forward IS NOT NULL
             ORDER BY received_at, id""",
            [self.id, since, until],
        )
        return self.env.cr.fetchall()
