"""The wallet: what a driver has paid a company in advance."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.acrel_meter_link.fields import BigInteger

from ..money import amount_of, fen_of

CURRENCY = "CNY"


class AcrelWallet(models.Model):
    """A driver's money with one company.

    The entries and the holds are the truth. `balance_fen` and `held_fen` are their running totals,
    written by the database's triggers in the same statement, so that they cannot differ and so that
    a transaction that works on an old snapshot of the wallet fails and is repeated by Odoo.
    """

    _name = "acrel.wallet"
    _description = "Charging Wallet"
    _inherit = ["mail.thread"]
    _mail_post_access = "read"
    _rec_name = "partner_id"
    _order = "id desc"
    _check_company_auto = True

    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Driver",
        required=True,
        readonly=True,
        ondelete="restrict",
        index=True,
    )
    company_id = fields.Many2one(
        comodel_name="res.company",
        required=True,
        readonly=True,
        ondelete="restrict",
        index=True,
        default=lambda self: self.env.company,
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    balance_fen = BigInteger(string="Balance (fen)", readonly=True, default=0, copy=False)
    held_fen = BigInteger(string="Held (fen)", readonly=True, default=0, copy=False)
    balance = fields.Monetary(compute="_compute_amounts")
    held = fields.Monetary(
        compute="_compute_amounts",
        help="Kept for running sessions and for refunds that were asked for.",
    )
    available = fields.Monetary(compute="_compute_amounts")
    entry_ids = fields.One2many(
        comodel_name="acrel.wallet.entry",
        inverse_name="wallet_id",
        string="Entries",
    )
    hold_ids = fields.One2many(
        comodel_name="acrel.wallet.hold",
        inverse_name="wallet_id",
        string="Holds",
    )
    refund_ids = fields.One2many(
        comodel_name="acrel.wallet.refund",
        inverse_name="wallet_id",
        string="Refunds",
    )

    _partner_company = models.Constraint(
        "UNIQUE (partner_id, company_id)",
        "This driver already has a wallet with this company.",
    )
    _held_positive = models.Constraint(
        "CHECK (held_fen >= 0)",
        "More of the wallet would be released than was held.",
    )

    @api.depends("balance_fen", "held_fen")
    def _compute_amounts(self):
        for wallet in self:
            wallet.balance = amount_of(wallet.balance_fen)
            wallet.held = amount_of(wallet.held_fen)
            wallet.available = amount_of(wallet.balance_fen - wallet.held_fen)

    @api.depends("partner_id", "company_id")
    def _compute_display_name(self):
        for wallet in self:
            wallet.display_name = f"{wallet.partner_id.name} · {wallet.company_id.name}"

    @api.constrains("company_id")
    def _check_currency(self):
        for wallet in self:
            wallet._check_books_currency(wallet.company_id)

    def _check_books_currency(self, company):
        """Refuse a company whose books are not kept in yuan."""
        if company.currency_id.name != CURRENCY:
            raise UserError(
                self.env._(
                    "Wallets are kept in %(currency)s, but the books of %(company)s are kept in "
                    "%(other)s.",
                    currency=CURRENCY,
                    company=company.name,
                    other=company.currency_id.name,
                )
            )

    def write(self, vals):
        """Refuse to set what only entries and holds may change."""
        fixed = {"balance_fen", "held_fen", "partner_id", "company_id"} & vals.keys()
        if fixed:
            raise UserError(
                self.env._("A wallet changes through its entries and holds only, never by hand.")
            )
        return super().write(vals)

    # === ACCESS TO A WALLET === #

    @api.model
    def _of(self, partner, company):
        """Return the wallet of `partner` with `company`, empty if there is none."""
        return self.search([("partner_id", "=", partner.id), ("company_id", "=", company.id)])

    @api.model
    def _ensure(self, partner, company):
        """Return the wallet of `partner` with `company`, made if missing.

        Two requests that make the same wallet at once leave one: the loser is repeated by Odoo.
        """
        if wallet := self._of(partner, company):
            return wallet
        self._check_books_currency(company)
        self.env.cr.execute(
            """
            INSERT INTO acrel_wallet (partner_id, company_id, balance_fen, held_fen,
                                      create_uid, write_uid, create_date, write_date)
            VALUES (%(partner)s, %(company)s, 0, 0, %(user)s, %(user)s,
                    now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')
            ON CONFLICT DO NOTHING
            """,
            {"partner": partner.id, "company": company.id, "user": self.env.uid},
        )
        return self._of(partner, company)

    def _lock(self):
        """Lock the wallet's row until the end of the transaction and return (balance, held) in fen.

        Under REPEATABLE READ this fails with a serialization error, which Odoo answers by repeating
        the request, when another transaction has moved the wallet since this one's snapshot.
        """
        self.ensure_one()
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT balance_fen, held_fen FROM acrel_wallet WHERE id = %s FOR UPDATE", [self.id]
        )
        totals = self.env.cr.fetchone()
        self.invalidate_recordset()
        return totals

    def _lock_available(self):
        """Lock the wallet and return what may be held or paid out, in fen."""
        balance, held = self._lock()
        return balance - held

    # === MONEY IN AND OUT === #

    def _book(self, kind, amount_fen, key, **vals):
        """Write one entry and return it; the same `key` again writes nothing and returns the first.

        :param str kind: a kind of `acrel.wallet.entry`
        :param int amount_fen: signed; more than zero adds to the wallet
        :param str key: what happened, unique over all wallets, e.g. ``payment.transaction,17``
        """
        self.ensure_one()
        entries = self.env["acrel.wallet.entry"]
        balance, held = self._lock()
        if existing := entries.search([("key", "=", key)]):
            existing._check_same(self, kind, amount_fen)
            return existing
        # A provider has paid already: that is a fact, and no check can take it back.
        is_fact = bool(vals.get("transaction_id"))
        if (
            kind in ("refund", "adjustment")
            and not is_fact
            and amount_fen < 0
            and balance - held < -amount_fen
        ):
            raise UserError(self._too_little_sentence(-amount_fen, balance - held))
        entry = entries.create(
            {
                "wallet_id": self.id,
                "kind": kind,
                "amount_fen": amount_fen,
                "key": key,
                **vals,
            }
        )
        self.invalidate_recordset()
        return entry

    def _too_little_sentence(self, wanted_fen, available_fen):
        """Return the sentence that says how much is there and how much was wanted."""
        return self.env._(
            "%(wallet)s has %(available)s available, less than %(wanted)s.",
            wallet=self.display_name,
            available=self._format_fen(available_fen),
            wanted=self._format_fen(wanted_fen),
        )

    def _format_fen(self, fen):
        """Return an amount as people read it, with the currency's sign."""
        return self.company_id.currency_id.format(amount_of(fen))

    def _check_start(self):
        """Refuse a session that the wallet cannot begin to pay."""
        self.ensure_one()
        self._check_start_balance(self.company_id, self.balance_fen - self.held_fen)

    @api.model
    def _check_start_balance(self, company, available_fen):
        """Refuse to start with `available_fen` when that is less than the company's minimum."""
        minimum = fen_of(company.acrel_start_minimum)
        if available_fen >= minimum:
            return
        currency = company.currency_id
        if available_fen < 0:
            raise UserError(
                self.env._(
                    "Your wallet is %(debt)s short. Top up at least %(wanted)s to start charging.",
                    debt=currency.format(amount_of(-available_fen)),
                    wanted=currency.format(amount_of(minimum - available_fen)),
                )
            )
        raise UserError(
            self.env._(
                "Your available balance is %(available)s, but starting takes at least %(minimum)s. "
                "Top up at least %(wanted)s.",
                available=currency.format(amount_of(available_fen)),
                minimum=currency.format(amount_of(minimum)),
                wanted=currency.format(amount_of(minimum - available_fen)),
            )
        )

    # === ACTIONS === #

    def action_view_entries(self):
        """Open the entries of the wallet."""
        self.ensure_one()
        action = self.env["ir.actions.actions"]._for_xml_id(
            "acrel_billing.acrel_wallet_entry_action"
        )
        action["domain"] = [("wallet_id", "=", self.id)]
        return action
