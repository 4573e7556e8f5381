"""Bills: what a payer owes for ended sessions, final once posted."""

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from odoo.addons.acrel_meter_link.fields import BigInteger

from ..money import amount_of

FINAL_STATES = ("posted", "credited")


class AcrelBill(models.Model):
    """A seller's bill to a payer; a posted one is never edited but reversed by a credit."""

    _name = "acrel.bill"
    _description = "Charging Bill"
    _inherit = ["mail.thread", "portal.mixin"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(required=True, readonly=True, default="/", copy=False)
    kind = fields.Selection([("charging", "Charging")], required=True, default="charging")
    state = fields.Selection(
        [("draft", "Draft"), ("posted", "Posted"), ("credited", "Credited")],
        required=True,
        readonly=True,
        default="draft",
        copy=False,
        index=True,
        tracking=True,
    )
    company_id = fields.Many2one(
        "res.company",
        string="Seller",
        required=True,
        index=True,
        default=lambda self: self.env.company,
    )
    currency_id = fields.Many2one("res.currency", required=True)
    partner_id = fields.Many2one(
        "res.partner", string="Payer", required=True, index=True, ondelete="restrict"
    )
    role = fields.Selection(
        [("principal", "Sells for Itself")],
        required=True,
        default="principal",
        help="Whether the company sells its own electricity and service.",
    )
    payment_mode = fields.Selection(
        [("prepaid", "From the Wallet"), ("postpaid", "By Invoice")], required=True
    )
    station_id = fields.Many2one("acrel.station", required=True, index=True, ondelete="restrict")
    revenue_date = fields.Date(
        required=True,
        index=True,
        help="Day of the last session's end, on the company's clock.",
    )
    posted_at = fields.Datetime(readonly=True, copy=False)
    line_ids = fields.One2many("acrel.bill.line", "bill_id", string="Lines")
    session_ids = fields.Many2many(
        "acrel.session", string="Sessions", compute="_compute_session_ids"
    )
    session_id = fields.Many2one(
        "acrel.session",
        string="Only Session",
        compute="_compute_session_id",
        store=True,
        index="btree_not_null",
        help="The session, where the bill is for one only.",
    )
    energy_wh = BigInteger(string="Energy (Wh)", compute="_compute_totals", store=True)
    energy_kwh = fields.Float(
        string="Energy (kWh)", digits=(16, 3), compute="_compute_totals", store=True
    )
    gross_fen = BigInteger(string="Gross (fen)", compute="_compute_totals", store=True)
    net_fen = BigInteger(string="Net (fen)", compute="_compute_totals", store=True)
    tax_fen = BigInteger(string="Tax (fen)", compute="_compute_totals", store=True)
    amount_gross = fields.Monetary(string="Total", compute="_compute_totals", store=True)
    amount_net = fields.Monetary(string="Untaxed", compute="_compute_totals", store=True)
    amount_tax = fields.Monetary(string="Tax", compute="_compute_totals", store=True)
    reverses_id = fields.Many2one(
        "acrel.bill",
        string="Credit of",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        copy=False,
        check_company=True,
    )
    credit_ids = fields.One2many("acrel.bill", "reverses_id")
    is_credit = fields.Boolean(compute="_compute_is_credit", store=True)
    credit_reason = fields.Char(readonly=True, copy=False)

    _credited_once = models.Constraint(
        "UNIQUE (reverses_id)", "This bill has been credited already."
    )
    _name_unique = models.UniqueIndex(
        "(company_id, name) WHERE state <> 'draft'", "A bill with this number exists already."
    )

    @api.depends("reverses_id")
    def _compute_is_credit(self):
        """Tell whether the bill gives back another one."""
        for bill in self:
            bill.is_credit = bool(bill.reverses_id)

    @api.depends("line_ids.session_id")
    def _compute_session_ids(self):
        """Find the sessions through the lines."""
        for bill in self:
            bill.session_ids = bill.line_ids.session_id

    @api.depends("line_ids.session_id")
    def _compute_session_id(self):
        """Find the session of a bill for one only."""
        for bill in self:
            sessions = bill.line_ids.session_id
            bill.session_id = sessions if len(sessions) == 1 else False

    @api.depends(
        "line_ids.energy_wh",
        "line_ids.fee_kind",
        "line_ids.gross_fen",
        "line_ids.net_fen",
        "line_ids.tax_fen",
    )
    def _compute_totals(self):
        """Sum the lines; each Wh stands on one electricity line."""
        for bill in self:
            lines = bill.line_ids
            electricity = lines.filtered(lambda line: line.fee_kind == "electricity")
            bill.energy_wh = sum(electricity.mapped("energy_wh"))
            bill.energy_kwh = float(bill.energy_wh) / 1000
            bill.gross_fen = sum(lines.mapped("gross_fen"))
            bill.net_fen = sum(lines.mapped("net_fen"))
            bill.tax_fen = sum(lines.mapped("tax_fen"))
            bill.amount_gross = amount_of(bill.gross_fen)
            bill.amount_net = amount_of(bill.net_fen)
            bill.amount_tax = amount_of(bill.tax_fen)

    def _compute_access_url(self):
        """Give the bill's page on the portal."""
        result = super()._compute_access_url()
        for bill in self:
            bill.access_url = f"/my/bills/{bill.id}"
        return result

    # === final once posted ===

    def _free_fields(self):
        """Return the fields of a posted bill that are no part of the document."""
        return {
            "access_token",
            "message_ids",
            "message_follower_ids",
            "message_partner_ids",
        }

    def write(self, vals):
        """Refuse to edit what is posted; the one change is to have been credited."""
        if not self._free_fields().issuperset(vals):
            for bill in self:
                credited = vals == {"state": "credited"} and bill.credit_ids
                if bill.state in FINAL_STATES and not credited:
                    raise UserError(
                        self.env._(
                            "Bill %s is posted and never edited. Credit it and bill again.",
                            bill.name,
                        )
                    )
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_draft_only(self):
        """Keep posted bills."""
        for bill in self:
            if bill.state in FINAL_STATES:
                raise UserError(self.env._("Bill %s is posted and never deleted.", bill.name))

    def _post(self):
        """Number the drafts and make them final."""
        for bill in self.filtered(lambda bill: bill.state == "draft"):
            sequence = self.env["ir.sequence"].sudo().with_company(bill.company_id)
            bill.write(
                {
                    "name": sequence.next_by_code("acrel.bill", sequence_date=bill.revenue_date),
                    "posted_at": fields.Datetime.now(),
                    "state": "posted",
                }
            )

    def _check_biller(self):
        """Refuse people who may not credit or settle."""
        groups = ("account.group_account_invoice", "acrel_meter_link.group_manager")
        if not self.env.su and not any(self.env.user.has_group(group) for group in groups):
            raise AccessError(
                self.env._("Only accountants and managers of the network settle and credit bills.")
            )

    def action_view_sessions(self):
        """Open the sessions of the bill."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "acrel_charging.acrel_session_action"
        )
        return {**action, "domain": [("id", "in", self.session_ids.ids)], "context": {}}

    def action_view_credits(self):
        """Open what the bill was credited by, or what it credits."""
        self.ensure_one()
        other = self.reverses_id or self.credit_ids
        return {
            "type": "ir.actions.act_window",
            "res_model": "acrel.bill",
            "res_id": other.id,
            "view_mode": "form",
        }
