"""Which tariff a pile sells by."""

from zoneinfo import ZoneInfo

from odoo import fields, models
from odoo.exceptions import UserError


class AcrelStation(models.Model):
    """Station: the tariff of its piles."""

    _inherit = "acrel.station"

    tariff_id = fields.Many2one(
        "acrel.tariff",
        check_company=True,
        ondelete="restrict",
        tracking=True,
        help="What a kWh costs here, unless a pile has a tariff of its own.",
    )
    currency_id = fields.Many2one(related="company_id.currency_id")


class AcrelPile(models.Model):
    """Pile: a tariff of its own, and how sessions are paid."""

    _inherit = "acrel.pile"

    tariff_id = fields.Many2one(
        "acrel.tariff",
        string="Tariff of Its Own",
        check_company=True,
        ondelete="restrict",
        tracking=True,
        help="Empty: the station's tariff.",
    )

    def _tariff(self):
        """Return the tariff version that a session starting now is priced by, or none."""
        self.ensure_one()
        pile = self.sudo()
        tariff = pile.tariff_id or pile.station_id.tariff_id
        return (
            tariff._version_at(fields.Datetime.now()) if tariff.active else tariff.version_ids[:0]
        )

    def _payment_mode(self):
        """Return how sessions are paid: 'prepaid' from a wallet, or 'postpaid' by invoice."""
        self.ensure_one()
        return "prepaid"

    def _zone(self):
        """Return the clock that the periods of the day follow."""
        self.ensure_one()
        return ZoneInfo(self.sudo().station_id.tz)

    def _check_start(self, partner):
        """Refuse to sell what has no price; staff may start unsold sessions."""
        result = super()._check_start(partner)
        if partner:
            self._check_priced()
        return result

    def _check_priced(self):
        """Refuse a pile without a tariff version in force; return that version."""
        version = self._tariff()
        if not version:
            raise UserError(
                self.env._(
                    "Pile %(pile)s has no price in force now. Please choose another pile.",
                    pile=self.display_name,
                )
            )
        return version

    def _offer(self):
        """Return what the page of the pile says about its prices, or None without any."""
        version = self._tariff()
        if not version:
            return None
        segments = version._segments(fields.Datetime.now(), self._zone())
        return {
            "version": version,
            "segments": segments,
            "current": next(segment for segment in segments if segment["current"]),
            "currency": version.currency_id,
            "note": version.tariff_id.note,
            "tz": self.sudo().station_id.tz,
        }
