"""Refunds: the part of a wallet that its driver asks back."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.acrel_meter_link.fields import BigInteger

from ..money import amount_of


class AcrelWalletRefund(models.Model):
    """A driver's wish to have money back. It is held from the request until it is answered."""

    _name = "acrel.wallet.refund"
    _description = "Charging Wallet Refund"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(
        string="Number",
        required=True,
        readonly=True,
        copy=False,
        default=lambda self: self.env["ir.sequence"].next_by_code("acrel.wallet.refund"),
    )
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
    amount_fen = BigInteger(string="Amount (fen)", required=True, readonly=True)
    amount = fields.Monetary(compute="_compute_amount", store=True, precompute=True)
    note = fields.Text(
        string="Pay To",
        readonly=True,
        help="Where the driver wants the money, e.g. a bank account and its holder.",
    )
    state = fields.Selection(
        selection=[
            ("requested", "Requested"),
            ("sent", "Sent to the Provider"),
            ("paid", "Paid"),
            ("refused", "Refused"),
            ("withdrawn", "Withdrawn"),
        ],
        required=True,
        readonly=True,
        default="requested",
        tracking=True,
    )
    answer = fields.Char(readonly=True, tracking=True)
    hold_ids = fields.One2many(
        comodel_name="acrel.wallet.hold",
        inverse_name="refund_id",
    )
    payment_id = fields.Many2one(comodel_name="account.payment", readonly=True, copy=False)

    _amount_positive = models.Constraint(
        "CHECK (amount_fen > 0)",
        "A refund must be more than zero.",
    )

    @api.depends("amount_fen")
    def _compute_amount(self):
        for refund in self:
            refund.amount = amount_of(refund.amount_fen)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("Refunds are refused or withdrawn, never deleted."))

    @api.model
    def _request(self, wallet, amount_fen, note=""):
        """Ask `amount_fen` of `wallet` back; it is held until the answer."""
        if amount_fen <= 0:
            raise UserError(self.env._("A refund must be more than zero."))
        available = wallet._lock_available()
        if available < amount_fen:
            raise UserError(wallet._too_little_sentence(amount_fen, available))
        refund = self.create({"wallet_id": wallet.id, "amount_fen": amount_fen, "note": note})
        self.env["acrel.wallet.hold"]._take(wallet, amount_fen, refund_id=refund.id)
        return refund

    def _check_state(self, *states):
        """Refuse a step that the refund's state does not allow."""
        labels = dict(self._fields["state"]._description_selection(self.env))
        for refund in self:
            refund.wallet_id._lock()
            if refund.state not in states:
                raise UserError(
                    self.env._(
                        "Refund %(name)s is already “%(state)s”.",
                        name=refund.name,
                        state=labels[refund.state],
                    )
                )

    def _withdraw(self):
        """Take back the request; the money is free again."""
        self._check_state("requested")
        self.hold_ids._release()
        self.state = "withdrawn"

    def _refuse(self, answer):
        """Answer no; the money is free again."""
        self._check_state("requested")
        self.hold_ids._release()
        self.write({"state": "refused", "answer": answer})

    def _pay_out(self, journal, date=None):
        """Pay from `journal` (bank or cash), book it against the liability and close the refund."""
        self.ensure_one()
        self._check_state("requested")
        self.company_id._acrel_check_accounting()
        payment = self.wallet_id._create_wallet_payment(
            "outbound", self.amount_fen, journal, date=date, memo=self.name
        )
        self._book_payment(payment)
        return payment

    def _send_to_provider(self, transaction):
        """Send the money back the way `transaction` brought it."""
        self.ensure_one()
        self._check_state("requested")
        self.company_id._acrel_check_accounting()
        if transaction.acrel_wallet_id != self.wallet_id or transaction.state != "done":
            raise UserError(
                self.env._(
                    "%(reference)s is not a completed top-up of this wallet.",
                    reference=transaction.reference,
                )
            )
        refundable = transaction.payment_id.amount_available_for_refund
        if transaction.currency_id.compare_amounts(self.amount, refundable) > 0:
            raise UserError(
                self.env._(
                    "The provider can give back %(refundable)s of %(reference)s, less than "
                    "%(wanted)s. Pay the refund from a bank account instead.",
                    refundable=transaction.currency_id.format(refundable),
                    reference=transaction.reference,
                    wanted=transaction.currency_id.format(self.amount),
                )
            )
        # What other charges have taken meanwhile, the provider must not pay out.
        available = self.wallet_id._lock_available() + self.amount_fen
        if available < self.amount_fen:
            raise UserError(self.wallet_id._too_little_sentence(self.amount_fen, available))
        self.state = "sent"
        child = transaction.with_context(acrel_refund_id=self.id)._refund(self.amount)
        child._acrel_refund_answered()
        # Booked in a transaction of its own: a refusal there must not forget that money has left.
        self.env.ref("payment.cron_post_process_payment_tx").sudo()._trigger()
        return child

    def _book_payment(self, payment):
        """Take the money out of the wallet that `payment` has paid, and close the refund.

        What a provider has paid is booked in any case, also when the refund was meanwhile answered
        in another way: the wallet may then be short.
        """
        self.ensure_one()
        transaction = payment.payment_transaction_id
        is_open = self.state in ("requested", "sent")
        if is_open or not transaction:
            self.hold_ids._capture(self.amount_fen)
            key = f"acrel.wallet.refund,{self.id}"
        else:
            key = f"payment.transaction,{transaction.id}"
        self.wallet_id._book(
            "refund",
            -self.amount_fen,
            key,
            move_id=payment.move_id.id,
            transaction_id=transaction.id,
            note=self.name,
        )
        if is_open:
            self.write({"state": "paid", "payment_id": payment.id})
        else:
            self.message_post(
                body=self.env._(
                    "The provider has paid %(amount)s with %(reference)s, although this refund had "
                    "another answer. The wallet is charged with it.",
                    amount=self.wallet_id._format_fen(self.amount_fen),
                    reference=transaction.reference,
                )
            )

    def _provider_failed(self, message):
        """Make a refund that the provider did not carry out payable again."""
        for refund in self.filtered(lambda refund: refund.state == "sent"):
            refund.write({"state": "requested", "answer": message})

    def action_answer(self):
        """Open the wizard that pays or refuses."""
        self.ensure_one()
        return {
            "name": self.env._("Answer the Refund"),
            "type": "ir.actions.act_window",
            "res_model": "acrel.wallet.refund.answer",
            "view_mode": "form",
            "target": "new",
            "context": {"default_refund_id": self.id},
        }

    def action_view_payment(self):
        """Open the payment."""
        self.ensure_one()
        return self.payment_id._get_records_action()
