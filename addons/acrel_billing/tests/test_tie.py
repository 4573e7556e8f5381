"""Whatever happens in whatever order, the wallets and the books say the same."""

import random

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from ..money import fen_of
from .test_posting import PostingCase

SEED = 20260722


@tagged("post_install", "-at_install")
class TestTie(PostingCase):
    """Many top-ups, sessions, credits, invoices and refunds, drawn by a fixed seed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bank = cls.env["account.journal"].search(
            [("type", "=", "bank"), ("company_id", "=", cls.company.id)], limit=1
        )
        cls.expense = cls.env["account.account"].search(
            [("account_type", "=", "expense"), ("company_ids", "in", cls.company.ids)], limit=1
        )

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.bills = self.env["acrel.bill"]

    def step_top_up(self):
        self.top_up(self.random.randint(1, 20_000) / 100)

    def step_session(self):
        minutes = self.random.randint(2, 15)
        self.bills |= self.bill(self.random.randint(0, 30 * minutes), minutes)

    def step_credit(self):
        bill = self.some_bill()
        bill._credit("Drawn")

    def step_invoice(self):
        self.some_bill()._make_invoice()

    def step_refund(self):
        refund = self.env["acrel.wallet.refund"]._request(
            self.wallet, self.random.randint(1, 3000), "Drawn"
        )
        self.random.choice(
            [lambda: refund._pay_out(self.bank), refund._withdraw, lambda: refund._refuse("No")]
        )()

    def step_adjust(self):
        self.wallet._adjust(self.random.choice([-1, 1, 37, -37]), self.expense, "Drawn")

    def step_post(self):
        self.post()

    def some_bill(self):
        if not self.bills:
            raise UserError(self.env._("There is no bill yet."))
        return self.random.choice(list(self.bills))

    def check(self):
        tie = self.tie()
        self.assertEqual(tie["difference_fen"], 0, tie)
        self.env.cr.execute(
            "SELECT sum(amount_fen)::bigint FROM acrel_wallet_entry WHERE wallet_id = %s",
            [self.wallet.id],
        )
        self.assertEqual(self.env.cr.fetchone()[0], self.wallet.balance_fen)
        self.assertEqual(
            sum(self.wallet.hold_ids.filtered(lambda h: h.state == "held").mapped("amount_fen")),
            self.wallet.held_fen,
        )

    def test_everything_ties_after_every_step(self):
        often = {
            self.step_top_up: 10,
            self.step_session: 18,
            self.step_credit: 6,
            self.step_invoice: 8,
            self.step_refund: 6,
            self.step_adjust: 4,
            self.step_post: 4,
        }
        plan = [step for step, times in often.items() for _time in range(times)]
        self.random.shuffle(plan)
        done = dict.fromkeys((step.__name__ for step in often), 0)
        refused = set()
        for step in plan:
            try:
                with self.env.cr.savepoint():
                    step()
            except UserError as error:  # what was refused must have changed nothing
                refused.add(str(error))
                continue
            finally:
                self.env.invalidate_all()
                self.check()
            done[step.__name__] += 1
        self.assertTrue(all(done.values()), (done, refused))
        self.post()
        self.env["acrel.bill"]._waiting_credits(self.company)._make_credit_notes()
        tie = self.tie()
        self.assertEqual((tie["difference_fen"], tie["unposted_fen"]), (0, 0))
        self.assertEqual(tie["wallets_fen"], self.wallet.balance_fen)
        everything = self.env["acrel.bill"].search([("partner_id", "=", self.partner.id)])
        ledger = self.ledger()
        self.assertEqual(
            (ledger["600100"], ledger["22210105"]),
            (-sum(everything.mapped("net_fen")), -sum(everything.mapped("tax_fen"))),
        )
        money = sum(
            fen_of(entry.amount)
            for entry in self.wallet.entry_ids
            if entry.kind in ("topup", "refund", "adjustment")
        )
        self.assertEqual(
            money, self.wallet.balance_fen + sum(everything.mapped("gross_fen")), "tie (c)"
        )

    def test_a_booking_past_the_wallets_is_seen(self):
        liability = self.company.acrel_liability_account_id
        self.env["account.move"].create(
            {
                "move_type": "entry",
                "journal_id": self.company.acrel_journal_id.id,
                "date": fields.Date.today(),
                "line_ids": [
                    fields.Command.create({"account_id": liability.id, "balance": -1.23}),
                    fields.Command.create({"account_id": self.expense.id, "balance": 1.23}),
                ],
            }
        ).action_post()
        self.assertEqual(self.tie()["difference_fen"], 123)
