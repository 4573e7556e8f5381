"""Month-ends that the meters keep by themselves."""

from odoo import fields, models
from odoo.tools import SQL

from ..acrel_link.month_check import TOLERANCE
from ..fields import BigInteger


class AcrelMeterMonth(models.Model):
    """The energies that a meter froze at the end of a month, valued by its installation.

    Read-only over the table that the link process writes. The energy of a month is the difference
    of two freezes under one installation; without the freeze before it is not known.
    """

    _name = "acrel.meter.month"
    _description = "Month of a Meter"
    _auto = False
    _log_access = False
    _order = "month desc, meter_id"
    _rec_name = "month"

    meter_id = fields.Many2one("acrel.meter", readonly=True)
    installation_id = fields.Many2one("acrel.installation", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    month = fields.Date(readonly=True)
    frozen_at = fields.Datetime(readonly=True, help="By the meter's own clock.")
    received_at = fields.Datetime("Received", readonly=True)
    register = BigInteger(
        "Energy Register",
        readonly=True,
        aggregator=None,
        help="Forward active energy at the freeze, in 0.01 kWh of the meter's secondary side.",
    )
    register_before = BigInteger(
        "Our Reading Before",
        readonly=True,
        aggregator=None,
        help="Register of our last reading before the freeze.",
    )
    register_after = BigInteger(
        "Our Reading After",
        readonly=True,
        aggregator=None,
        help="Register of our first reading after the freeze.",
    )
    differs = fields.Boolean(
        readonly=True,
        help="The frozen register does not lie between our readings around it.",
    )
    energy_kwh = fields.Float("Energy at the End (kWh)", readonly=True, digits=(16, 2))
    forward_kwh = fields.Float("Energy of the Month (kWh)", readonly=True, digits=(16, 2))
    reverse_kwh = fields.Float("Reverse Energy (kWh)", readonly=True, digits=(16, 2))
    sharp_kwh = fields.Float("Sharp (kWh)", readonly=True, digits=(16, 2))
    peak_kwh = fields.Float("Peak (kWh)", readonly=True, digits=(16, 2))
    flat_kwh = fields.Float("Flat (kWh)", readonly=True, digits=(16, 2))
    valley_kwh = fields.Float("Valley (kWh)", readonly=True, digits=(16, 2))

    @property
    def _table_query(self):
        """Value the frozen registers; of a month, by the difference to the month before."""
        drawn = {
            "forward_kwh": "e_forward",
            "reverse_kwh": "e_reverse",
            "sharp_kwh": "e_forward_sharp",
            "peak_kwh": "e_forward_peak",
            "flat_kwh": "e_forward_flat",
            "valley_kwh": "e_forward_valley",
        }
        return SQL(
            """SELECT m.meter_id::bigint * 4096 + (extract(year FROM m.month)::integer - 2000) * 12
                      + extract(month FROM m.month)::integer AS id,
                      m.meter_id, i.id AS installation_id,
                      COALESCE(i.company_id, d.company_id) AS company_id,
                      m.month, m.frozen_at, m.received_at, m.e_forward AS register,
                      m.register_before, m.register_after,
                      COALESCE(m.e_forward < m.register_before - %(tolerance)s, FALSE)
                      OR COALESCE(m.e_forward > m.register_after + %(tolerance)s, FALSE) AS differs,
                      m.e_forward * i.pt * i.ct / 100.0 AS energy_kwh, %(drawn)s
                 FROM acrel_meter_month m
                 JOIN acrel_meter d ON d.id = m.meter_id
            LEFT JOIN acrel_installation i
                   ON i.meter_id = m.meter_id AND i.date_from <= m.frozen_at
                  AND (i.date_to IS NULL OR m.frozen_at < i.date_to)
            LEFT JOIN acrel_meter_month b
                   ON b.meter_id = m.meter_id AND b.month = m.month - interval '1 month'
                  AND b.frozen_at >= i.date_from""",
            tolerance=TOLERANCE,
            drawn=SQL(", ").join(
                SQL(
                    "(m.%(raw)s - b.%(raw)s) * i.pt * i.ct / 100.0 AS %(name)s",
                    raw=SQL.identifier(raw),
                    name=SQL.identifier(name),
                )
                for name, raw in drawn.items()
            ),
        )
