"""Taking a posted bill back, and billing again."""

from odoo import fields, models


class AcrelBillCredit(models.TransientModel):
    """Why a bill is credited, and by which prices its sessions are billed again."""

    _name = "acrel.bill.credit"
    _description = "Credit a Charging Bill"

    bill_id = fields.Many2one("acrel.bill", required=True, readonly=True)
    company_id = fields.Many2one(related="bill_id.company_id")
    reason = fields.Char(required=True)
    bill_again = fields.Boolean(help="Make a new bill of the same sessions right away.")
    tariff_version_id = fields.Many2one(
        "acrel.tariff.version",
        string="By the Prices of",
        domain="[('company_id', '=', company_id), ('state', '!=', 'draft')]",
        help="Empty: the prices that were in force when each session started.",
    )

    def action_credit(self):
        """Credit the bill, bill again where wanted, and show what came of it."""
        self.ensure_one()
        self.bill_id._check_biller()
        self.bill_id.check_access("read")
        self.tariff_version_id.check_access("read")
        result = self.bill_id._credit(self.reason)
        if self.bill_again:
            result = self.bill_id.sudo()._rebill(self.tariff_version_id.sudo()) or result
        return {
            "type": "ir.actions.act_window",
            "res_model": "acrel.bill",
            "res_id": result.id,
            "view_mode": "form",
        }
