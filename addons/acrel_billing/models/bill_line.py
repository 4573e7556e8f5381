"""Lines of bills: one fee of one period of one session."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.acrel_meter_link.fields import BigInteger

from ..money import amount_of
from .tariff_period import KINDS

FEES = [("electricity", "Electricity"), ("service", "Service")]


class AcrelBillLine(models.Model):
    """Energy between two registers at one price; money in fen, tax included in gross."""

    _name = "acrel.bill.line"
    _description = "Charging Bill Line"
    _order = "bill_id desc, sequence, id"

    bill_id = fields.Many2one("acrel.bill", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="bill_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="bill_id.currency_id")
    partner_id = fields.Many2one(related="bill_id.partner_id", store=True)
    station_id = fields.Many2one(related="bill_id.station_id", store=True, index=True)
    revenue_date = fields.Date(related="bill_id.revenue_date", store=True, index=True)
    state = fields.Selection(related="bill_id.state", store=True)
    sequence = fields.Integer(required=True, help="Place in the bill.", aggregator=None)
    position = fields.Integer(
        required=True, help="Place among the session's lines.", aggregator=None
    )
    session_id = fields.Many2one("acrel.session", required=True, index=True, ondelete="restrict")
    tariff_version_id = fields.Many2one(
        "acrel.tariff.version", required=True, index=True, ondelete="restrict"
    )
    is_live = fields.Boolean(
        compute="_compute_is_live",
        store=True,
        help="Whether the line stands: neither credited nor a credit.",
    )
    day = fields.Date(required=True, help="Local day of the period.")
    start_at = fields.Datetime(string="From", required=True)
    end_at = fields.Datetime(string="Until", required=True)
    period_kind = fields.Selection(KINDS, string="Period", required=True)
    fee_kind = fields.Selection(FEES, string="Fee", required=True)
    start_wh = BigInteger(string="Start Register (Wh)", required=True, aggregator=None)
    end_wh = BigInteger(string="End Register (Wh)", required=True, aggregator=None)
    energy_wh = BigInteger(
        string="Energy (Wh)", required=True, aggregator=None, help="Below zero on a credit."
    )
    energy_kwh = fields.Float(
        string="Energy (kWh)",
        digits=(16, 3),
        compute="_compute_amounts",
        store=True,
        aggregator=None,
    )
    sold_kwh = fields.Float(
        string="Sold (kWh)",
        digits=(16, 3),
        compute="_compute_amounts",
        store=True,
        help="The energy, counted once: on its electricity line only.",
    )
    price = fields.Float(string="Price (per kWh)", digits=(10, 4), required=True, aggregator=None)
    tax_id = fields.Many2one("account.tax", ondelete="restrict")
    tax_rate = fields.Float(string="Tax (%)", digits=(7, 4), required=True, aggregator=None)
    gross_fen = BigInteger(string="Gross (fen)", required=True)
    net_fen = BigInteger(string="Net (fen)", required=True)
    tax_fen = BigInteger(string="Tax (fen)", required=True)
    gross = fields.Monetary(compute="_compute_amounts", store=True)
    net = fields.Monetary(string="Untaxed", compute="_compute_amounts", store=True)
    tax = fields.Monetary(string="Tax Amount", compute="_compute_amounts", store=True)

    _one_live_set = models.UniqueIndex(
        "(session_id, position) WHERE is_live", "This session is billed already."
    )
    _ties = models.Constraint(
        "CHECK (gross_fen = net_fen + tax_fen)", "Gross is net and tax together."
    )
    _registers = models.Constraint(
        "CHECK (end_wh >= start_wh AND abs(energy_wh) = end_wh - start_wh)",
        "A line's energy is the difference of its registers.",
    )
    _signs = models.Constraint(
        "CHECK (energy_wh >= 0 AND gross_fen >= 0 AND tax_fen BETWEEN 0 AND gross_fen"
        " OR energy_wh <= 0 AND gross_fen <= 0 AND tax_fen BETWEEN gross_fen AND 0)",
        "A line is either billed or credited, as a whole.",
    )

    @api.depends("bill_id.state", "bill_id.reverses_id")
    def _compute_is_live(self):
        """A line stands while its bill does."""
        for line in self:
            line.is_live = line.bill_id.state != "credited" and not line.bill_id.reverses_id

    @api.depends("energy_wh", "fee_kind", "gross_fen", "net_fen", "tax_fen")
    def _compute_amounts(self):
        """Show what is kept in Wh and fen."""
        for line in self:
            line.energy_kwh = float(line.energy_wh) / 1000
            line.sold_kwh = line.energy_kwh if line.fee_kind == "electricity" else 0.0
            line.gross = amount_of(line.gross_fen)
            line.net = amount_of(line.net_fen)
            line.tax = amount_of(line.tax_fen)

    @api.depends("session_id.name", "fee_kind", "period_kind")
    @api.depends_context("lang")
    def _compute_display_name(self):
        """Name a line by session, fee and period."""
        fees = dict(self._fields["fee_kind"]._description_selection(self.env))
        kinds = dict(self._fields["period_kind"]._description_selection(self.env))
        for line in self:
            line.display_name = (
                f"{line.session_id.name} {fees.get(line.fee_kind)} {kinds.get(line.period_kind)}"
            )

    @api.model_create_multi
    def create(self, vals_list):
        """Add lines to drafts only."""
        lines = super().create(vals_list)
        lines._check_draft()
        return lines

    def write(self, vals):
        """Change lines of drafts only."""
        self._check_draft()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_draft_only(self):
        """Remove lines of drafts only."""
        self._check_draft()

    def _check_draft(self):
        """Refuse to touch the lines of a posted bill."""
        for bill in self.bill_id.filtered(lambda bill: bill.state != "draft"):
            raise UserError(
                self.env._(
                    "Bill %s is posted and never edited. Credit it and bill again.", bill.name
                )
            )
