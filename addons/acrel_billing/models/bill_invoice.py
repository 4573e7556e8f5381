"""Invoices on request, for posted bills, without counting a bill twice."""

import logging

from psycopg2 import IntegrityError

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command, Domain

_logger = logging.getLogger(__name__)


class AcrelBill(models.Model):
    """A bill and where the books carry it."""

    _inherit = "acrel.bill"

    posting_item_ids = fields.One2many(
        comodel_name="acrel.bill.posting.item",
        inverse_name="bill_id",
        string="Postings",
        readonly=True,
    )
    accounting_state = fields.Selection(
        selection=[
            ("none", "Not Posted"),
            ("daily", "In a Daily Entry"),
            ("invoice", "Invoiced"),
        ],
        string="Accounting",
        compute="_compute_accounting",
        search="_search_accounting_state",
        compute_sudo=True,
    )
    invoice_id = fields.Many2one(
        comodel_name="account.move",
        compute="_compute_accounting",
        compute_sudo=True,
    )

    @api.depends("posting_item_ids.live")
    def _compute_accounting(self):
        for bill in self:
            live = bill.posting_item_ids.filtered("live")
            bill.accounting_state = live[:1].kind or "none"
            bill.invoice_id = live.filtered(lambda item: item.kind == "invoice").posting_id.move_id

    def _search_accounting_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        live = Domain("live", "=", True)
        domain = Domain.FALSE
        if kinds := [kind for kind in value if kind and kind != "none"]:
            domain |= Domain("posting_item_ids", "any", live & Domain("kind", "in", kinds))
        if "none" in value or False in value:
            domain |= Domain("posting_item_ids", "not any", live)
        return domain

    # === INVOICE === #

    def _check_invoiceable(self):
        """Refuse what cannot stand together on one invoice now, saying why."""
        if len(self.company_id) != 1 or len(self.partner_id) != 1:
            raise UserError(self.env._("One invoice is for bills of one payer and one company."))
        if len(set(self.mapped("payment_mode"))) != 1:
            raise UserError(
                self.env._("Bills paid from a wallet and bills to be paid need separate invoices.")
            )
        for bill in self:
            if bill.is_credit or bill.state != "posted":
                raise UserError(
                    self.env._(
                        "Bill %(bill)s cannot be invoiced: only posted bills that have not been "
                        "credited can.",
                        bill=bill.name,
                    )
                )
            if bill.invoice_id:
                raise UserError(
                    self.env._(
                        "Bill %(bill)s is already on invoice %(invoice)s.",
                        bill=bill.name,
                        invoice=bill.invoice_id.name,
                    )
                )

    def _make_invoice(self, partner=None):
        """Post one invoice for these bills of one payer and return it.

        What a daily entry carries of them is taken back in the same transaction. A prepaid invoice
        is settled from the liability at once; a post-paid one stays to be paid. An unposted bill of
        an earlier month goes through the daily entry first, so that its month keeps its revenue.

        :param partner: who the invoice names, the payer unless given
        """
        bills = self.sudo()
        bills.lock_for_update()
        bills._check_invoiceable()
        company = bills.company_id
        company._acrel_check_accounting()
        postings = bills.env["acrel.bill.posting"]
        date = company._acrel_open_date(
            postings._today(company), company.acrel_invoice_journal_id, True
        )
        late = bills.filtered(
            lambda bill: (
                bill.payment_mode == "prepaid"
                and bill.accounting_state == "none"
                and bill.revenue_date < date.replace(day=1)
            )
        )
        if late:
            postings._post_waiting(company, date, late)
            bills.invalidate_recordset(["posting_item_ids"])
        daily = bills.posting_item_ids.filtered(lambda item: item.live and item.kind == "daily")
        for posting, items in daily.grouped("posting_id").items():
            posting._reverse_lines(items.bill_line_id, date)
        invoice = bills._post_document("out_invoice", partner or bills.partner_id, date)
        return invoice.with_env(self.env)

    def _post_document(self, move_type, partner, date, **vals):
        """Post an invoice or a credit note with the stored figures, and settle a prepaid one."""
        company = self.company_id
        sign = -1 if move_type == "out_refund" else 1
        lines = self.line_ids
        move = (
            self.env["account.move"]
            .with_company(company)
            .create(
                {
                    "move_type": move_type,
                    "acrel_is_charging": True,
                    "partner_id": partner.id,
                    "invoice_date": date,
                    "journal_id": company.acrel_invoice_journal_id.id,
                    "ref": ", ".join(self.mapped("name")),
                    "invoice_line_ids": [
                        Command.create(line._invoice_line_values(sign)) for line in lines
                    ],
                    **vals,
                }
            )
        )
        move._acrel_set_stored_tax(lines)
        move._post(soft=False)
        postings = self.env["acrel.bill.posting"]
        postings._check_move(move, lines)
        settlement = self._settle_document(move) if self[:1].payment_mode == "prepaid" else None
        postings._record(
            move,
            "invoice",
            lines,
            partner_id=partner.id,
            revenue_date=max(self.mapped("revenue_date")),
            settlement_move_id=settlement and settlement.id,
        )
        self.invalidate_recordset(["posting_item_ids"])
        return move

    def _settle_document(self, document):
        """Move what the wallet paid from the liability to the receivable, and reconcile."""
        company = self.company_id
        receivable = document.line_ids.filtered(
            lambda line: line.account_id.account_type == "asset_receivable"
        )
        balance = sum(receivable.mapped("balance"))
        move = (
            self.env["account.move"]
            .with_company(company)
            .create(
                {
                    "move_type": "entry",
                    "journal_id": company.acrel_journal_id.id,
                    "date": document.date,
                    "ref": self.env._("%(document)s, wallet", document=document.name),
                    "line_ids": [
                        Command.create(
                            {
                                "account_id": account.id,
                                "partner_id": document.commercial_partner_id.id,
                                "name": document.name,
                                "balance": amount,
                            }
                        )
                        for account, amount in (
                            (company.acrel_liability_account_id, balance),
                            (receivable.account_id, -balance),
                        )
                    ],
                }
            )
        )
        move._post(soft=False)
        (
            receivable
            + move.line_ids.filtered(lambda line: line.account_id == receivable.account_id)
        ).reconcile()
        return move

    # === CREDITS OF INVOICED BILLS === #

    @api.model
    def _waiting_credits(self, company):
        """Return the posted credits of invoiced bills that have no credit note yet."""
        return self.search(
            [
                ("company_id", "=", company.id),
                ("is_credit", "=", True),
                ("state", "=", "posted"),
                ("accounting_state", "=", "none"),
                ("reverses_id.accounting_state", "=", "invoice"),
            ]
        )

    def _make_credit_notes(self):
        """Post a credit note for each credit of an invoiced bill and return them."""
        notes = self.env["account.move"]
        for credit in self.sudo():
            company = credit.company_id
            company._acrel_check_accounting()
            invoice = credit.reverses_id.invoice_id
            date = company._acrel_open_date(
                self.env["acrel.bill.posting"]._today(company),
                company.acrel_invoice_journal_id,
                True,
            )
            note = credit._post_document(
                "out_refund",
                invoice.partner_id,
                max(date, invoice.date),
                reversed_entry_id=invoice.id,
            )
            if credit.payment_mode == "postpaid":
                (invoice + note).line_ids.filtered(
                    lambda line: (
                        line.account_id.account_type == "asset_receivable" and not line.reconciled
                    )
                ).reconcile()
            notes += note
        return notes

    def _try_credit_notes(self):
        """Post the credit notes that can be posted; accountants hear of the others."""
        notes = self.env["account.move"]
        for credit in self:
            try:
                with self.env.cr.savepoint():
                    notes += credit._make_credit_notes()
            except (UserError, IntegrityError) as error:
                credit._tell_unposted(error)
        return notes

    def _tell_unposted(self, error):
        """Say in the bill's chatter, once, why the books do not carry it; notify accountants."""
        self.ensure_one()
        _logger.warning(
            "Bills of %s, %s, are not posted (bill %s): %s",
            self.station_id.name,
            self.revenue_date,
            self.name,
            error,
        )
        subject = self.env._("Not posted")
        if subject in self.message_ids.mapped("subject"):
            return
        accountants = self.env.ref("account.group_account_manager").all_user_ids.filtered(
            lambda user: user.active and self.company_id in user.company_ids
        )
        self.message_post(
            subject=subject,
            body=self.env._(
                "The bills of %(station)s, %(date)s, cannot be posted: %(error)s The scheduled "
                "action tries again every hour.",
                station=self.station_id.name,
                date=fields.Date.to_string(self.revenue_date),
                error=error,
            ),
            partner_ids=accountants.partner_id.ids,
        )

    def action_view_invoice(self):
        """Open the invoice of the bill."""
        self.ensure_one()
        return self.invoice_id._get_records_action()
