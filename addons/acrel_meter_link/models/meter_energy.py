"""Energy by rate and by phase."""

from odoo import fields, models
from odoo.tools import SQL

from .snapshot import PT_CT, latest, value

RATES = ("sharp", "peak", "flat", "valley")
PHASES = ("a", "b", "c")


class AcrelMeterEnergy(models.Model):
    """Energies of a meter's life by 尖峰平谷 rate and by phase, as last read; read-only."""

    _name = "acrel.meter.energy"
    _description = "Energy by Rate and Phase"
    _auto = False
    _log_access = False
    _order = "meter_id, id"
    _rec_name = "quantity"

    meter_id = fields.Many2one("acrel.meter", readonly=True)
    received_at = fields.Datetime("Read", readonly=True)
    quantity = fields.Selection(
        [
            ("e_total", "Total active (kWh)"),
            ("e_forward", "Forward active (kWh)"),
            ("e_reverse", "Reverse active (kWh)"),
            ("eq_forward", "Forward reactive (kvarh)"),
            ("eq_reverse", "Reverse reactive (kvarh)"),
        ],
        readonly=True,
    )
    sharp = fields.Float(readonly=True, digits=(16, 2), aggregator=None)
    peak = fields.Float(readonly=True, digits=(16, 2), aggregator=None)
    flat = fields.Float(readonly=True, digits=(16, 2), aggregator=None)
    valley = fields.Float(readonly=True, digits=(16, 2), aggregator=None)
    phase_a = fields.Float(readonly=True, digits=(16, 2), aggregator=None)
    phase_b = fields.Float(readonly=True, digits=(16, 2), aggregator=None)
    phase_c = fields.Float(readonly=True, digits=(16, 2), aggregator=None)

    @property
    def _table_query(self):
        """One row a meter and quantity that its newest snapshot holds."""
        columns = [(rate, f"'_{rate}'") for rate in RATES]
        columns += [(f"phase_{phase}", f"'_{phase}'") for phase in PHASES]
        return SQL(
            """SELECT m.id * 8::bigint + q.number AS id, m.id AS meter_id, s.received_at,
                      q.name AS quantity, %s
                 %s
           CROSS JOIN (VALUES (1, 'e_total'), (2, 'e_forward'), (3, 'e_reverse'),
                              (4, 'eq_forward'), (5, 'eq_reverse')) AS q (number, name)
                WHERE s.data ? (q.name || '_flat') OR s.data ? (q.name || '_a')""",
            SQL(", ").join(
                SQL("%s AS %s", value(f"q.name || {suffix}", 100, PT_CT), SQL.identifier(name))
                for name, suffix in columns
            ),
            latest("quality"),
        )
