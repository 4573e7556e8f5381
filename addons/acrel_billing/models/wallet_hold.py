"""Holds: the part of a wallet that a session or a refund has taken first."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.acrel_meter_link.fields import BigInteger

from ..money import amount_of


class AcrelWalletHold(models.Model):
    """Money that stays in the wallet but cannot be used for anything else."""

    _name = "acrel.wallet.hold"
    _description = "Charging Wallet Hold"
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
        related="wallet_id.partner_id",
        string="Driver",
        store=True,
        index=True,
    )
    company_id = fields.Many2one(related="wallet_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    session_id = fields.Many2one(
        comodel_name="acrel.session",
        readonly=True,
        ondelete="restrict",
        index="btree_not_null",
    )
    refund_id = fields.Many2one(
        comodel_name="acrel.wallet.refund",
        readonly=True,
        ondelete="restrict",
        index="btree_not_null",
    )
    amount_fen = BigInteger(string="Amount (fen)", required=True, readonly=True)
    amount = fields.Monetary(compute="_compute_amounts")
    captured_fen = BigInteger(string="Captured (fen)", readonly=True, default=0)
    captured = fields.Monetary(
        compute="_compute_amounts",
        help="What was charged out of this hold. The rest was released.",
    )
    state = fields.Selection(
        selection=[
            ("held", "Held"),
            ("captured", "Captured"),
            ("released", "Released"),
        ],
        required=True,
        readonly=True,
        default="held",
        index=True,
    )
    closed_at = fields.Datetime(readonly=True)

    _session_unique = models.Constraint(
        "UNIQUE (session_id)",
        "This session already has a hold.",
    )
    _refund_unique = models.Constraint("UNIQUE (refund_id)", "This refund already has a hold.")
    _one_cause = models.Constraint(
        "CHECK (num_nonnulls(session_id, refund_id) = 1)",
        "A hold belongs to one session or to one refund.",
    )
    _amounts = models.Constraint(
        "CHECK (amount_fen > 0 AND captured_fen BETWEEN 0 AND amount_fen "
        "AND (captured_fen = 0 OR state = 'captured'))",
        "A hold is more than zero, and no more is captured than it holds.",
    )

    def init(self):
        """Install the trigger that keeps the wallet's held total and refuses what is not there."""
        self.env.cr.execute(
            """
            CREATE OR REPLACE FUNCTION acrel_wallet_hold_total() RETURNS trigger AS $$
            DECLARE
                change bigint := 0;
                free bigint;
                wallet integer;
            BEGIN
                IF TG_OP <> 'INSERT' THEN
                    wallet := OLD.wallet_id;
                    IF OLD.state = 'held' THEN
                        change := change - OLD.amount_fen;
                    END IF;
                END IF;
                IF TG_OP <> 'DELETE' THEN
                    IF wallet <> NEW.wallet_id THEN
                        RAISE EXCEPTION 'A hold stays on its wallet.'
                            USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    wallet := NEW.wallet_id;
                    IF NEW.state = 'held' THEN
                        change := change + NEW.amount_fen;
                    END IF;
                END IF;
                IF change <> 0 THEN
                    UPDATE acrel_wallet SET held_fen = held_fen + change WHERE id = wallet
                        RETURNING balance_fen - held_fen INTO free;
                    IF change > 0 AND free < 0 THEN
                        RAISE EXCEPTION 'The wallet has less available than would be held.'
                            USING ERRCODE = 'check_violation';
                    END IF;
                END IF;
                RETURN NULL;
            END $$ LANGUAGE plpgsql;

            CREATE OR REPLACE TRIGGER acrel_wallet_hold_total
                AFTER INSERT OR UPDATE OF state, amount_fen, wallet_id OR DELETE
                ON acrel_wallet_hold
                FOR EACH ROW EXECUTE FUNCTION acrel_wallet_hold_total();
            """
        )

    @api.depends("amount_fen", "captured_fen")
    def _compute_amounts(self):
        for hold in self:
            hold.amount = amount_of(hold.amount_fen)
            hold.captured = amount_of(hold.captured_fen)

    @api.depends("session_id", "refund_id")
    def _compute_display_name(self):
        for hold in self:
            hold.display_name = (hold.session_id or hold.refund_id).display_name

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("Holds are released, never deleted."))

    @api.model
    def _take(self, wallet, amount_fen, **cause):
        """Hold `amount_fen` of `wallet` for ``session_id=…`` or ``refund_id=…``."""
        available = wallet._lock_available()
        if available < amount_fen:
            raise UserError(wallet._too_little_sentence(amount_fen, available))
        hold = self.create({"wallet_id": wallet.id, "amount_fen": amount_fen, **cause})
        wallet.invalidate_recordset()
        return hold

    def _grow(self, step_fen):
        """Hold up to `step_fen` more; return how much more is held, 0 when nothing is left."""
        self.ensure_one()
        more = min(step_fen, self.wallet_id._lock_available())
        if self.state != "held" or more <= 0:
            return 0
        self.amount_fen += more
        self._refresh_totals()
        return more

    def _release(self):
        """Give back what is still held; nothing happens to a hold that is closed."""
        for hold in self:
            hold.wallet_id._lock()
            if hold.state == "held":
                hold.write({"state": "released", "closed_at": fields.Datetime.now()})
                hold._refresh_totals()

    def _capture(self, amount_fen):
        """Close the hold with `amount_fen` used of it; the rest is free again at once.

        The caller books the entry in the same transaction.
        """
        self.ensure_one()
        self.wallet_id._lock()
        if self.state != "held":
            raise UserError(
                self.env._(
                    "The hold of %(what)s is already closed.",
                    what=self.display_name,
                )
            )
        self.write(
            {
                "state": "captured",
                "captured_fen": min(amount_fen, self.amount_fen),
                "closed_at": fields.Datetime.now(),
            }
        )
        self._refresh_totals()

    def _refresh_totals(self):
        """Write the change now, so that the wallet's total is right from here on."""
        self.flush_recordset()
        self.wallet_id.invalidate_recordset()
