"""What accountants do with a wallet: receive money, pay it back, correct."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..money import amount_of, fen_of


class AcrelWalletOperation(models.TransientModel):
    """A top-up in cash or by bank transfer, a refund, or an adjustment."""

    _name = "acrel.wallet.operation"
    _description = "Charging Wallet Operation"
    _check_company_auto = True

    company_id = fields.Many2one(
        comodel_name="res.company", required=True, default=lambda self: self.env.company
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    partner_id = fields.Many2one(comodel_name="res.partner", string="Driver", required=True)
    available = fields.Monetary(compute="_compute_available", compute_sudo=True)
    kind = fields.Selection(
        selection=[
            ("topup", "Top up"),
            ("refund", "Refund"),
            ("add", "Adjust: add"),
            ("take", "Adjust: take away"),
        ],
        required=True,
        default="topup",
    )
    amount = fields.Monetary(required=True)
    date = fields.Date(required=True, default=fields.Date.context_today)
    journal_id = fields.Many2one(
        comodel_name="account.journal",
        string="Bank or Cash",
        check_company=True,
        domain=[("type", "in", ("bank", "cash"))],
        compute="_compute_journal_id",
        store=True,
        precompute=True,
        readonly=False,
    )
    account_id = fields.Many2one(
        comodel_name="account.account",
        string="Counterpart Account",
        check_company=True,
        help="What the adjustment is booked against.",
    )
    note = fields.Char(string="Reason")

    @api.depends("partner_id", "company_id")
    def _compute_available(self):
        wallets = self.env["acrel.wallet"]
        for operation in self:
            operation.available = wallets._of(operation.partner_id, operation.company_id).available

    @api.depends("company_id")
    def _compute_journal_id(self):
        for wizard in self:
            wizard.journal_id = self.env["account.journal"].search(
                [("company_id", "=", wizard.company_id.id), ("type", "=", "bank")], limit=1
            )

    def action_apply(self):
        """Book the operation and open the wallet."""
        self.ensure_one()
        self.check_access("write")
        if self.company_id not in self.env.companies:
            raise UserError(self.env._("Choose a company that you are working in."))
        fen = fen_of(self.amount)
        if fen <= 0 or amount_of(fen) != self.amount:
            raise UserError(self.env._("Enter an amount of more than zero, in whole fen."))
        wallet = self.env["acrel.wallet"].sudo()._ensure(self.partner_id, self.company_id)
        if self.kind in ("topup", "refund"):
            if not self.journal_id:
                raise UserError(self.env._("Choose the bank or cash journal."))
            if self.kind == "topup":
                wallet._top_up_by_staff(fen, self.journal_id, self.date, self.note or "")
            else:
                refund = (
                    self.env["acrel.wallet.refund"].sudo()._request(wallet, fen, self.note or "")
                )
                refund._pay_out(self.journal_id, self.date)
        else:
            if not self.account_id or not self.note:
                raise UserError(
                    self.env._("An adjustment needs a counterpart account and a reason.")
                )
            wallet._adjust(
                fen if self.kind == "add" else -fen, self.account_id, self.note, self.date
            )
        return wallet.with_env(self.env)._get_records_action()
