"""Invoice posted bills to whom the payer names."""

from odoo import api, fields, models


class AcrelBillInvoice(models.TransientModel):
    """Whom the invoice of some bills names."""

    _name = "acrel.bill.invoice"
    _description = "Invoice of Charging Bills"

    bill_ids = fields.Many2many(
        comodel_name="acrel.bill",
        required=True,
        default=lambda self: self.env.context.get("active_ids"),
    )
    payer_id = fields.Many2one(comodel_name="res.partner", compute="_compute_payer_id")
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Invoice To",
        required=True,
        compute="_compute_partner_id",
        store=True,
        precompute=True,
        readonly=False,
        help="The payer, or the business that the payer drives for.",
    )
    vat = fields.Char(related="partner_id.vat", string="Tax ID", readonly=False)

    @api.depends("bill_ids")
    def _compute_payer_id(self):
        for wizard in self:
            payers = wizard.bill_ids.partner_id
            wizard.payer_id = payers if len(payers) == 1 else False

    @api.depends("bill_ids")
    def _compute_partner_id(self):
        for wizard in self:
            payer = wizard.bill_ids.partner_id[:1]
            contact = payer.child_ids.filtered(lambda child: child.type == "invoice")[:1]
            wizard.partner_id = contact or payer

    def action_apply(self):
        """Post the invoice and open it."""
        self.ensure_one()
        self.check_access("write")
        self.bill_ids.check_access("read")
        invoice = self.bill_ids._make_invoice(self.partner_id)
        return invoice._get_records_action()
