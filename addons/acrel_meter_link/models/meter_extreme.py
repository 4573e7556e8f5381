"""Extremes of the last months, as the meter kept them."""

from odoo import fields, models
from odoo.tools import SQL

from .snapshot import CT, PT, PT_CT, latest, value

# Register, its people's words, raw counts in one unit, ratio.
QUANTITIES = (
    ("ua", "Voltage A (V)", 10, PT),
    ("ub", "Voltage B (V)", 10, PT),
    ("uc", "Voltage C (V)", 10, PT),
    ("uab", "Voltage AB (V)", 10, PT),
    ("ubc", "Voltage BC (V)", 10, PT),
    ("uca", "Voltage CA (V)", 10, PT),
    ("ia", "Current A (A)", 100, CT),
    ("ib", "Current B (A)", 100, CT),
    ("ic", "Current C (A)", 100, CT),
    ("pa", "Active Power A (kW)", 1000, PT_CT),
    ("pb", "Active Power B (kW)", 1000, PT_CT),
    ("pc", "Active Power C (kW)", 1000, PT_CT),
    ("p", "Active Power (kW)", 1000, PT_CT),
    ("q", "Reactive Power (kvar)", 1000, PT_CT),
    ("s", "Apparent Power (kVA)", 1000, PT_CT),
)


class AcrelMeterExtreme(models.Model):
    """Highest and lowest value of a quantity in a month, as last read; read-only."""

    _name = "acrel.meter.extreme"
    _description = "Extreme of a Month"
    _auto = False
    _log_access = False
    _order = "meter_id, months_ago, id"
    _rec_name = "quantity"

    meter_id = fields.Many2one("acrel.meter", readonly=True)
    received_at = fields.Datetime("Read", readonly=True)
    months_ago = fields.Integer(
        readonly=True, aggregator=None, help="0: the month in which it was read."
    )
    quantity = fields.Selection([row[:2] for row in QUANTITIES], readonly=True)
    highest = fields.Float(readonly=True, digits=(16, 3), aggregator="max")
    highest_at = fields.Char(readonly=True, help="Local time by the meter's own clock.")
    lowest = fields.Float(readonly=True, digits=(16, 3), aggregator="min")
    lowest_at = fields.Char(readonly=True, help="Local time by the meter's own clock.")

    @property
    def _table_query(self):
        """One row a meter, month and quantity."""
        parts = [
            SQL(
                """SELECT (m.id * 4::bigint + r.number - 1) * 32 + %s AS id, m.id AS meter_id,
                          s.received_at, r.number - 1 AS months_ago, %s AS quantity,
                          %s AS highest, s.data->>%s AS highest_at,
                          %s AS lowest, s.data->>%s AS lowest_at
                     FROM rows r JOIN acrel_meter m ON m.id = r.meter_id
                     CROSS JOIN LATERAL (SELECT r.data, r.received_at) s
                LEFT JOIN acrel_installation i ON i.id = r.installation_id""",
                number,
                name,
                value(f"'max_{name}'", scale, ratio),
                f"max_{name}_at",
                value(f"'min_{name}'", scale, ratio),
                f"min_{name}_at",
            )
            for number, (name, _label, scale, ratio) in enumerate(QUANTITIES)
        ]
        return SQL(
            """WITH rows AS (
                   SELECT m.id AS meter_id, i.id AS installation_id, s.received_at, e.number, e.data
                     %s
               CROSS JOIN LATERAL jsonb_array_elements(s.data->'rows')
                          WITH ORDINALITY AS e (data, number)
               ) %s""",
            latest("extremes"),
            SQL(" UNION ALL ").join(parts),
        )
