"""Power quality: what of a meter changes slowly, as last read."""

from odoo import fields, models
from odoo.tools import SQL

from .snapshot import CT, PT, PT_CT, latest, value

# Column, register without its phase, raw counts in one unit, ratio.
PHASE_VALUES = (
    ("thd_u", "thd_u", 100, "1"),
    ("thd_i", "thd_i", 100, "1"),
    ("fundamental_u", "fundamental_u", 10, PT),
    ("harmonic_u", "harmonic_u", 10, PT),
    ("fundamental_i", "fundamental_i", 100, CT),
    ("harmonic_i", "harmonic_i", 100, CT),
    ("fundamental_p", "fundamental_p", 1000, PT_CT),
    ("harmonic_p", "harmonic_p", 1000, PT_CT),
    ("temperature", "temperature_", 10, "1"),
    ("angle_u", "angle_u", 100, "1"),
    ("angle_i", "angle_i", 100, "1"),
)


class AcrelMeterPhase(models.Model):
    """Power quality of one phase, as last read; read-only."""

    _name = "acrel.meter.phase"
    _description = "Power Quality by Phase"
    _auto = False
    _log_access = False
    _order = "meter_id, id"
    _rec_name = "phase"

    meter_id = fields.Many2one("acrel.meter", readonly=True)
    received_at = fields.Datetime("Read", readonly=True)
    phase = fields.Selection([("a", "A"), ("b", "B"), ("c", "C")], readonly=True)
    thd_u = fields.Float("Voltage Distortion (%)", readonly=True, digits=(16, 2), aggregator=None)
    thd_i = fields.Float("Current Distortion (%)", readonly=True, digits=(16, 2), aggregator=None)
    fundamental_u = fields.Float(
        "Fundamental Voltage (V)", readonly=True, digits=(16, 1), aggregator=None
    )
    harmonic_u = fields.Float(
        "Harmonic Voltage (V)", readonly=True, digits=(16, 1), aggregator=None
    )
    fundamental_i = fields.Float(
        "Fundamental Current (A)", readonly=True, digits=(16, 2), aggregator=None
    )
    harmonic_i = fields.Float(
        "Harmonic Current (A)", readonly=True, digits=(16, 2), aggregator=None
    )
    fundamental_p = fields.Float(
        "Fundamental Power (kW)", readonly=True, digits=(16, 3), aggregator=None
    )
    harmonic_p = fields.Float("Harmonic Power (kW)", readonly=True, digits=(16, 3), aggregator=None)
    temperature = fields.Float(
        "Cable Temperature (°C)", readonly=True, digits=(16, 1), aggregator=None
    )
    angle_u = fields.Float("Voltage Angle (°)", readonly=True, digits=(16, 2), aggregator=None)
    angle_i = fields.Float("Current Angle (°)", readonly=True, digits=(16, 2), aggregator=None)

    @property
    def _table_query(self):
        """One row a meter and phase that its newest snapshot holds."""
        return SQL(
            """SELECT m.id * 4::bigint + ascii(q.phase) - ascii('a') AS id, m.id AS meter_id,
                      s.received_at, q.phase, %s
                 %s
           CROSS JOIN (VALUES ('a'), ('b'), ('c')) AS q (phase)
                WHERE s.data ? ('thd_u' || q.phase)""",
            SQL(", ").join(
                SQL("%s AS %s", value(f"'{raw}' || q.phase", scale, ratio), SQL.identifier(name))
                for name, raw, scale, ratio in PHASE_VALUES
            ),
            latest("quality"),
        )


class AcrelMeterHarmonic(models.Model):
    """One harmonic of voltages and currents, in % of the fundamental, as last read; read-only."""

    _name = "acrel.meter.harmonic"
    _description = "Harmonic"
    _auto = False
    _log_access = False
    _order = "meter_id, number"
    _rec_name = "number"

    meter_id = fields.Many2one("acrel.meter", readonly=True)
    number = fields.Integer("Harmonic", readonly=True, aggregator=None)
    ua = fields.Float("Voltage A (%)", readonly=True, digits=(16, 2), aggregator=None)
    ub = fields.Float("Voltage B (%)", readonly=True, digits=(16, 2), aggregator=None)
    uc = fields.Float("Voltage C (%)", readonly=True, digits=(16, 2), aggregator=None)
    ia = fields.Float("Current A (%)", readonly=True, digits=(16, 2), aggregator=None)
    ib = fields.Float("Current B (%)", readonly=True, digits=(16, 2), aggregator=None)
    ic = fields.Float("Current C (%)", readonly=True, digits=(16, 2), aggregator=None)

    @property
    def _table_query(self):
        """One row a meter and harmonic, the second to the thirty-first."""
        return SQL(
            """SELECT m.id * 32::bigint + n AS id, m.id AS meter_id, n + 2 AS number, %s
                 %s
           CROSS JOIN generate_series(0, 29) AS n
                WHERE s.data ? 'harmonics_ua'""",
            SQL(", ").join(
                SQL(
                    "(s.data->%s->>n)::numeric / 100 AS %s",
                    f"harmonics_{name}",
                    SQL.identifier(name),
                )
                for name in ("ua", "ub", "uc", "ia", "ib", "ic")
            ),
            latest("quality"),
        )


class AcrelMeterDemand(models.Model):
    """Demand now and its maximum of this month, as last read; read-only."""

    _name = "acrel.meter.demand"
    _description = "Demand"
    _auto = False
    _log_access = False
    _order = "meter_id, id"
    _rec_name = "quantity"

    meter_id = fields.Many2one("acrel.meter", readonly=True)
    quantity = fields.Selection(
        [
            ("p_forward", "Forward active (kW)"),
            ("p_reverse", "Reverse active (kW)"),
            ("q_forward", "Forward reactive (kvar)"),
            ("q_reverse", "Reverse reactive (kvar)"),
            ("s", "Apparent (kVA)"),
        ],
        readonly=True,
    )
    present = fields.Float("Now", readonly=True, digits=(16, 3), aggregator=None)
    highest = fields.Float("Highest This Month", readonly=True, digits=(16, 3), aggregator=None)
    highest_at = fields.Char("At", readonly=True, help="Local time by the meter's own clock.")

    @property
    def _table_query(self):
        """One row a meter and kind of demand that its newest snapshot holds."""
        return SQL(
            """SELECT m.id * 8::bigint + q.number AS id, m.id AS meter_id, q.name AS quantity,
                      %s AS present, %s AS highest,
                      s.data->>('demand_max_' || q.name || '_at') AS highest_at
                 %s
           CROSS JOIN (VALUES (1, 'p_forward'), (2, 'p_reverse'), (3, 'q_forward'),
                              (4, 'q_reverse'), (5, 's')) AS q (number, name)
                WHERE s.data ? ('demand_' || q.name)""",
            value("'demand_' || q.name", 1000, PT_CT),
            value("'demand_max_' || q.name", 1000, PT_CT),
            latest("quality"),
        )
