"""The tie between the wallets and the books, company by company."""

from odoo import api, fields, models
from odoo.tools import SQL

from ..money import fen_of


class AcrelWalletReconciliation(models.Model):
    """What drivers own by their wallets and by the ledger, and what explains the difference.

    Wallets together + prepaid bills that are charged but not posted yet = balance of the liability
    account, with its sign turned. A difference has been booked past the wallets.
    """

    _name = "acrel.wallet.reconciliation"
    _description = "Charging Wallet Reconciliation"
    _auto = False
    _log_access = False
    _rec_name = "company_id"

    company_id = fields.Many2one(comodel_name="res.company", readonly=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    account_id = fields.Many2one(
        comodel_name="account.account", string="Liability Account", readonly=True
    )
    wallet_count = fields.Integer(string="Wallets", readonly=True)
    wallets = fields.Monetary(string="In Wallets", readonly=True, help="Holds included.")
    held = fields.Monetary(string="Thereof Held", readonly=True)
    short = fields.Monetary(
        string="Thereof Short",
        readonly=True,
        help="Wallets below zero: energy was delivered past the hold.",
    )
    unposted = fields.Monetary(
        string="Not Posted Yet",
        readonly=True,
        help="Bills that the wallets have paid and that wait for their daily entry.",
    )
    expected = fields.Monetary(string="Liability Expected", readonly=True)
    ledger = fields.Monetary(
        string="Liability in the Books",
        readonly=True,
        help="Balance of the account over all posted entries, turned so that a debt is positive.",
    )
    difference = fields.Monetary(readonly=True)

    @property
    def _table_query(self):
        """Return one row a company that has wallets or a liability account for them."""
        return SQL(
            """
            SELECT company.id AS id,
                   company.id AS company_id,
                   company.acrel_liability_account_id AS account_id,
                   wallet.number AS wallet_count,
                   wallet.balance / 100.0 AS wallets,
                   wallet.held / 100.0 AS held,
                   wallet.short / 100.0 AS short,
                   bill.unposted / 100.0 AS unposted,
                   (wallet.balance + bill.unposted) / 100.0 AS expected,
                   ledger.balance AS ledger,
                   ledger.balance - (wallet.balance + bill.unposted) / 100.0 AS difference
              FROM res_company company
             CROSS JOIN LATERAL (
                   SELECT count(*) AS number,
                          coalesce(sum(balance_fen), 0) AS balance,
                          coalesce(sum(held_fen), 0) AS held,
                          coalesce(sum(balance_fen) FILTER (WHERE balance_fen < 0), 0) AS short
                     FROM acrel_wallet WHERE company_id = company.id) wallet
             CROSS JOIN LATERAL (
                   SELECT coalesce(sum(line.gross_fen), 0) AS unposted
                     FROM acrel_bill_line line
                     JOIN acrel_bill bill ON bill.id = line.bill_id
                    WHERE bill.company_id = company.id
                      AND bill.payment_mode = 'prepaid'
                      AND bill.state IN ('posted', 'credited')
                      AND NOT EXISTS (SELECT FROM acrel_bill_posting_item item
                                       WHERE item.bill_line_id = line.id AND item.live)) bill
             CROSS JOIN LATERAL (
                   SELECT coalesce(-sum(balance), 0) AS balance
                     FROM account_move_line
                    WHERE company_id = company.id
                      AND account_id = company.acrel_liability_account_id
                      AND parent_state = 'posted') ledger
             WHERE company.acrel_liability_account_id IS NOT NULL OR wallet.number > 0
            """
        )

    @api.model
    def _of(self, company):
        """Return the tie of one company in fen: expected, ledger and their difference."""
        self.env.flush_all()
        self.invalidate_model()
        row = self.browse(company.id)
        return {
            "wallets_fen": fen_of(row.wallets),
            "unposted_fen": fen_of(row.unposted),
            "expected_fen": fen_of(row.expected),
            "ledger_fen": fen_of(row.ledger),
            "difference_fen": fen_of(row.difference),
        }

    def action_view_wallets(self):
        """Open the company's wallets."""
        self.ensure_one()
        action = self.env["ir.actions.actions"]._for_xml_id("acrel_billing.acrel_wallet_action")
        action["domain"] = [("company_id", "=", self.company_id.id)]
        return action

    def action_view_ledger(self):
        """Open the journal items of the liability account."""
        self.ensure_one()
        return {
            "name": self.account_id.display_name,
            "type": "ir.actions.act_window",
            "res_model": "account.move.line",
            "view_mode": "list,pivot",
            "domain": [
                ("company_id", "=", self.company_id.id),
                ("account_id", "=", self.account_id.id),
                ("parent_state", "=", "posted"),
            ],
        }

    def action_view_unposted(self):
        """Open the bills that wait to be posted."""
        self.ensure_one()
        return {
            "name": self.env._("Bills Not Posted Yet"),
            "type": "ir.actions.act_window",
            "res_model": "acrel.bill",
            "view_mode": "list,form",
            "domain": [
                ("company_id", "=", self.company_id.id),
                ("payment_mode", "=", "prepaid"),
                ("state", "in", ("posted", "credited")),
                ("accounting_state", "=", "none"),
            ],
            "context": {"create": False},
        }
