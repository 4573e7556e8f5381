"""A bill line as an invoice shows it."""

from odoo import fields, models
from odoo.fields import Command

from ..money import amount_of, decimal_of


class AcrelBillLine(models.Model):
    """A bill line as an invoice shows it."""

    _inherit = "acrel.bill.line"

    def _invoice_line_values(self, sign):
        """Return the values of this line's invoice line; prices are net, as stored."""
        self.ensure_one()
        kinds = dict(self._fields["fee_kind"]._description_selection(self.env))
        energy = decimal_of(self.energy_wh / 1000, 3)
        return {
            "name": self.env._(
                "%(kind)s, %(day)s, %(energy)s kWh × %(price)s",
                kind=kinds[self.fee_kind],
                day=fields.Date.to_string(self.day),
                energy=energy,
                price=decimal_of(self.price),
            ),
            "account_id": self.bill_id.company_id.acrel_revenue_account_id.id,
            "quantity": 1,
            "price_unit": amount_of(sign * self.net_fen),
            "tax_ids": [Command.set(self.tax_id.ids)],
        }
