"""The wallet's entries: the sub-ledger of the contract liability."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.acrel_meter_link.fields import BigInteger

from ..money import amount_of


class AcrelWalletEntry(models.Model):
    """One movement of a wallet. Written once, never changed, never deleted."""

    _name = "acrel.wallet.entry"
    _description = "Charging Wallet Entry"
    _order = "id desc"
    _check_company_auto = True

    wallet_id = fields.Many2one(
        comodel_name="acrel.wallet",
        required=True,
        readonly=True,
        ondelete="restrict",
        index=True,
    )
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        related="wallet_id.partner_id",
        string="Driver",
        store=True,
        precompute=True,
        index=True,
        ondelete="restrict",
    )
    company_id = fields.Many2one(
        comodel_name="res.company",
        related="wallet_id.company_id",
        store=True,
        precompute=True,
        index=True,
        ondelete="restrict",
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    kind = fields.Selection(
        selection=[
            ("topup", "Top-up"),
            ("charge", "Charge"),
            ("credit", "Credit"),
            ("refund", "Refund"),
            ("adjustment", "Adjustment"),
        ],
        required=True,
        readonly=True,
    )
    date = fields.Datetime(
        required=True,
        readonly=True,
        default=fields.Datetime.now,
    )
    amount_fen = BigInteger(string="Amount (fen)", required=True, readonly=True)
    amount = fields.Monetary(compute="_compute_amount", store=True, precompute=True)
    key = fields.Char(
        required=True,
        readonly=True,
        help="What caused the entry. Nothing causes two.",
    )
    transaction_id = fields.Many2one(
        comodel_name="payment.transaction",
        readonly=True,
        ondelete="restrict",
        index="btree_not_null",
    )
    bill_id = fields.Many2one(
        comodel_name="acrel.bill",
        readonly=True,
        ondelete="restrict",
        index="btree_not_null",
    )
    move_id = fields.Many2one(
        comodel_name="account.move",
        string="Journal Entry",
        readonly=True,
        ondelete="restrict",
        index="btree_not_null",
        help="What books this entry. A charge is booked by the posting of its bill.",
    )
    note = fields.Char(readonly=True)

    _key_unique = models.Constraint("UNIQUE (key)", "This has already been booked on a wallet.")
    _transaction_unique = models.Constraint(
        "UNIQUE (transaction_id)",
        "This payment has already been booked on a wallet.",
    )
    _sign = models.Constraint(
        """CHECK (CASE WHEN kind IN ('topup', 'credit') THEN amount_fen > 0
                       WHEN kind IN ('charge', 'refund') THEN amount_fen < 0
                       ELSE amount_fen <> 0 END)""",
        "Top-ups and credits add to a wallet, charges and refunds take from it, and no entry is "
        "zero.",
    )
    _cause = models.Constraint(
        """CHECK (CASE WHEN kind IN ('charge', 'credit') THEN bill_id IS NOT NULL
                       ELSE move_id IS NOT NULL END)""",
        "A charge or a credit needs its bill, every other entry its journal entry.",
    )

    def init(self):
        """Install the triggers that keep entries as they are and the wallet's total with them."""
        self.env.cr.execute(
            """
            CREATE OR REPLACE FUNCTION acrel_wallet_entry_keep() RETURNS trigger AS $$
            BEGIN
                RAISE EXCEPTION 'Entries of a wallet are never changed or deleted.'
                    USING ERRCODE = 'integrity_constraint_violation';
            END $$ LANGUAGE plpgsql;

            CREATE OR REPLACE TRIGGER acrel_wallet_entry_keep
                BEFORE DELETE OR UPDATE OF wallet_id, company_id, kind, date,
                    amount_fen, amount, key, transaction_id, bill_id, move_id, note
                ON acrel_wallet_entry
                FOR EACH ROW EXECUTE FUNCTION acrel_wallet_entry_keep();

            CREATE OR REPLACE TRIGGER acrel_wallet_entry_keep_all
                BEFORE TRUNCATE ON acrel_wallet_entry
                FOR EACH STATEMENT EXECUTE FUNCTION acrel_wallet_entry_keep();

            CREATE OR REPLACE FUNCTION acrel_wallet_entry_total() RETURNS trigger AS $$
            DECLARE
                free bigint;
            BEGIN
                UPDATE acrel_wallet SET balance_fen = balance_fen + NEW.amount_fen
                    WHERE id = NEW.wallet_id
                    RETURNING balance_fen - held_fen INTO free;
                IF NEW.amount_fen < 0 AND NEW.kind <> 'charge' AND NEW.transaction_id IS NULL
                    AND free < 0 THEN
                    RAISE EXCEPTION 'The wallet has less available than would be taken from it.'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NULL;
            END $$ LANGUAGE plpgsql;

            CREATE OR REPLACE TRIGGER acrel_wallet_entry_total
                AFTER INSERT ON acrel_wallet_entry
                FOR EACH ROW EXECUTE FUNCTION acrel_wallet_entry_total();
            """
        )

    @api.depends("amount_fen")
    def _compute_amount(self):
        for entry in self:
            entry.amount = amount_of(entry.amount_fen)

    @api.depends("kind", "date", "amount_fen")
    @api.depends_context("lang")
    def _compute_display_name(self):
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        for entry in self:
            amount = entry.currency_id.format(entry.amount)
            entry.display_name = f"{kinds.get(entry.kind)} {entry.date:%Y-%m-%d} {amount}"

    def write(self, vals):
        """Refuse: an entry is corrected by another one."""
        if vals:
            raise UserError(
                self.env._("Entries of a wallet are never changed. Book a correction instead.")
            )
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("Entries of a wallet are never deleted."))

    def _check_same(self, wallet, kind, amount_fen):
        """Refuse a repetition that means something else than what was booked first."""
        self.ensure_one()
        if (self.wallet_id, self.kind, self.amount_fen) != (wallet, kind, amount_fen):
            raise UserError(
                self.env._(
                    "%(key)s is already booked as %(booked)s; it cannot be booked again with "
                    "another amount or on another wallet.",
                    key=self.key,
                    booked=wallet._format_fen(self.amount_fen),
                )
            )
