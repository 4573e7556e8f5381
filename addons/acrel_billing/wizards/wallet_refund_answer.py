"""Answer a driver's request to have money back."""

from odoo import api, fields, models
from odoo.exceptions import UserError


class AcrelWalletRefundAnswer(models.TransientModel):
    """Pay the refund from a journal, send it back through the provider, or refuse it."""

    _name = "acrel.wallet.refund.answer"
    _description = "Answer to a Charging Wallet Refund"
    _check_company_auto = True

    refund_id = fields.Many2one(comodel_name="acrel.wallet.refund", required=True, readonly=True)
    company_id = fields.Many2one(related="refund_id.company_id")
    currency_id = fields.Many2one(related="refund_id.currency_id")
    wallet_id = fields.Many2one(related="refund_id.wallet_id")
    amount = fields.Monetary(related="refund_id.amount")
    pay_to = fields.Text(related="refund_id.note")
    decision = fields.Selection(
        selection=[
            ("pay", "Pay from a bank or cash journal"),
            ("provider", "Send back the way a top-up came"),
            ("refuse", "Refuse"),
        ],
        required=True,
        default="pay",
    )
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
    date = fields.Date(required=True, default=fields.Date.context_today)
    topup_entry_id = fields.Many2one(
        comodel_name="acrel.wallet.entry",
        string="Top-up",
        domain="[('id', 'in', refundable_entry_ids)]",
    )
    refundable_entry_ids = fields.Many2many(
        comodel_name="acrel.wallet.entry", compute="_compute_refundable_entry_ids"
    )
    answer = fields.Char(string="Reason")

    @api.depends("refund_id")
    def _compute_refundable_entry_ids(self):
        """Find the top-ups whose provider can give back the whole refund."""
        for wizard in self:
            refund = wizard.refund_id.sudo()
            wizard.refundable_entry_ids = refund.wallet_id.entry_ids.filtered(
                lambda entry, refund=refund: (
                    entry.kind == "topup"
                    and entry.transaction_id.payment_id.amount_available_for_refund >= refund.amount
                )
            )

    @api.depends("company_id")
    def _compute_journal_id(self):
        for wizard in self:
            wizard.journal_id = self.env["account.journal"].search(
                [("company_id", "=", wizard.company_id.id), ("type", "=", "bank")], limit=1
            )

    def action_apply(self):
        """Carry out the decision."""
        self.ensure_one()
        self.check_access("write")
        self.refund_id.check_access("read")
        refund = self.refund_id.sudo()
        if self.decision == "refuse":
            if not self.answer:
                raise UserError(self.env._("Tell the driver why the refund is refused."))
            refund._refuse(self.answer)
        elif self.decision == "provider":
            if not self.topup_entry_id:
                raise UserError(self.env._("Choose the top-up to give back."))
            refund._send_to_provider(self.topup_entry_id.sudo().transaction_id)
        else:
            if not self.journal_id:
                raise UserError(self.env._("Choose the bank or cash journal."))
            refund._pay_out(self.journal_id, self.date)
        return {"type": "ir.actions.act_window_close"}
