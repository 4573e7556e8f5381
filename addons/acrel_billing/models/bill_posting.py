"""Postings: which journal entry carries which bill line."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.acrel_meter_link.fields import BigInteger

from ..money import amount_of


class AcrelBillPosting(models.Model):
    """One journal entry that books bill lines: a day of a station, an invoice, or a reversal.

    Amounts are the sums of the stored figures of the lines. Nothing is computed again here, and
    Odoo's tax engine is given the tax, not asked for it.
    """

    _name = "acrel.bill.posting"
    _description = "Charging Bill Posting"
    _order = "date desc, id desc"
    _check_company_auto = True

    kind = fields.Selection(
        selection=[
            ("daily", "Daily Entry"),
            ("reversal", "Reversal for an Invoice"),
            ("invoice", "Invoice"),
        ],
        required=True,
        readonly=True,
    )
    company_id = fields.Many2one(
        comodel_name="res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    station_id = fields.Many2one(
        comodel_name="acrel.station", readonly=True, index=True, ondelete="restrict"
    )
    tax_id = fields.Many2one(comodel_name="account.tax", readonly=True, ondelete="restrict")
    partner_id = fields.Many2one(comodel_name="res.partner", string="Payer", readonly=True)
    revenue_date = fields.Date(
        readonly=True,
        required=True,
        help="The day on which the sessions ended, in the company's time zone.",
    )
    date = fields.Date(
        string="Accounting Date",
        readonly=True,
        required=True,
        help="The day of the journal entry: the first open day where the revenue date is locked.",
    )
    is_postponed = fields.Boolean(
        string="Postponed",
        compute="_compute_is_postponed",
        store=True,
        help="The revenue date lies in a locked period.",
    )
    move_id = fields.Many2one(
        comodel_name="account.move",
        string="Journal Entry",
        required=True,
        readonly=True,
        ondelete="restrict",
        index=True,
    )
    settlement_move_id = fields.Many2one(
        comodel_name="account.move",
        string="Settlement Entry",
        readonly=True,
        ondelete="restrict",
        index="btree_not_null",
        help="Moves what the wallet has paid from the liability to the receivable of the invoice.",
    )
    item_ids = fields.One2many(
        comodel_name="acrel.bill.posting.item",
        inverse_name="posting_id",
        string="Bill Lines",
        readonly=True,
    )
    bill_count = fields.Integer(string="Bills", compute="_compute_bill_count")
    gross_fen = BigInteger(readonly=True, required=True)
    net_fen = BigInteger(readonly=True, required=True)
    tax_fen = BigInteger(readonly=True, required=True)
    amount_gross = fields.Monetary(string="Gross", compute="_compute_amounts", store=True)
    amount_net = fields.Monetary(string="Net", compute="_compute_amounts", store=True)
    amount_tax = fields.Monetary(string="VAT", compute="_compute_amounts", store=True)

    _sum = models.Constraint(
        "CHECK (gross_fen = net_fen + tax_fen)",
        "Net and VAT of a posting must add up to its gross amount.",
    )

    @api.depends("gross_fen", "net_fen", "tax_fen")
    def _compute_amounts(self):
        for posting in self:
            posting.amount_gross = amount_of(posting.gross_fen)
            posting.amount_net = amount_of(posting.net_fen)
            posting.amount_tax = amount_of(posting.tax_fen)

    @api.depends("date", "revenue_date", "kind")
    def _compute_is_postponed(self):
        for posting in self:
            posting.is_postponed = posting.kind == "daily" and posting.date != posting.revenue_date

    @api.depends("item_ids")
    def _compute_bill_count(self):
        counts = dict(
            self.env["acrel.bill.posting.item"]._read_group(
                [("posting_id", "in", self.ids)], ["posting_id"], ["bill_id:count_distinct"]
            )
        )
        for posting in self:
            posting.bill_count = counts.get(posting, 0)

    @api.depends("move_id")
    def _compute_display_name(self):
        for posting in self:
            posting.display_name = posting.move_id.name

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("A posting is never deleted; credit the bill instead."))

    @api.model
    def _record(self, move, kind, lines, **vals):
        """Record that the posted `move` books `lines` and return the posting.

        A line has one live posting at most (unique index): the invoice after the reversal of the
        daily entry, the daily entry otherwise.
        """
        posting = self.create(
            {
                "kind": kind,
                "company_id": move.company_id.id,
                "move_id": move.id,
                "date": move.date,
                "revenue_date": move.date,
                **self._sums(lines, -1 if kind == "reversal" else 1),
                **vals,
            }
        )
        self.env["acrel.bill.posting.item"].create(
            [
                {
                    "posting_id": posting.id,
                    "bill_line_id": line.id,
                    "bill_id": line.bill_id.id,
                    "live": kind != "reversal",
                }
                for line in lines
            ]
        )
        return posting

    @api.model
    def _sums(self, lines, sign=1):
        """Return gross, net and tax of the lines, in fen."""
        return {
            name: sign * sum(lines.mapped(name)) for name in ("gross_fen", "net_fen", "tax_fen")
        }

    def action_view_bills(self):
        """Open the bills of the posting."""
        self.ensure_one()
        action = self.item_ids.bill_id._get_records_action(name=self.env._("Bills"))
        action["context"] = {"create": False}
        return action

    def action_view_move(self):
        """Open the journal entry, or the invoice."""
        self.ensure_one()
        return self.move_id._get_records_action()


class AcrelBillPostingItem(models.Model):
    """A bill line in a posting."""

    _name = "acrel.bill.posting.item"
    _description = "Bill Line in a Posting"
    _order = "posting_id desc, id"

    posting_id = fields.Many2one(
        comodel_name="acrel.bill.posting",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    kind = fields.Selection(related="posting_id.kind", store=True, precompute=True)
    company_id = fields.Many2one(related="posting_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    bill_line_id = fields.Many2one(
        comodel_name="acrel.bill.line", required=True, readonly=True, ondelete="restrict"
    )
    bill_id = fields.Many2one(
        comodel_name="acrel.bill", required=True, readonly=True, index=True, ondelete="restrict"
    )
    live = fields.Boolean(
        readonly=True,
        help="This posting carries the line's revenue. A reversed daily entry does not any more.",
    )

    _once = models.Constraint(
        "UNIQUE (bill_line_id, kind)",
        "This bill line is already in a posting of this kind.",
    )
    _one_live = models.UniqueIndex(
        "(bill_line_id) WHERE live",
        "This bill line is already posted.",
    )

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("A posting is never deleted; credit the bill instead."))
