"""Journal entries and invoices that billing writes."""

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from ..money import amount_of


class AccountMove(models.Model):
    """A journal entry; those that billing wrote are corrected through billing."""

    _name = "account.move"
    _inherit = "account.move"

    acrel_is_charging = fields.Boolean(
        string="Charging Invoice",
        readonly=True,
        copy=False,
        help="The lines carry the net amounts of charging bills, and the VAT is that of the bills.",
    )

    def _prepare_product_base_line_for_taxes_computation(self, product_line):
        """Override of `account`: the prices of charging invoices are net, whatever the tax says."""
        base_line = super()._prepare_product_base_line_for_taxes_computation(product_line)
        if self.acrel_is_charging:
            base_line["special_mode"] = "total_excluded"
        return base_line

    def _acrel_set_stored_tax(self, bill_lines):
        """Put the VAT of the bill lines on the draft, where Odoo has computed its own."""
        self.ensure_one()
        document_type = "refund" if self.move_type == "out_refund" else "invoice"
        commands = []
        for tax, lines in bill_lines.grouped("tax_id").items():
            if not tax:
                continue
            repartition = self.env["acrel.bill.posting"]._tax_repartition(tax, document_type)
            amount = -amount_of(sum(lines.mapped("tax_fen")))
            values = {
                "balance": amount,
                "amount_currency": amount,
                "tax_base_amount": -amount_of(sum(lines.mapped("net_fen"))),
            }
            tax_line = self.line_ids.filtered(
                lambda line, repartition=repartition: line.tax_repartition_line_id == repartition
            )
            if tax_line:
                commands.append(Command.update(tax_line.id, values))
            elif amount:
                commands.append(
                    Command.create(
                        {
                            **values,
                            "name": tax.name,
                            "display_type": "tax",
                            "account_id": repartition.account_id.id,
                            "tax_repartition_line_id": repartition.id,
                            "tax_tag_ids": [Command.set(repartition.tag_ids.ids)],
                        }
                    )
                )
        if commands:
            self.write({"line_ids": commands})

    def _acrel_check_not_bound(self):
        """Refuse to change an entry that a wallet or a posting of bills stands on."""
        entries = self.env["acrel.wallet.entry"].sudo()
        postings = self.env["acrel.bill.posting"].sudo()
        bound = (
            entries.search([("move_id", "in", self.ids)]).move_id
            | postings.search([("move_id", "in", self.ids)]).move_id
            | postings.search([("settlement_move_id", "in", self.ids)]).settlement_move_id
        )
        if bound:
            raise UserError(
                self.env._(
                    "%(entries)s books a charging wallet or charging bills. Correct it there: "
                    "refund or adjust the wallet, or credit the bill.",
                    entries=", ".join(bound.mapped("name")),
                )
            )

    def button_draft(self):
        """Refuse for entries of wallets and bills."""
        self._acrel_check_not_bound()
        return super().button_draft()

    def button_cancel(self):
        """Refuse for entries of wallets and bills."""
        self._acrel_check_not_bound()
        return super().button_cancel()

    def _reverse_moves(self, default_values_list=None, cancel=False):
        """Override of `account` to refuse for entries of wallets and bills."""
        self._acrel_check_not_bound()
        return super()._reverse_moves(default_values_list, cancel)
